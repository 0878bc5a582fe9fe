"""Images in memory. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mlzoo.data.fingerprint import fingerprint
from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import Bytes, Index
from mlzoo_imagecode.images.preprocess import square_of


class ArrayImages:
    """Images of equal size in an array; see :class:`mlzoo_imagecode.contextual.Images`.

    Args:
        pixels: uint8 [N, H, W, 3].
        names: of each.

    Raises:
        DataError: the array is not of that form, or there are not as many names.
    """

    def __init__(self, pixels: Bytes, names: Sequence[str]) -> None:
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3 or not pixels.size:
            raise DataError(
                f"images are {pixels.dtype} {list(pixels.shape)}, expected uint8 [N, H, W, 3]."
            )
        if len(names) != len(pixels):
            raise DataError(f"there are {len(names)} names of {len(pixels)} images.")
        self.pixels = pixels
        self._names = tuple(names)
        self._digest = ""

    @property
    def names(self) -> Sequence[str]:
        """Of the images."""
        return self._names

    def __len__(self) -> int:
        return len(self.pixels)

    def crops(self, rows: Index, size: int, *, fast: bool = False) -> Bytes:
        """uint8 [n, size, size, 3]."""
        chosen = self.pixels[rows]  # [n, H, W, 3], a copy
        if chosen.shape[1:3] == (size, size):
            return chosen
        crops = np.empty((len(rows), size, size, 3), np.uint8)
        for row, pixels in enumerate(chosen):
            crops[row] = square_of(Image.fromarray(pixels), size, fast=fast)
        return crops

    def digest(self) -> str:
        """SHA-256 of all pixels and names; computed once."""
        if not self._digest:
            self._digest = fingerprint({"pixels": self.pixels, "names": np.array(self._names)})
        return self._digest
