"""Stored videos that lie in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.data.fingerprint import fingerprint
from mlzoo.errors import DataError
from mlzoo_multisk.clips import Item


class MemoryStore:
    """A list of items as an :class:`~mlzoo_multisk.clips.ItemStore`.

    Args:
        items: in the order of rows.
        what: where they are from, for messages.

    Raises:
        DataError: there is none, or two have one id.
    """

    def __init__(self, items: Sequence[Item], what: str = "the videos") -> None:
        self.items = list(items)
        self.keys: list[str] = [item.key for item in self.items]
        if not self.keys:
            raise DataError(f"{what}: there is none.")
        twice = [key for key, count in Counter(self.keys).items() if count > 1]
        if twice:
            others = f" and {len(twice) - 1} others" if twice[1:] else ""
            raise DataError(f"{what}: the id {twice[0]!r}{others} occurs twice.", "Leave one out.")

    def __len__(self) -> int:
        return len(self.items)

    def item(self, row: int) -> Item:
        """One of them, not copied."""
        return self.items[row]

    def digest(self) -> str:
        """SHA-256 of ids, arrays and facts; computed once."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        arrays: dict[str, npt.NDArray[Any]] = {"keys": _bytes("\n".join(self.keys))}
        for row, item in enumerate(self.items):
            for name in ("video_2d", "video_3d", "audio"):
                array = getattr(item, name)
                if array is not None:
                    arrays[f"{row}.{name}"] = array
            arrays[f"{row}.facts"] = _bytes(json.dumps(dict(item.facts), sort_keys=True))
        return fingerprint(arrays)


def _bytes(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)
