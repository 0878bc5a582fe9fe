"""The h5 files that BiAM's program reads: three small gzipped datasets for every image.

``<name>-features`` float32 [512, 196] (channels × regions); ``<name>-labels`` int8, +1 present and -1
absent: [925] of the seen tags in the training file, [1006] of all tags in the test file; and
``<name>-labels_81`` int8 [81] of the concepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.data.hdf5 import open_h5, own_dataset
from mlzoo.errors import DataError
from mlzoo_biam.nus_wide.files import Vocabulary

FEATURES, LABELS, CONCEPT_LABELS = "-features", "-labels", "-labels_81"
ZERO_ONE = "Store -1 for absent tags: labels = 2 * labels - 1."

Floats = npt.NDArray[np.float32]
Dense = npt.NDArray[np.int8]


@dataclass(frozen=True)
class OfficialFile:
    """An open h5 file of one part.

    Attributes:
        path: of the file.
        file: the open ``h5py.File``.
    """

    path: Path
    file: Any

    def names(self) -> list[str]:
        """The images that have features, in the order of the file, which is alphabetical."""
        return [key.removesuffix(FEATURES) for key in self.file if key.endswith(FEATURES)]

    def require(self, names: Sequence[str]) -> None:
        """Raises DataError if an image lacks one of its datasets; in training its row would be garbage."""
        keys = set(self.file)
        for ending in (FEATURES, LABELS, CONCEPT_LABELS):
            missing = [name for name in names if name + ending not in keys]
            if missing:
                raise DataError(
                    f"{self.path}: {len(missing)} of {len(names)} images have no {ending[1:]}, such as "
                    f"{missing[0]!r}.",
                    "The file is not whole: fetch or extract it again.",
                )

    def labels(
        self, names: Sequence[str], words: Vocabulary, told: Callable[[int], None] | None = None
    ) -> Dense:
        """int8 [n, C] of some images, seen tags then concepts.

        Args:
            told: is called with how many images are done.

        Raises:
            DataError: of another length, labels in {0, 1}, other values than -1, 0 and 1, or
                ``-labels`` and ``-labels_81`` that contradict each other.
        """
        seen, concepts = words.seen_count, len(words.concepts)
        dense = np.empty((len(names), seen + concepts), dtype=np.int8)
        for row, name in enumerate(names):
            first = self._labels(name, LABELS, (seen, seen + concepts))
            second = self._labels(name, CONCEPT_LABELS, (concepts,))
            if len(first) > seen and not np.array_equal(first[seen:], second):
                raise DataError(
                    f"{self.path}: {name + LABELS!r} does not end with the labels of "
                    f"{name + CONCEPT_LABELS!r}; expected the seen tags, then the concepts."
                )
            dense[row, :seen], dense[row, seen:] = first[:seen], second
            if told is not None:
                told(row + 1)
        bad = (np.abs(dense) > 1).any(axis=1)
        if bad.any():
            name = names[int(bad.argmax())]
            raise DataError(f"{self.path}: labels of {name!r} are others than -1, 0 and 1.")
        check_signs(dense[:, :seen], f"{self.path}: {LABELS[1:]!r}")
        check_signs(dense[:, seen:], f"{self.path}: {CONCEPT_LABELS[1:]!r}")
        return dense

    def features(self, names: Sequence[str]) -> Floats:
        """float32 [n, D, S] of some images.

        Raises:
            DataError: of different shapes, or not numbers. Values are not looked at.
        """
        arrays = [self._features(name) for name in names]
        for name, array in zip(names, arrays, strict=True):
            if array.shape != arrays[0].shape:
                raise DataError(
                    f"{self.path}: features of {name!r} are {array.shape}, of {names[0]!r} "
                    f"{arrays[0].shape}."
                )
        return np.stack(arrays)

    def _features(self, name: str) -> Floats:
        array = self._read(name, FEATURES)
        if array.ndim == 3:  # [512, 14, 14]: the same numbers in the same order
            array = array.reshape(len(array), -1)
        if array.ndim != 2 or array.dtype.kind != "f":
            raise DataError(
                f"{self.path}: {name + FEATURES!r} is {array.dtype} {array.shape}, expected floats "
                "[channels, regions]."
            )
        return array.astype(np.float32, copy=False)

    def _labels(self, name: str, ending: str, lengths: tuple[int, ...]) -> npt.NDArray[Any]:
        array = self._read(name, ending)
        if array.ndim != 1 or len(array) not in lengths or array.dtype.kind not in "iu":
            wanted = " or ".join(map(str, lengths))
            raise DataError(
                f"{self.path}: {name + ending!r} is {array.dtype} {array.shape}, expected {wanted} "
                "integers."
            )
        if array.dtype == np.int8:
            return array
        return array.astype(np.int64).clip(-2, 2)  # 2 stands for whatever is more

    def _read(self, name: str, ending: str) -> npt.NDArray[Any]:
        key = name + ending
        try:
            node = self.file[key]
        except KeyError as error:
            raise DataError(f"{self.path} holds no {key!r}.") from error
        return np.asarray(own_dataset(node, self.file, key)[()])


@contextmanager
def open_official(path: Path) -> Iterator[OfficialFile]:
    """Open a file; raises DataError if it is missing or damaged, also later inside the block."""
    with open_h5(path) as file:
        yield OfficialFile(path, file)


def check_signs(labels: Dense, what: str) -> None:
    """Raises DataError for labels in {0, 1}: 0 would mean *not annotated*, nothing would be learnt and
    every average precision would be 1."""
    if labels.size and not (labels < 0).any():
        found = ", ".join(str(value) for value in np.unique(labels))
        raise DataError(f"{what}: no label is -1 (absent), found only {found}.", ZERO_ONE)
