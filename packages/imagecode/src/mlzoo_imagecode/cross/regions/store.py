"""Regions of many images on the disk, of which only the rows asked for are read.

A folder holds, for N images of up to n regions,

    features.npy  float32 [N, n, F]   zeros after an image's last region
    boxes.npy     float32 [N, n, 4]   x1, y1, x2, y2 in pixels
    counts.npy    float32 [N]         regions of each image
    sizes.npy     float32 [N, 2]      height and width of each image
    made.json     what they were made of, shapes and digests (:mod:`mlzoo.data.row_store`)
    keys.txt      N lines, the keys of the images
    store.json    the digest of these

:mod:`mlzoo_imagecode.cross.regions.converting` makes it. Arrays are mapped, not loaded:
memory does not depend on N.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.data.checks import existing, readable
from mlzoo.data.row_store import RowStore, Shape
from mlzoo.errors import DataError, RunError
from mlzoo.files import atomic_write, read_json, write_json
from mlzoo_imagecode.contextual import Index
from mlzoo_imagecode.cross.regions.boxes import Regions, check_rows

FEATURES, BOXES, COUNTS, SIZES = "features", "boxes", "counts", "sizes"
KEYS, RECORD = "keys.txt", "store.json"
AGAIN = "Make it anew: mlzoo data prepare imagecode --regions FILE."


def shapes(regions: int, width: int) -> dict[str, Shape]:
    """Of a row of each array."""
    return {FEATURES: (regions, width), BOXES: (regions, 4), COUNTS: (), SIZES: (2,)}


class RegionStore:
    """The regions of a folder; see :class:`~mlzoo_imagecode.cross.regions.boxes.RegionSource`.

    Args:
        folder: of the arrays.

    Attributes:
        folder: as given.
        width: F.
        regions: n.
        identity: what it was made of, by name.

    Raises:
        DataError: a file is missing, cut short, or does not fit the others. Values are not looked at here:
            they were when the folder was made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise DataError(f"{folder} does not exist.", AGAIN)
        rows = RowStore.opened(folder)
        if missing := shapes(1, 1).keys() - rows.arrays.keys():
            raise DataError(
                f"{folder} holds no regions: {', '.join(sorted(missing))} missing.", AGAIN
            )
        self._features, self._boxes, counts, sizes = (
            rows.arrays[name].view(np.ndarray) for name in (FEATURES, BOXES, COUNTS, SIZES)
        )
        if self._features.ndim != 3:
            raise DataError(
                f"{folder}: features are {self._features.ndim}-dimensional, not 3.", AGAIN
            )
        self.regions, self.width = self._features.shape[1:]
        self.identity = rows.identity
        self._counts, self._sizes = counts.astype(np.int64), sizes.astype(np.int64)
        Regions(self._features, self._boxes, self._counts, self._sizes)  # they fit together
        self._key_digest = _key_digest_of(folder / RECORD)
        self._digests = rows.digests

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process maps the files itself; nothing is copied."""
        return RegionStore, (self.folder,)

    def __len__(self) -> int:
        return len(self._features)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Keys of the images by row.

        Raises:
            DataError: the file is missing or not what was written.
        """
        path = self.folder / KEYS
        existing(path)
        with readable(path, "a list of keys"):
            keys = tuple(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"))
        if len(keys) != len(self) or digest_of_keys(keys) != self._key_digest:
            raise DataError(f"{path} is not what was written.", AGAIN)
        return keys

    @cached_property
    def _row_of(self) -> Mapping[str, int]:
        return {key: row for row, key in enumerate(self.keys)}

    def rows_of(self, keys: Sequence[str]) -> Index:
        """int64 [n], where some images lie: one look-up each, however many there are.

        Raises:
            DataError: images are not there; names the first, and says how many.
        """
        row_of = self._row_of
        rows = np.fromiter((row_of.get(key, -1) for key in keys), np.int64, len(keys))
        if (rows < 0).any():
            absent = np.flatnonzero(rows < 0)
            first = keys[int(absent[0])]
            raise DataError(
                f"{self.folder} has no regions of {len(absent):,} of {len(keys):,} images, such as "
                f"{first!r}.",
                AGAIN,
            )
        return rows

    def read(self, rows: Index) -> Regions:
        """Copies of some images' regions, in the order of ``rows``.

        Raises:
            IndexError: a row is not there.
        """
        check_rows(rows, len(self), str(self.folder))
        return Regions(
            self._features[rows], self._boxes[rows], self._counts[rows], self._sizes[rows]
        )

    def digest(self) -> str:
        """SHA-256 of the digests of arrays and keys, which were computed as they were written."""
        parts = [f"{name} {self._digests[name]}" for name in shapes(1, 1)]
        return hashlib.sha256("\n".join([*parts, self._key_digest]).encode()).hexdigest()


def write_keys(folder: Path, keys: Sequence[str]) -> None:
    """Write beside the arrays which images their rows are.

    Raises:
        RunError: it cannot be written.
    """
    with atomic_write(folder / KEYS) as file:
        file.write("".join(f"{key}\n" for key in keys).encode())
    write_json(folder / RECORD, {"keys": digest_of_keys(keys)})


def digest_of_keys(keys: Iterable[str]) -> str:
    """SHA-256 of keys in their order."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()


def _key_digest_of(path: Path) -> str:
    existing(path)
    try:
        return str(read_json(path)["keys"])
    except (RunError, KeyError) as error:
        raise DataError(f"{path} is damaged.", AGAIN) from error
