"""Average precision as the published program computes it on Open Images: over a pool for each class.

For a class it takes the images that are annotated for it, but then all annotated pairs of these images
with any class, and computes one AP over that pool. Every such "AP of a class" is thus a micro-average
over a part of the images: far higher, and flatter over the classes, than the AP of the class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import NonFiniteError
from mlzoo_biam.labels import Labels
from mlzoo_biam.scores.average_precision import (
    Float64,
    Index,
    Scores,
    as_scores,
    check_shapes,
    descending_order,
    expected_average_precision,
    order_by_class,
)

CHUNK = 2**17
"""Pairs of pools that are sorted at a time."""


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
    images = check_shapes(scores, labels, rows)
    found = np.full(scores.shape[1], np.nan)
    positive = _positive_of_all(labels)
    if positive is not None:
        order = _order((scores if rows is None else scores[rows]).ravel())
        found[:] = _precision(positive.ravel()[order], np.zeros(1, np.int64))
        return found
    pairs = _Pairs.of(labels)
    order = _order(scores[pairs.image if rows is None else rows[pairs.image], pairs.tag])
    key = np.empty(len(order), dtype=np.int32 if len(order) < 2**30 else np.int64)
    key[order] = np.arange(0, 2 * len(order), 2, dtype=key.dtype)
    np.add(key, pairs.positive, out=key)  # 2 · place + whether it is positive
    of_all = np.flatnonzero(pairs.members.counts == images) if images else np.zeros(0, np.int64)
    if len(of_all):
        found[of_all] = _precision(pairs.positive[order], np.zeros(1, np.int64))
    for tags in _chunks(pairs, images):
        found[tags] = _of_pools(key, pairs, tags)
    return found


def expected_pooled_precision(labels: Labels) -> Float64:
    """The pooled AP [C] that a random order has in the mean."""
    pairs = _Pairs.of(labels)
    return expected_average_precision(pairs.pool_sizes(pairs.positive), pairs.pool_sizes())


def _positive_of_all(labels: Labels | npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
    """[n, C], if every pair is annotated: there is one pool then. None if not."""
    if isinstance(labels, Labels):
        return labels.dense() == 1 if labels.default.all() else None
    labels = np.asarray(labels)
    return labels == 1 if (np.abs(labels) == 1).all() else None


def _order(scores: Scores) -> Index:
    if np.isnan(scores).any():
        raise NonFiniteError("scores hold NaN.")
    return descending_order(scores)


def _chunks(pairs: _Pairs, images: int) -> Iterator[Index]:
    """Classes that some images but not all are annotated for, a few at a time."""
    sizes = pairs.pool_sizes()
    some = np.flatnonzero((pairs.members.counts > 0) & (pairs.members.counts < images))
    chunk = np.cumsum(sizes[some]) // CHUNK
    yield from (part for part in np.split(some, np.flatnonzero(np.diff(chunk)) + 1) if len(part))


def _of_pools(key: npt.NDArray[Any], pairs: _Pairs, tags: Index) -> Float64:
    """The pooled AP of some classes: their pools one after the other, each in order."""
    images = np.concatenate([pairs.members.of(tag) for tag in tags.tolist()])
    pool = np.repeat(np.arange(len(tags)), pairs.members.counts[tags])  # of each image
    sizes = pairs.ends[images + 1] - pairs.ends[images]
    wide = 2 * len(key) * len(tags) >= 2**31  # small numbers are sorted faster
    joined = np.repeat((2 * len(key) * pool).astype(np.int64 if wide else np.int32), sizes)
    joined += np.take(key, pairs.entries(images))
    joined.sort()
    pool_sizes = np.bincount(pool, weights=sizes.astype(np.float64)).astype(np.int64)
    return _precision((joined & 1).astype(bool), np.cumsum(pool_sizes) - pool_sizes)


def _precision(positive: npt.NDArray[np.bool_], starts: Index) -> Float64:
    """AP of pools that follow each other, from ``starts`` on; each in order, the best pair first."""
    hits = np.flatnonzero(positive)
    first = np.searchsorted(hits, starts)  # of the hits of each pool
    counts = np.diff(first, append=len(hits))
    number = np.arange(1, len(hits) + 1) - np.repeat(first, counts)
    precision = number / (hits + 1 - np.repeat(starts, counts))
    pool = np.repeat(np.arange(len(starts)), counts)
    sums = np.bincount(pool, weights=precision, minlength=len(starts))
    found = np.full(len(starts), np.nan)
    np.divide(sums, counts, out=found, where=counts > 0)
    return found


@dataclass(frozen=True, eq=False)
class _Members:
    """The images that are annotated for each class, by class; k of them in all."""

    tags: npt.NDArray[Any]  # [k], ascending
    images: Index  # [k], ascending within a class
    ends: Index  # [C+1]

    @classmethod
    def of_entries(cls, image: Index, tag: npt.NDArray[Any], width: int) -> _Members:
        order = order_by_class(tag, width)
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

    def pool_sizes(self, counted: npt.NDArray[np.bool_] | None = None) -> Float64:
        """[C]: pairs in the pool of each class, or those of them that are counted [m]."""
        image = self.image if counted is None else self.image[counted]
        sizes = np.bincount(image, minlength=len(self.ends) - 1).astype(np.float64)
        members = self.members
        weights = sizes[members.images]
        found = np.bincount(members.tags, weights=weights, minlength=len(members.ends) - 1)
        return found.astype(np.float64)

    def entries(self, images: Index) -> Index:
        """Places of all pairs of some images."""
        sizes = self.ends[images + 1] - self.ends[images]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        entries: Index = np.repeat(self.ends[images] - starts[:-1], sizes)
        entries += np.arange(starts[-1])
        return entries
