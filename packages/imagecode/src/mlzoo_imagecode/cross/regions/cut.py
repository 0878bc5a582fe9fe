"""Regions cut out of small pictures: boxes of a grid that overlap by half, and features that are pixels.

A stand-in for a detector's regions where pictures are so small that their pixels say it all.
"""

from __future__ import annotations

import numpy as np

from mlzoo.data.fingerprint import fingerprint
from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import Bytes, Floats, Index
from mlzoo_imagecode.cross.regions.boxes import Regions, check_rows

AT_ONCE = 256
"""Pictures that are cut at once."""
SIDE = 8
"""Cells of a region's side; each gives the mean of its pixels in three colours."""


def cut_regions(pixels: Bytes, grid: int, side: int = SIDE) -> tuple[Floats, Floats]:
    """Regions of pictures: the whole first, then a grid of boxes row by row.

    A box has 2/(grid + 1) of the picture's height and width, so that neighbours share half of them.
    Computed in whole numbers up to the last division: equal on every machine.

    Args:
        pixels: uint8 [m, H, W, 3].
        grid: boxes of a row and of a column, at least 1.
        side: cells of a region's side.

    Returns:
        features: float32 [m, n, side·side·3] from -1 to 1, cell by cell; n = grid² + 1.
        boxes: float32 [m, n, 4], x1, y1, x2, y2 in pixels, the same of all pictures.

    Raises:
        DataError: the pixels are not of that form, or there are fewer than the grid has boxes.
    """
    if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8:
        raise DataError(
            f"pictures are {pixels.dtype} {list(pixels.shape)}, not uint8 [m, H, W, 3]."
        )
    height, width = pixels.shape[1:3]
    if not 0 < grid < min(height, width):
        raise DataError(f"a grid of {grid} does not fit pictures of {height} × {width} pixels.")
    boxes = grid_boxes(height, width, grid)  # [n, 4]
    (left, right), (top, bottom) = (_cells(boxes[:, [i, i + 2]], side) for i in (0, 1))
    sums = _integral(pixels)  # [m, H + 1, W + 1, 3]
    # The sum over a rectangle is four corners of the integral image; rows of cells, then columns.
    rows = sums[:, bottom] - sums[:, top]  # [m, n, side, W + 1, 3]
    n = np.arange(len(boxes))[:, None, None]
    cells = np.arange(side)[None, :, None]
    # [m, n, side, side, 3]
    total = rows[:, n, cells, right[:, None]] - rows[:, n, cells, left[:, None]]
    area = (bottom - top)[:, :, None] * (right - left)[:, None]  # [n, side, side]
    features = total.astype(np.float32) / (area[..., None] * np.float32(127.5)) - np.float32(1)
    flat = features.reshape(len(pixels), len(boxes), 3 * side * side).astype(np.float32, copy=False)
    return flat, np.tile(boxes.astype(np.float32), (len(pixels), 1, 1))


def grid_boxes(height: int, width: int, grid: int) -> Index:
    """int64 [grid² + 1, 4], x1, y1, x2, y2 in whole pixels; the picture itself first."""
    starts = np.arange(grid)
    y, x = (
        (length * starts // (grid + 1), length * (starts + 2) // (grid + 1))
        for length in (height, width)
    )
    row, column = np.repeat(starts, grid), np.tile(starts, grid)
    boxes = np.stack([x[0][column], y[0][row], x[1][column], y[1][row]], axis=1)
    return np.concatenate([[[0, 0, width, height]], boxes]).astype(np.int64)


class CutRegions:
    """Regions that are cut out when they are first asked for, and kept.

    See :class:`~mlzoo_imagecode.cross.regions.boxes.RegionSource`.

    Args:
        pixels: uint8 [N, H, W, 3].
        grid, side: as of :func:`cut_regions`.
    """

    def __init__(self, pixels: Bytes, grid: int, side: int = SIDE) -> None:
        cut_regions(pixels[:0], grid, side)  # refuses what cannot be cut
        self._pixels, self._grid, self._side = pixels, grid, side
        self.regions, self.width = grid * grid + 1, 3 * side * side
        self._digest = ""
        self._made = np.zeros(len(pixels), bool)
        self._features = np.empty(
            (len(pixels), self.regions, self.width), np.float32
        )  # as it fills
        _, self._boxes = cut_regions(pixels[:1], grid, side)

    def __len__(self) -> int:
        return len(self._pixels)

    def read(self, rows: Index) -> Regions:
        """Of some pictures."""
        check_rows(rows, len(self), "the pictures")
        new = np.unique(rows[~self._made[rows]])
        for start in range(0, len(new), AT_ONCE):
            some = new[start : start + AT_ONCE]
            self._features[some], _ = cut_regions(self._pixels[some], self._grid, self._side)
            self._made[some] = True
        count = len(rows)
        boxes = np.repeat(self._boxes, count, axis=0) if len(self) else self._boxes[:0]
        sizes = np.tile(np.array(self._pixels.shape[1:3], np.int64), (count, 1))
        counts = np.full(count, self.regions, np.int64)
        return Regions(self._features[rows], boxes, counts, sizes)

    def digest(self) -> str:
        """SHA-256 of the pixels and of how they are cut; computed once."""
        if not self._digest:
            how = np.array([self._grid, self._side])
            self._digest = fingerprint({"pixels": self._pixels, "cut": how})
        return self._digest

    def kind(self) -> str:
        """How they are cut."""
        return f"cut, grid {self._grid}, side {self._side}"


def _cells(ends: Index, side: int) -> tuple[Index, Index]:
    """int64 [n, side] each: where the cells of stretches [n, 2] begin and end, a pixel or more apart."""
    start, length = ends[:, :1], ends[:, 1:] - ends[:, :1]  # [n, 1]
    cell = np.arange(side)
    return start + cell * length // side, start + -(-(cell + 1) * length // side)


def _integral(pixels: Bytes) -> Index:
    """int64 [m, H + 1, W + 1, 3]: sums over all pixels above and to the left."""
    count, height, width, colours = pixels.shape
    sums = np.zeros((count, height + 1, width + 1, colours), np.int64)
    np.cumsum(pixels, axis=1, out=sums[:, 1:, 1:])
    np.cumsum(sums[:, 1:, 1:], axis=2, out=sums[:, 1:, 1:])
    return sums
