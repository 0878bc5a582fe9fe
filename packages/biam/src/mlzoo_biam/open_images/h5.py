"""The h5 files of Open Images that BiAM's program reads: some hundred images each for training.

Of every image ``<ImageID>.jpg``: ``<image>-features`` float32 [512, 196] (channels × regions),
``<image>-seenlabels`` int8 [7186], and in the file of the test images ``<image>-unseenlabels`` int8
[2594], for all labels that are not trainable: +1 present, -1 absent, 0 not annotated. The name of an
image is its keys up to the first ``-``. A training file is ``CHUNK_<number>_….h5``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.data.hdf5 import open_h5, own_dataset
from mlzoo.errors import DataError
from mlzoo_biam.labels import Labels
from mlzoo_biam.open_images.classes import Classes

FEATURES, SEEN, UNSEEN = "features", "seenlabels", "unseenlabels"
_CHUNK = re.compile(r"CHUNK_(\d{1,9})_", re.IGNORECASE)
AGAIN = "It was cut short or is another file: fetch or extract it again, or leave it out."

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ImageFile:
    """An open h5 file.

    Attributes:
        path: of the file.
        names: of its images, sorted; every one has all datasets.
    """

    path: Path
    file: Any
    names: tuple[str, ...]

    def features(self, names: Sequence[str]) -> Floats:
        """float32 [n, D, S] of some images; raises DataError for other shapes or values not finite."""
        arrays = [self._features(name) for name in names]
        for name, array in zip(names, arrays, strict=True):
            if array.shape != arrays[0].shape:
                raise DataError(
                    f"{self.path}: features of {name!r} are {array.shape}, of {names[0]!r} "
                    f"{arrays[0].shape}."
                )
            if not np.isfinite(array).all():
                raise DataError(
                    f"{self.path}: features of {name!r} hold values that are not finite (NaN)."
                )
        return np.stack(arrays)

    def labels(self, classes: Classes, *, unseen: bool) -> Labels:
        """Of all images for all C classes; those of the unseen ones only where they are asked for.

        Raises:
            DataError: of another length, or other values than -1, 0 and 1.
        """
        seen, width = len(classes.seen), len(classes.ids)
        counts, tags, values = [0], [], []
        for name in self.names:
            row = np.zeros(width, dtype=np.int8)
            row[:seen] = self._labels(name, SEEN, seen)
            if unseen:
                row[seen:] = self._labels(name, UNSEEN, len(classes.others))[classes.chosen]
            (own,) = np.nonzero(row)
            counts.append(len(own))
            tags.append(own.astype(np.int32))
            values.append(row[own])
        return Labels(
            np.zeros(width, dtype=np.int8),
            np.cumsum(counts).astype(np.int64),
            np.concatenate(tags),
            np.concatenate(values),
        )

    def _features(self, name: str) -> Floats:
        array = self._read(name, FEATURES)
        if array.ndim == 3:  # [512, 14, 14]: the same numbers in the same order
            array = array.reshape(len(array), -1)
        if array.ndim != 2 or array.dtype.kind != "f":
            raise DataError(
                f"{self.path}: '{name}-{FEATURES}' is {array.dtype} {array.shape}, expected floats "
                "[channels, regions]."
            )
        return array.astype(np.float32, copy=False)

    def _labels(self, name: str, ending: str, length: int) -> npt.NDArray[Any]:
        array = self._read(name, ending)
        if array.shape != (length,) or array.dtype.kind not in "iuf":
            raise DataError(
                f"{self.path}: '{name}-{ending}' is {array.dtype} {array.shape}, expected {length} "
                "labels."
            )
        if not np.isin(array, (-1, 0, 1)).all():
            raise DataError(f"{self.path}: '{name}-{ending}' holds other labels than -1, 0 and 1.")
        return array

    def _read(self, name: str, ending: str) -> npt.NDArray[Any]:
        key = f"{name}-{ending}"
        return np.asarray(own_dataset(self.file[key], self.file, key)[()])


@contextmanager
def open_images_file(path: Path, *, unseen: bool) -> Iterator[ImageFile]:
    """Open a file and see that every image in it is whole.

    Args:
        path: of the file.
        unseen: labels of unseen classes must be there.

    Raises:
        DataError: missing, damaged (also later inside the block), without images, or an image lacks a
            dataset.
    """
    with open_h5(path) as file:
        keys = set(file)
        names = sorted({key.partition("-")[0] for key in keys})
        if not names:
            raise DataError(f"{path} holds no image.", AGAIN)
        for ending in (FEATURES, SEEN, *((UNSEEN,) if unseen else ())):
            lacking = [name for name in names if f"{name}-{ending}" not in keys]
            if lacking:
                raise DataError(
                    f"{path}: {len(lacking)} of {len(names)} images have no {ending}, such as "
                    f"{lacking[0]!r}.",
                    AGAIN,
                )
        yield ImageFile(path, file, tuple(names))


def find_files(folder: Path) -> dict[str, list[Path]]:
    """The h5 files below a folder by part; those of train by their number.

    Raises:
        DataError: no folder, two files of one number, or of test or validation more than one.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder.", "Name the folder of the h5 files with --h5.")
    found: dict[str, dict[int, Path]] = {"train": {}, "validation": {}, "test": {}}
    for path in sorted(folder.rglob("*.h5")):
        match = _CHUNK.search(path.name)
        lower = path.name.lower()
        part = "train" if match else "validation" if "val" in lower else "test"
        if not match and "test" not in lower and "val" not in lower:
            continue
        number = int(match[1]) if match else 0
        if number in found[part]:
            raise DataError(
                f"{path} and {found[part][number]} are both {part} number {number}.",
                "Leave one of them out.",
            )
        found[part][number] = path
    return {part: [own[number] for number in sorted(own)] for part, own in found.items()}
