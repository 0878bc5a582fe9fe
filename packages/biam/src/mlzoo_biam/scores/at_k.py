"""Precision, recall and F1 of the K highest scores of each image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError, NonFiniteError
from mlzoo_biam.labels import Labels
from mlzoo_biam.scores.average_precision import (
    BLOCK_ENTRIES,
    Float64,
    Index,
    Scores,
    as_scores,
    check_shapes,
)


class AtK(NamedTuple):
    """Shares, float64 [len(ks)] over all classes together, or [len(ks), C] by class."""

    f1: Float64
    precision: Float64
    recall: Float64


def precision_recall_f1_at(
    scores: Scores,
    labels: Labels | npt.NDArray[Any],
    ks: Sequence[int],
    *,
    per_class: bool = False,
    rows: Index | None = None,
    columns: Index | None = None,
) -> AtK:
    """The K classes of the highest scores of each image are predicted; of equal scores the lower index.

    Over all classes together (micro): with H hits, N images and M positive labels, P = H / (N K), R = H / M,
    F1 = 2PR / (P + R), each 0 where it would be 0/0. A predicted class that the image is not annotated for
    is a miss. By class: the same of each column, 0 for a class without positives.

    Args:
        scores: [N, C], higher is likelier; not changed.
        labels: of n images and c classes: ``Labels``, or an array [n, c] in which 1 is present (by class
            anything above 0).
        ks: values of K, each from 1 to c.
        per_class: by class.
        rows: int64 [n], rows of ``scores`` that the labels are of; all N if not given.
        columns: int64 [c], columns of ``scores`` that compete and that the labels are of; all C if not
            given.

    Raises:
        DataError: the shapes do not fit together, or a K is out of range.
        NonFiniteError: a score that competes is NaN.
    """
    scores = as_scores(scores)
    width = scores.shape[1] if columns is None else len(columns)
    count = check_shapes(scores, labels, rows, width)
    if not len(ks) or not 1 <= min(ks) <= max(ks) <= width:
        raise DataError(f"K must be from 1 to {width}, the number of classes, got {list(ks)}.")
    hits = np.zeros((len(ks), width))
    predicted, positives = np.zeros((len(ks), width)), np.zeros(width)
    step = max(1, BLOCK_ENTRIES // 2 // width)
    for at in range(0, count, step):
        part = scores[slice(at, at + step) if rows is None else rows[at : at + step]]
        part = part if columns is None else part[:, columns]  # [b, c]
        image, tag = _positives(labels, slice(at, at + step), per_class)
        positives += np.bincount(tag, minlength=width)
        for i, (k, least) in enumerate(zip(ks, _least(part, ks), strict=True)):
            if per_class:
                chosen = _highest(part, least, k)
                predicted[i] += np.count_nonzero(chosen, axis=0)
                hit = chosen[image, tag]
            else:
                hit = _hits(part, least, k, image, tag)
            hits[i] += np.bincount(tag[hit], minlength=width)
    if not per_class:
        predicted_in_all = count * np.asarray(ks, dtype=np.float64)
        return _ratios(hits.sum(axis=1), predicted_in_all, positives.sum())
    return _ratios(hits, predicted, positives)


def hits_by_image(
    scores: Scores,
    labels: Labels | npt.NDArray[Any],
    k: int,
    *,
    rows: Index | None = None,
    columns: Index | None = None,
) -> tuple[Index, Index]:
    """What :func:`precision_recall_f1_at` adds up over all classes together, image by image.

    Arguments and errors as there, for one K.

    Returns:
        int64 [n] each: positive labels among the K highest scores of an image, and positive labels.
    """
    scores = as_scores(scores)
    width = scores.shape[1] if columns is None else len(columns)
    count = check_shapes(scores, labels, rows, width)
    if not 1 <= k <= width:
        raise DataError(f"K must be from 1 to {width}, the number of classes, got {k}.")
    hits, positives = np.zeros(count, np.int64), np.zeros(count, np.int64)
    step = max(1, BLOCK_ENTRIES // 2 // width)
    for at in range(0, count, step):
        part = scores[slice(at, at + step) if rows is None else rows[at : at + step]]
        part = part if columns is None else part[:, columns]  # [b, c]
        image, tag = _positives(labels, slice(at, at + step), above_zero=False)
        hit = _hits(part, next(_least(part, [k])), k, image, tag)
        positives[at : at + step] = np.bincount(image, minlength=len(part))
        hits[at : at + step] = np.bincount(image[hit], minlength=len(part))
    return hits, positives


def _ratios(hits: Float64, predicted: Float64, positives: Float64 | np.floating[Any]) -> AtK:
    precision = _share(hits, predicted)
    recall = _share(hits, np.broadcast_to(positives, hits.shape))
    return AtK(_share(2 * precision * recall, precision + recall), precision, recall)


def _share(part: Float64, whole: Float64) -> Float64:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _positives(
    labels: Labels | npt.NDArray[Any], part: slice, above_zero: bool
) -> tuple[Index, npt.NDArray[Any]]:
    """Image, counted from the start of the part, and class of its positive labels."""
    if isinstance(labels, Labels):
        own = labels.subset(part)
        return own.image_of_entry()[own.values > 0], own.tags[own.values > 0]
    dense = np.asarray(labels)[part]
    image, tag = np.nonzero(dense > 0 if above_zero else dense == 1)
    return image, tag


def _least(scores: Scores, ks: Sequence[int]) -> Iterator[Scores]:
    """For each K the K-th highest score [b] of each row of [b, c]."""
    width, most = scores.shape[1], max(ks)
    top = np.sort(np.partition(scores, width - most, axis=1)[:, width - most :], axis=1)
    if np.isnan(top[:, -1]).any():  # NaN is sorted last
        raise NonFiniteError("scores hold NaN.")
    for k in ks:
        yield top[:, most - k]


def _highest(scores: Scores, least: Scores, k: int) -> npt.NDArray[np.bool_]:
    """Whether a score [b, c] is among the K highest of its row, of which the last is ``least`` [b]."""
    chosen: npt.NDArray[np.bool_] = scores >= least[:, None]
    over = np.flatnonzero(np.count_nonzero(chosen, axis=1) > k)
    if len(over):
        above = scores[over] > least[over, None]
        tied = scores[over] == least[over, None]
        left = k - np.count_nonzero(above, axis=1)[:, None]
        chosen[over] = above | (tied & (np.cumsum(tied, axis=1) <= left))
    return chosen


def _hits(
    scores: Scores, least: Scores, k: int, image: Index, tag: npt.NDArray[Any]
) -> npt.NDArray[np.bool_]:
    """Of some pairs whether they are among the K highest of their row, as :func:`_highest` says; it is
    asked only of rows in which one of them is the last or equals it."""
    own = scores[image, tag]
    hit: npt.NDArray[np.bool_] = own > least[image]
    last = np.flatnonzero(own == least[image])
    rows, place = np.unique(image[last], return_inverse=True)
    hit[last] = _highest(scores[rows], least[rows], k)[place, tag[last]]
    return hit
