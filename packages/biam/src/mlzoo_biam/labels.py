"""Labels of many images for many tags: +1 present, -1 absent, 0 not annotated; stored sparsely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError

PREFIX = "label_"
"""Of the names of the arrays among predictions."""


@dataclass(frozen=True, eq=False)
class Labels:
    """N images × C tags, of which only what differs from the tag's default is stored.

    NUS-WIDE annotates every pair: the default is -1 and the positives are stored. Open Images annotates
    some ten tags an image: the default is 0, and positives and negatives are stored.

    Attributes:
        default: int8 [C], what a pair is that is not stored: -1 or 0.
        indptr: int64 [N+1]; the entries of image i are those from ``indptr[i]`` to ``indptr[i+1]``.
        tags: int32 [entries], ascending within an image.
        values: int8 [entries], -1 or +1.

    Raises:
        DataError: the arrays do not fit together, or hold other values.
    """

    default: npt.NDArray[np.int8]
    indptr: npt.NDArray[np.int64]
    tags: npt.NDArray[np.int32]
    values: npt.NDArray[np.int8]

    def __post_init__(self) -> None:
        entries = len(self.tags)
        whole = self.indptr.ndim == 1 and len(self.indptr) and self.indptr[0] == 0
        if not whole or self.indptr[-1] != entries or np.any(np.diff(self.indptr) < 0):
            raise DataError("labels: the entries of the images do not add up.")
        if len(self.values) != entries or not np.isin(self.values, (-1, 1)).all():
            raise DataError("labels: expected a value of -1 or +1 for every entry.")
        if not np.isin(self.default, (-1, 0)).all():
            raise DataError("labels: a tag's default must be -1 (absent) or 0 (not annotated).")
        if entries and not 0 <= self.tags.min() <= self.tags.max() < self.width:
            raise DataError(f"labels: a tag is outside the {self.width} tags.")
        following = np.ones(entries, dtype=bool)
        following[1:] = np.diff(self.tags) > 0
        following[self.indptr[:-1][self.indptr[:-1] < entries]] = True  # an image's first
        if not following.all():
            raise DataError("labels: an image has a tag twice, or its tags are not ascending.")

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def width(self) -> int:
        """Number of tags, C."""
        return len(self.default)

    @classmethod
    def from_dense(cls, labels: npt.NDArray[Any], default: int | None = None) -> Self:
        """From [N, C] of -1, 0 and +1.

        Args:
            labels: of all pairs.
            default: what most pairs are: -1 or 0; by tag if not given, -1 for one that is annotated in
                every image.

        Raises:
            DataError: another value, or a default of -1 where some pair is not annotated.
        """
        if not np.isin(labels, (-1, 0, 1)).all():
            raise DataError("labels: expected -1, 0 and +1 only.")
        unknown = (labels == 0).any(axis=0)  # [C]
        if default == -1 and unknown.any():
            raise DataError("labels: some pairs are not annotated, so the default cannot be -1.")
        defaults = (
            np.full(labels.shape[1], default) if default is not None else np.where(unknown, 0, -1)
        )
        defaults = defaults.astype(np.int8)
        rows, tags = np.nonzero(labels != defaults)
        counts = np.bincount(rows, minlength=len(labels))
        return cls(
            defaults,
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            tags.astype(np.int32),
            labels[rows, tags].astype(np.int8),
        )

    @classmethod
    def from_predictions(cls, predictions: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The labels among the arrays of a prediction."""
        names = ("default", "indptr", "tags", "values")
        return cls(*(predictions[PREFIX + name] for name in names))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The four arrays as they stand among predictions, ``label_default`` and so on."""
        return {
            PREFIX + "default": self.default,
            PREFIX + "indptr": self.indptr,
            PREFIX + "tags": self.tags,
            PREFIX + "values": self.values,
        }

    def dense(self, rows: npt.NDArray[np.int64] | slice = slice(None)) -> npt.NDArray[np.int8]:
        """int8 [n, C] of some images: those of a batch."""
        part = self.subset(rows)
        labels = np.tile(part.default, (len(part), 1))  # [n, C]
        labels[part.image_of_entry(), part.tags] = part.values
        return labels

    def subset(self, rows: npt.NDArray[np.int64] | slice) -> Self:
        """The same for some images, in the order of ``rows``."""
        if isinstance(rows, slice):
            rows = np.arange(len(self))[rows]
        sizes = self.indptr[rows + 1] - self.indptr[rows]  # of these alone: there may be millions
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        # Entry j of image i of the part is entry indptr[rows[i]] + j of the whole.
        shift = np.repeat(self.indptr[rows] - indptr[:-1], sizes)
        entries = np.arange(indptr[-1]) + shift
        return type(self)(self.default, indptr, self.tags[entries], self.values[entries])

    def of_tags(self, tags: slice | npt.NDArray[np.int64]) -> Self:
        """The same for some tags, ascending."""
        place = np.full(self.width, -1, dtype=np.int32)
        chosen = np.arange(self.width)[tags]
        place[chosen] = np.arange(len(chosen))
        kept = place[self.tags] >= 0
        before = np.concatenate([[0], np.cumsum(kept)])
        return type(self)(
            self.default[tags], before[self.indptr], place[self.tags[kept]], self.values[kept]
        )

    def image_of_entry(self) -> npt.NDArray[np.int64]:
        """int64 [entries]: the image that each entry is of."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    def positives(self) -> npt.NDArray[np.int64]:
        """int64 [C]: images in which each tag is present."""
        return np.bincount(self.tags[self.values > 0], minlength=self.width)

    def annotated(self) -> npt.NDArray[np.int64]:
        """int64 [C]: images that are annotated for each tag."""
        stored = np.bincount(self.tags, minlength=self.width)
        return np.where(self.default == 0, stored, len(self))

    def positives_of_images(self, tags: slice = slice(None)) -> npt.NDArray[np.int64]:
        """int64 [N]: tags present in each image, among a range of tags."""
        chosen = np.zeros(self.width, dtype=bool)
        chosen[tags] = True
        counted = (self.values > 0) & chosen[self.tags]
        return np.bincount(self.image_of_entry()[counted], minlength=len(self))
