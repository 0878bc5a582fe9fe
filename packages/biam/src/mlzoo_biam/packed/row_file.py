"""Rows of an .npy file, read without mapping it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import readable
from mlzoo.errors import DataError

Floats = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RowFile:
    """An .npy file of which rows are read. Every row is ``size`` bytes, the first at ``start``."""

    path: Path
    count: int
    shape: tuple[int, ...]
    start: int
    size: int

    @classmethod
    def of(cls, path: Path, array: Floats, axes: int) -> RowFile:
        """Of an array that is mapped from the disk; raises DataError if it has other axes, or nothing."""
        if array.ndim != axes or not array.size:
            raise DataError(f"{path} is of shape {array.shape}, expected {axes} axes.")
        start: int = array.offset  # type: ignore[attr-defined]  # of a numpy.memmap
        return cls(path, len(array), array.shape[1:], start, array[0].nbytes)

    def read(self, rows: Index) -> Floats:
        """float32 [n, ...], in the order of ``rows``; neighbours are read at once.

        Raises:
            DataError: the file was cut short, or cannot be read.
            IndexError: a row is not there.
        """
        check_rows(rows, self.count, str(self.path))
        found = np.empty((len(rows), *self.shape), "<f4")
        if not len(rows):
            return found
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        firsts, ends = [0, *breaks], [*breaks, len(rows)]
        with readable(self.path, "a whole .npy file"), self.path.open("rb", buffering=0) as file:
            for first, end in zip(firsts, ends, strict=True):
                file.seek(self.start + int(rows[first]) * self.size)
                _fill(file, found[first:end].data.cast("B"))
        return found


def _fill(file: Any, view: memoryview) -> None:
    while view:
        got = file.readinto(view)
        if not got:
            raise EOFError("it ends too early")
        view = view[got:]


def check_rows(rows: Index, count: int, what: str) -> None:
    """Raises IndexError for a row that is not there."""
    if len(rows) and not 0 <= rows.min() <= rows.max() < count:
        raise IndexError(f"a row is outside the {count} images of {what}")
