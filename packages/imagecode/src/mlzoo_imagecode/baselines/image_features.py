"""What the baseline ``image-only`` knows of an image: its place, and how it differs from its set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlzoo_imagecode.contextual import Bytes, Floats, Images, Index, Part
from mlzoo_imagecode.images.reading import crops_ahead

SIDE = 8
"""Pixels of a thumbnail."""
PIXELS = SIDE * SIDE * 3


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """Features of the images that a part's descriptions choose among.

    Attributes:
        x: float32 [M, w].
        candidates: int64 [n, k], rows of x.
    """

    x: Floats
    candidates: Index

    @classmethod
    def of(cls, part: Part, positions: int, at_once: int) -> ImageFeatures:
        """Read what is needed: the images of the sets that are described.

        Args:
            part: the descriptions.
            positions: of a set.
            at_once: images that are read at once.

        Raises:
            DataError: an image is missing or damaged.
        """
        described = np.unique(part.set_of_image[part.candidates])
        rows = np.flatnonzero(np.isin(part.set_of_image, described))
        thumbnails = read_thumbnails(part.images, rows, at_once)
        x = image_features(part, rows, thumbnails, positions)
        return cls(x, np.searchsorted(rows, part.candidates))


def width_of(positions: int) -> int:
    """Numbers of an image with so many positions in a set."""
    return 2 * PIXELS + 3 + 2 * positions


def image_features(part: Part, rows: Index, thumbnails: Floats, positions: int) -> Floats:
    """float32 [M, w] of some images of a part.

    The thumbnail's difference to the mean of its set (the thumbnail itself would say the same, as all
    candidates share the mean), with sign and without; the mean squares of this and of the differences to the
    next and to the nearest image of the set; the position, of videos and of other sets apart.

    Args:
        part: whose images they are.
        rows: int64 [M], ascending: all images of some of its sets.
        thumbnails: float32 [M, 192] from 0 to 1.
        positions: of a set.
    """
    set_of, position = part.set_of_image[rows], part.position[rows]
    found = np.zeros((len(rows), width_of(positions)), np.float32)
    order = np.lexsort((position, set_of))  # by set, then position
    starts = np.flatnonzero(np.diff(set_of[order], prepend=-1))
    for own in np.split(order, starts[1:]):
        x = thumbnails[own]
        apart = x - x.mean(axis=0)
        found[own, :PIXELS] = apart
        found[own, PIXELS : 2 * PIXELS] = np.abs(apart)
        found[own, 2 * PIXELS] = np.mean(apart**2, axis=1)
        found[own, 2 * PIXELS + 1 : 2 * PIXELS + 3] = _neighbours(x)
    kind = part.video[set_of].astype(np.int64)
    found[np.arange(len(rows)), 2 * PIXELS + 3 + kind * positions + position] = 1
    return found


def _neighbours(x: Floats) -> Floats:
    """float32 [s, 2]: mean squared differences of the images of a set [s, 192], in their order, to the next
    (of the last: to the one before) and to the nearest."""
    squares = (x**2).sum(axis=1)
    apart = np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0) / x.shape[1]  # [s, s]
    following = np.minimum(np.arange(len(x)) + 1, len(x) - 1)
    following[-1] = max(len(x) - 2, 0)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.min(axis=1) if len(x) > 1 else np.zeros(1, np.float32)
    np.fill_diagonal(apart, 0)
    found: Floats = np.stack([apart[np.arange(len(x)), following], nearest], axis=1).astype(
        np.float32
    )
    return found


def read_thumbnails(images: Images, rows: Index, at_once: int) -> Floats:
    """float32 [M, 192] from 0 to 1, so many images at a time.

    Raises:
        DataError: an image is missing or damaged.
    """
    found = np.empty((len(rows), PIXELS), np.float32)
    starts = range(0, len(rows), at_once)
    blocks = crops_ahead(images, [rows[at : at + at_once] for at in starts], SIDE)
    for at, (_, crops) in zip(starts, blocks, strict=True):
        found[at : at + at_once] = as_rows(crops)
    return found


def as_rows(crops: Bytes) -> Floats:
    """float32 [m, 192] from 0 to 1 of thumbnails uint8 [m, 8, 8, 3]."""
    rows: npt.NDArray[np.float32] = crops.reshape(len(crops), PIXELS).astype(np.float32)
    return rows / np.float32(255)
