"""Average precision as the published program computes it on Open Images: over a pool for each class.

For a class it takes the images that are annotated for it, but then all annotated pairs of these images
with any class, and computes one AP over that pool. Every such "AP of a class" is thus a micro-average
over a part of the images: far higher, and flatter over the classes, than the AP of the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import NonFiniteError
from mlzoo_biam.average_precision import (
    Float64,
    Index,
    Scores,
    as_scores,
    check_shapes,
    expected_average_precision,
)
from mlzoo_biam.labels import Labels


def pooled_average_precision(
    scores: Scores, labels: Labels | npt.NDArray[Any], *, rows: Index | None = None
) -> Float64:
    """The pooled AP of each class. Of equal scores the pair of the earlier image, then class, is first.

    All annotated pairs are ordered once. A class's pool is the pairs of its images: their places are
    gathered, sorted, and read off, which is Σ a² for images with a annotated classes each. Classes that
    all images are annotated for have the same pool, which is read once.

    Args:
        scores: [N, C], higher is likelier; not changed.
        labels: of n images and C classes: ``Labels``, or an array [n, C]. An entry other than 0 makes its
            image one of the class; only entries of 1 and -1 are in pools.
        rows: int64 [n], rows of ``scores`` that the labels are of; all N if not given.

    Returns:
        float64 [C], shares; NaN for a class without a positive in its pool.

    Raises:
        DataError: the shapes do not fit together.
        NonFiniteError: an annotated score is NaN.
    """
    scores = as_scores(scores)
    check_shapes(scores, labels, rows)
    pairs = _Pairs.of(labels)
    own = scores[pairs.image if rows is None else rows[pairs.image], pairs.tag]
    if np.isnan(own).any():
        raise NonFiniteError("scores hold NaN.")
    order = np.argsort(-own, kind="stable")
    del own
    key = np.empty(len(order), dtype=np.int64)  # 2 · place + whether it is positive
    key[order] = np.arange(0, 2 * len(order), 2)
    del order
    key += pairs.positive
    found = np.full(scores.shape[1], np.nan)
    everything = len(pairs.ends) - 1
    of_all = _of_pool(key) if (pairs.members.counts == everything).any() and everything else np.nan
    for tag in np.flatnonzero(pairs.members.counts).tolist():
        images = pairs.members.of(tag)
        found[tag] = of_all if len(images) == everything else _of_pool(key[pairs.entries(images)])
    return found


def expected_pooled_precision(labels: Labels) -> Float64:
    """The pooled AP [C] that a random order has in the mean."""
    pairs = _Pairs.of(labels)
    images = len(pairs.ends) - 1
    size = np.diff(pairs.ends).astype(np.float64)
    positive = np.bincount(pairs.image[pairs.positive], minlength=images)
    tags, members = pairs.members.tags, pairs.members.images
    pools = [
        np.bincount(tags, weights=each[members], minlength=labels.width)
        for each in (positive, size)
    ]
    return expected_average_precision(*pools)


def _of_pool(key: npt.NDArray[np.int64]) -> float:
    hits = np.flatnonzero(np.sort(key) & 1)
    return float((np.arange(1, len(hits) + 1) / (hits + 1)).mean()) if len(hits) else float("nan")


@dataclass(frozen=True, eq=False)
class _Members:
    """The images that are annotated for each class, by class; k of them in all."""

    tags: npt.NDArray[Any]  # [k], ascending
    images: Index  # [k], ascending within a class
    ends: Index  # [C+1]

    @classmethod
    def of_entries(cls, image: Index, tag: npt.NDArray[Any], width: int) -> _Members:
        order = np.argsort(tag, kind="stable")
        ends = np.concatenate([[0], np.cumsum(np.bincount(tag, minlength=width))])
        return cls(tag[order], image[order], ends)

    @property
    def counts(self) -> Index:
        """[C]"""
        counts: Index = np.diff(self.ends)
        return counts

    def of(self, tag: int) -> Index:
        return self.images[self.ends[tag] : self.ends[tag + 1]]


@dataclass(frozen=True, eq=False)
class _Pairs:
    """The annotated pairs of images and classes, by image; m of them."""

    image: Index  # [m], ascending
    tag: npt.NDArray[Any]  # [m]
    positive: npt.NDArray[np.bool_]  # [m]
    ends: Index  # [n+1]
    members: _Members

    @classmethod
    def of(cls, labels: Labels | npt.NDArray[Any]) -> _Pairs:
        if isinstance(labels, Labels) and not labels.default.any():
            own = labels.image_of_entry()
            members = _Members.of_entries(own, labels.tags, labels.width)
            return cls(own, labels.tags, labels.values == 1, labels.indptr, members)
        dense = labels.dense() if isinstance(labels, Labels) else np.asarray(labels)
        image, tag = np.nonzero(np.abs(dense) == 1)
        ends = np.concatenate([[0], np.cumsum(np.bincount(image, minlength=len(dense)))])
        annotated_image, annotated_tag = np.nonzero(dense)
        members = _Members.of_entries(annotated_image, annotated_tag, dense.shape[1])
        return cls(image, tag, dense[image, tag] == 1, ends, members)

    def entries(self, images: Index) -> Index:
        """Places of all pairs of some images."""
        sizes = self.ends[images + 1] - self.ends[images]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        shift = np.repeat(self.ends[images] - starts[:-1], sizes)
        entries: Index = np.arange(starts[-1]) + shift
        return entries
