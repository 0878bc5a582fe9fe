"""Regions of images as the cross-encoders read them: a row that stands for the image, then its regions.

The location of a region is (x1/W, y1/H, x2/W, y2/H, area/(W·H)); that of the image is (0, 0, 1, 1, 1), and
its features are the mean of all its regions' (Bugliarello et al. 2021, "Multimodal Pretraining Unmasked").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlzoo.data.fingerprint import fingerprint
from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import Floats, Index
from mlzoo_imagecode.cross.scheme import LOCATIONS

ROWS = 37
"""R, rows of an image that the published encoders read: its own and those of 36 regions."""


@dataclass(frozen=True, eq=False)
class RegionInputs:
    """What an encoder reads of B images.

    Attributes:
        features: float32 [B, R, F], zeros where there is no region.
        locations: float32 [B, R, 5], likewise.
        mask: int64 [B, R], 1 for the image and its regions, 0 where there is none.
    """

    features: Floats
    locations: Floats
    mask: Index


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions of B images; unused rows at the end hold zeros.

    Attributes:
        features: float32 [B, n, F].
        boxes: float32 [B, n, 4], x1, y1, x2, y2 in pixels.
        counts: int64 [B], regions of each image.
        sizes: int64 [B, 2], height and width of the images in pixels.

    Raises:
        DataError: arrays do not fit together.
    """

    features: Floats
    boxes: Floats
    counts: Index
    sizes: Index

    def __post_init__(self) -> None:
        images, most = self.features.shape[:2]
        shapes = {
            "boxes": (self.boxes.shape, (images, most, 4)),
            "counts": (self.counts.shape, (images,)),
            "sizes": (self.sizes.shape, (images, 2)),
        }
        for name, (found, expected) in shapes.items():
            if found != expected:
                raise DataError(f"{name} of regions are {list(found)}, expected {list(expected)}.")
        if images and not 0 < self.counts.min() <= self.counts.max() <= most:
            raise DataError(f"counts of regions are outside 1 to {most}.")

    def __len__(self) -> int:
        return len(self.features)

    def inputs(self, rows: int | None = ROWS) -> RegionInputs:
        """The image's row, then its first ``rows - 1`` regions; see :class:`RegionInputs`.

        Args:
            rows: R, at least 1; if None what the image with most regions needs.
        """
        most = int(self.counts.max(initial=0)) + 1
        rows = most if rows is None else rows
        kept = min(rows, most) - 1
        images, width = len(self), self.features.shape[2]
        features = np.empty((images, rows, width), np.float32)
        features[:, 0] = self._mean()
        features[:, 1 : kept + 1] = self.features[:, :kept]
        placed = np.empty((images, rows, LOCATIONS), np.float32)
        placed[:, 0] = (0, 0, 1, 1, 1)
        placed[:, 1 : kept + 1] = locations(self.boxes[:, :kept], self.sizes)
        for array in (features, placed):
            array[:, kept + 1 :] = 0
            for row in np.flatnonzero(self.counts < kept):
                array[row, self.counts[row] + 1 :] = 0
        mask = (np.arange(rows) <= self.counts[:, None]).astype(np.int64)
        return RegionInputs(features, placed, mask)

    def _mean(self) -> Floats:
        """float32 [B, F], over all regions of an image, also those beyond the rows that are read."""
        if (self.counts == self.features.shape[1]).all():
            summed = self.features.sum(axis=1)
        else:
            own = np.arange(self.features.shape[1]) < self.counts[:, None]
            summed = np.where(own[:, :, None], self.features, np.float32(0)).sum(axis=1)
        return np.asarray(summed / self.counts[:, None].astype(np.float32), np.float32)


def locations(boxes: Floats, sizes: Index) -> Floats:
    """float32 [..., n, 5]: where boxes lie in their images, as parts of these.

    Args:
        boxes: float32 [..., n, 4], x1, y1, x2, y2 in pixels.
        sizes: [..., 2], height and width in pixels.
    """
    height, width = (sizes[..., axis, None].astype(np.float32) for axis in (0, 1))  # [..., 1]
    x1, y1, x2, y2 = np.moveaxis(boxes.astype(np.float32), -1, 0)  # each [..., n]
    area = (y2 - y1) * (x2 - x1) / (width * height)
    return np.stack([x1 / width, y1 / height, x2 / width, y2 / height, area], axis=-1)


class RegionSource(Protocol):
    """Regions of N images, wherever they lie."""

    @property
    def width(self) -> int:
        """F, numbers of a region's features."""

    @property
    def regions(self) -> int:
        """The most that an image has."""

    def __len__(self) -> int: ...

    def read(self, rows: Index) -> Regions:
        """Of some images, in the order of ``rows``."""

    def digest(self) -> str:
        """Hex digest of the content."""

    def kind(self) -> str:
        """What made the features: a network learns from one kind, and can read no other."""


class ArrayRegions:
    """Regions in memory; see :class:`RegionSource`.

    Args:
        features, boxes, counts, sizes: as of :class:`Regions`.

    Raises:
        DataError: arrays do not fit together.
    """

    def __init__(self, features: Floats, boxes: Floats, counts: Index, sizes: Index) -> None:
        self._all = Regions(features, boxes, counts, sizes)
        self.regions, self.width = features.shape[1:]

    def __len__(self) -> int:
        return len(self._all)

    def read(self, rows: Index) -> Regions:
        """Copies of some images' regions."""
        own = self._all
        return Regions(own.features[rows], own.boxes[rows], own.counts[rows], own.sizes[rows])

    def digest(self) -> str:
        """SHA-256 of all arrays."""
        return fingerprint(vars(self._all))

    def kind(self) -> str:
        """As wide as these."""
        return f"arrays of {self.width}"


def check_rows(rows: Index | Sequence[int], count: int, what: str) -> None:
    """Raises IndexError for a row outside 0 to ``count - 1``; a negative one is no row."""
    if len(rows) and not 0 <= np.min(rows) <= np.max(rows) < count:
        raise IndexError(f"a row is outside the {count} images of {what}")
