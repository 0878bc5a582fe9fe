"""Regions of a part's images in the dataset's store. Nothing is opened before a cross-encoder asks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from mlzoo_imagecode.contextual import Index
from mlzoo_imagecode.cross.regions.boxes import Regions, check_rows
from mlzoo_imagecode.cross.regions.questions import set_key
from mlzoo_imagecode.cross.regions.store import RegionStore

FOLDER = "regions"
"""Of the store, in the dataset's."""


class StoredRegions:
    """Regions of images of some sets; see :class:`~mlzoo_imagecode.cross.regions.boxes.RegionSource`.

    Args:
        folder: of the store.
        sets: names of S sets.
        set_of_image, frame: int64 [N], of the images.

    Errors of the store come with the first question:

    Raises:
        DataError: the store is damaged, or lacks an image; names it.
    """

    def __init__(
        self, folder: Path, sets: Sequence[str], set_of_image: Index, frame: Index
    ) -> None:
        self._folder, self._sets = folder, sets
        self._set_of_image, self._frame = set_of_image, frame

    def __len__(self) -> int:
        return len(self._frame)

    @cached_property
    def store(self) -> RegionStore:
        """The store."""
        return RegionStore(self._folder)

    @cached_property
    def rows(self) -> Index:
        """int64 [N], where the images lie in the store."""
        sets = [set_key(name) for name in self._sets]
        pairs = zip(self._set_of_image.tolist(), self._frame.tolist(), strict=True)
        return self.store.rows_of([f"{sets[own]}img{frame}" for own, frame in pairs])

    @property
    def width(self) -> int:
        """F, numbers of a region's features."""
        return int(self.store.width)

    @property
    def regions(self) -> int:
        """The most that an image has."""
        return int(self.store.regions)

    def read(self, rows: Index) -> Regions:
        """Copies of some images' regions."""
        check_rows(rows, len(self), "the sets")
        return self.store.read(self.rows[rows])

    def digest(self) -> str:
        """SHA-256 of the whole store's and of which rows these are."""
        digest = hashlib.sha256(self.store.digest().encode())
        digest.update(np.ascontiguousarray(self.rows, np.int64).tobytes())
        return digest.hexdigest()

    def kind(self) -> str:
        """The digest of the whole store."""
        return self.store.digest()


def stored_regions(
    folders: Sequence[Path], sets: Sequence[str], set_of_image: Index, frame: Index
) -> StoredRegions | None:
    """Regions in the first of some folders that is there; None if none is."""
    for folder in folders:
        if folder.is_dir():
            return StoredRegions(folder, sets, set_of_image, frame)
    return None
