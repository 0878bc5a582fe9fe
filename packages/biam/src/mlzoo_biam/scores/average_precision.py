"""Average precision of each class, from the ranks of its positives alone.

For a class with annotated scores s and P positives, of which the i-th best has rank r_i among all annotated,

    AP = (1/P) Σ_i i / r_i

(non-interpolated). A plain sort of a column and a search for its few positives give the ranks; where a
positive and a negative have the same score, ``ties`` decides, and only these are looked at again.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError, NonFiniteError
from mlzoo_biam.labels import Labels

Scores: TypeAlias = npt.NDArray[Any]
Float64: TypeAlias = npt.NDArray[np.float64]
Index: TypeAlias = npt.NDArray[np.int64]
Ties: TypeAlias = Literal["stable", "pessimistic", "expected"]

BLOCK_ENTRIES = 2**23
"""Scores that are copied at a time."""

FEW = 64
"""Tied values of a class that are looked up one by one, which an order of all scores takes longer than."""


def average_precision(
    scores: Scores,
    labels: Labels | npt.NDArray[Any],
    *,
    ties: Ties = "stable",
    rows: Index | None = None,
) -> Float64:
    """AP of each class over the images that are annotated for it.

    Args:
        scores: [N, C], higher is likelier; not changed.
        labels: of n images and C classes: ``Labels``, or an array [n, C] in which 1 is present, -1 absent
            and anything else not annotated: 0, and also ±2, which the published program leaves out, too.
        ties: of equal scores, ``stable`` takes the image of the lower index first, ``pessimistic`` all
            negatives first, ``expected`` is the mean over all their orders.
        rows: int64 [n], rows of ``scores`` that the labels are of; all N if not given.

    Returns:
        float64 [C], shares; NaN for a class without positives, so that the caller says what it counts.

    Raises:
        DataError: the shapes do not fit together.
        NonFiniteError: an annotated score is NaN.
    """
    scores = as_scores(scores)
    count = check_shapes(scores, labels, rows)
    columns = _Columns(labels if isinstance(labels, Labels) else _sparse(np.asarray(labels)))
    found = np.full(scores.shape[1], np.nan)
    if not count:
        return found
    for tag in np.flatnonzero(~columns.full).tolist():
        images, positive = columns.stored(tag)
        if len(positive):
            own = scores[images if rows is None else rows[images], tag]
            found[tag] = _of_column(own, np.sort(own), positive, ties)
    width = max(1, BLOCK_ENTRIES // count)
    full = np.flatnonzero(columns.full)
    for chosen in (full[at : at + width] for at in range(0, len(full), width)):
        block = _transposed(scores, rows, chosen)  # [w, n]
        ordered = np.sort(block, axis=1)
        for i, tag in enumerate(chosen.tolist()):
            images, positive = columns.stored(tag)
            if len(positive):
                found[tag] = _of_column(block[i], ordered[i], images[positive], ties)
    return found


def mean_over_classes(per_class: Float64, *, empty_as_zero: bool = False) -> float:
    """mAP: the mean of AP [C] over the classes that have one (NaN if none has); with ``empty_as_zero``
    over all, as the published programs do."""
    if empty_as_zero:
        return float(np.nan_to_num(per_class).mean()) if len(per_class) else float("nan")
    filled = per_class[~np.isnan(per_class)]
    return float(filled.mean()) if len(filled) else float("nan")


def weighted_mean(per_class: Float64, positives: npt.NDArray[Any]) -> float:
    """Weighted mAP = Σ_c n_c AP_c / Σ_c n_c of AP [C] and the positives n [C] of each class; a class that
    has no AP counts nothing. NaN if none has."""
    weights = np.where(np.isnan(per_class), 0.0, positives)
    total = weights.sum()
    return float((weights * np.nan_to_num(per_class)).sum() / total) if total else float("nan")


def expected_average_precision(positives: npt.NDArray[Any], annotated: npt.NDArray[Any]) -> Float64:
    """AP [C] that a random order has in the mean, for so many positives among so many annotated.

    A little above the prevalence P/n. NaN for a class without positives.
    """
    p, n = (np.asarray(each, dtype=np.float64) for each in (positives, annotated))
    found = np.full(p.shape, np.nan)
    zero = np.zeros(int((p > 0).sum()))
    some = p > 0
    found[some] = _group_sums(zero, zero, n[some], p[some]) / p[some]
    return found


def as_scores(scores: npt.ArrayLike) -> Scores:
    """The same as floating-point numbers."""
    array = np.asarray(scores)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def order_by_class(tags: npt.NDArray[Any], width: int) -> Index:
    """int64 [k]: places of entries by class, within a class as before."""
    small = tags.astype(np.uint16) if width <= 2**16 else tags  # sorted by its digits
    return np.argsort(small, kind="stable")


def descending_order(scores: Scores) -> Index:
    """int64 [n]: places of the scores [n], from the highest on, of equals the earlier first; none is NaN.

    Numbers of 32 bits are sorted together with their places in one integer of 64, several times as fast as
    an indirect sort.
    """
    if scores.dtype.itemsize > 4 or len(scores) >= 2**32:
        return np.argsort(-scores, kind="stable")
    bits = (scores.astype(np.float32) + np.float32(0)).view(np.int32)  # -0 becomes 0
    ascending = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    key = (~ascending).astype(np.int64) << 32
    key |= np.arange(len(scores))
    key.sort()
    key &= 0xFFFFFFFF
    return key


def check_shapes(
    scores: Scores,
    labels: Labels | npt.NDArray[Any],
    rows: Index | None,
    columns: int | None = None,
) -> int:
    """How many images there are.

    Raises:
        DataError: scores and labels are not of the same images and classes.
    """
    shape = (len(labels), labels.width) if isinstance(labels, Labels) else np.shape(labels)
    if scores.ndim != 2:
        raise DataError(f"scores must be [images, classes], got {scores.ndim} axes.")
    expected = (
        len(scores) if rows is None else len(rows),
        scores.shape[1] if columns is None else columns,
    )
    if shape != expected:
        raise DataError(f"labels are {list(shape)}, but there are scores for {list(expected)}.")
    return expected[0]


class _Columns:
    """Labels by class.

    Attributes:
        full: bool [C], whether all images are annotated for a class.
    """

    def __init__(self, labels: Labels) -> None:
        order = order_by_class(labels.tags, labels.width)
        self._images = labels.image_of_entry()[order]
        self._values = labels.values[order]
        counts = np.bincount(labels.tags, minlength=labels.width)
        self._ends = np.concatenate([[0], np.cumsum(counts)])
        self.full: npt.NDArray[np.bool_] = labels.default == -1

    def stored(self, tag: int) -> tuple[Index, Index]:
        """Images with an entry of the class, ascending, and which of those are positive. Unless the class
        is full, they are those annotated for it."""
        part = slice(self._ends[tag], self._ends[tag + 1])
        return self._images[part], np.flatnonzero(self._values[part] == 1)


def _sparse(labels: npt.NDArray[Any]) -> Labels:
    """An array [n, C] as ``Labels``, in which whatever is neither 1 nor -1 is not annotated."""
    step = max(1, BLOCK_ENTRIES // max(1, labels.shape[1]))
    parts = [labels[at : at + step] for at in range(0, len(labels), step)]
    full = np.ones(labels.shape[1], dtype=bool)
    for part in parts:
        full &= (np.abs(part) == 1).all(axis=0)
    sizes, tags, values = [np.zeros(1, np.int64)], [], []
    for part in parts:
        stored = (part == 1) | ((part == -1) & ~full)
        row, tag = np.nonzero(stored)
        sizes.append(np.bincount(row, minlength=len(part)))
        tags.append(tag.astype(np.int32))
        values.append(part[row, tag].astype(np.int8))
    return Labels(
        np.where(full, -1, 0).astype(np.int8),
        np.cumsum(np.concatenate(sizes)),
        np.concatenate(tags) if tags else np.zeros(0, np.int32),
        np.concatenate(values) if values else np.zeros(0, np.int8),
    )


def _transposed(scores: Scores, rows: Index | None, columns: Index, tile: int = 256) -> Scores:
    """[w, n] of some columns, contiguous. Copied in tiles that fit into a cache: otherwise it would take
    longer than the sort."""
    span: slice | Index = columns
    if columns[-1] - columns[0] + 1 == len(columns):
        span = slice(columns[0], columns[-1] + 1)
    count = len(scores) if rows is None else len(rows)
    block = np.empty((len(columns), count), dtype=scores.dtype)
    for at in range(0, count, tile):
        part = slice(at, at + tile)
        block[:, part] = scores[part if rows is None else rows[part]][:, span].T
    return block


def _of_column(own: Scores, ordered: Scores, positive: Index, ties: Ties) -> float:
    """AP of one class.

    Args:
        own: [n], scores in the order of the images.
        ordered: [n], the same, ascending.
        positive: int64 [p], places in ``own``, ascending; at least one.
    """
    if np.isnan(ordered[-1]):  # NaN is sorted last
        raise NonFiniteError("scores hold NaN.")
    hits = np.sort(own[positive])
    n, p = len(ordered), len(hits)
    below = np.searchsorted(ordered, hits)
    first = np.flatnonzero(np.concatenate([[True], hits[1:] != hits[:-1]]))  # one of each value
    sizes = np.diff(first, append=p)
    hits_below, hits_up_to = np.repeat(first, sizes), np.repeat(first + sizes, sizes)
    number = np.arange(p, 0, -1)
    misses = n - below - (p - hits_below)  # negatives as good as the hit, or better
    after = below + hits_up_to - hits_below  # past its equals, unless negatives are among them
    tied = (after < n) & (ordered[np.minimum(after, n - 1)] == hits)
    if ties == "pessimistic" or not tied.any():
        return float((number / (number + misses)).mean())
    if ties == "expected":
        up_to = np.searchsorted(ordered, hits[first], "right")
        groups = (n - up_to, p - hits_up_to[first], up_to - below[first])
        return float(_group_sums(*(each.astype(np.float64) for each in (*groups, sizes))).sum() / p)
    is_hit = np.zeros(n, dtype=bool)
    is_hit[positive] = True
    first = first[tied[first]]
    if len(first) > FEW:
        rank = 1 + np.flatnonzero(is_hit[descending_order(own)])
        return float((np.arange(1, p + 1) / rank).mean())
    rank = number + misses
    for group in first:
        equal = is_hit[own == hits[group]]
        places = np.flatnonzero(equal)  # among the equals, ascending
        above = n - below[group] - len(equal)
        rank[group : group + len(places)] = above + 1 + places[::-1]
    return float((number / rank).mean())


def _group_sums(above: Float64, hits_above: Float64, size: Float64, hits: Float64) -> Float64:
    """The mean over all orders of Σ precision at the positives of a group of equal scores, for many groups.

    The k-th of n equals is one of their p positives with probability p/n, and then (k-1)(p-1)/(n-1)
    positives are before it in the mean: with G above the group, g of them positives,

        Σ_k (p/n) (g + 1 + (k-1)(p-1)/(n-1)) / (G + k)

    of which both sums over k follow from harmonic numbers.
    """
    top = int((above + size).max(initial=0))
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, top + 1))])
    sums = harmonic[(above + size).astype(np.int64)] - harmonic[above.astype(np.int64)]
    share = np.divide(hits - 1, size - 1, out=np.zeros_like(size), where=size > 1)
    # Σ_k (k-1)/(G+k) = n - (G+1) Σ_k 1/(G+k)
    total: Float64 = hits / size * ((hits_above + 1) * sums + share * (size - (above + 1) * sums))
    return total
