"""Images that are not there, of which only names are known. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlzoo.data.fingerprint import fingerprint
from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import Bytes, Index


class AbsentImages:
    """Images for those who read their regions alone; see :class:`mlzoo_imagecode.contextual.Images`.

    Args:
        names: of each.
        fix: how to get them.
    """

    def __init__(self, names: Sequence[str], fix: str = "") -> None:
        self._names, self._fix = tuple(names), fix

    @property
    def names(self) -> Sequence[str]:
        """Of the images."""
        return self._names

    def __len__(self) -> int:
        return len(self._names)

    def crops(self, rows: Index, size: int, *, fast: bool = False) -> Bytes:
        """None are there.

        Raises:
            DataError: always, unless nothing is asked for.
        """
        if len(rows):
            raise DataError(
                f"there is no image {self._names[rows[0]]}: only its regions are here.", self._fix
            )
        return np.zeros((0, size, size, 3), np.uint8)

    def digest(self) -> str:
        """SHA-256 of the names."""
        return fingerprint({"absent": np.array(self._names)})
