"""How far scores would move with other queries: percentile intervals of the bootstrap (Efron, 1979)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError
from mlzoo_multisk.draws import random_of
from mlzoo_multisk.metric_specs import KS
from mlzoo_multisk.scores.recall import hits

Float64 = npt.NDArray[np.float64]
Counts = npt.NDArray[np.signedinteger]

RESAMPLES = 1000
LEVEL = 0.95
_ENTRIES = 2**18
"""Counts that are held at a time, which fit into a cache."""


@dataclass(frozen=True, eq=False)
class Intervals:
    """Bounds of several directions, lower and upper last.

    Attributes:
        recall: float64 [d, K, 2], of R@K in percent.
        median_rank: float64 [d, 2], from 1.
    """

    recall: Float64
    median_rank: Float64


def bootstrap_intervals(
    ranks: npt.NDArray[np.floating],
    complete: int | None = None,
    *,
    ks: Sequence[int] = KS,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Intervals:
    """Intervals of recall and median rank.

    As many queries as there are are drawn with replacement, the same for every direction; those that the
    benchmark has beyond them stay not found. Candidates are not drawn.

    Args:
        ranks: [d, n], from 0, of d directions over the same n queries.
        complete: queries of the benchmark; n if not given.
        ks: K of the recalls.
        resamples: how many times queries are drawn.
        level: share of the drawn values that an interval holds.
        seed: of the draws.

    Raises:
        DataError: there are no queries, or more than the benchmark has.
    """
    directions, count = ranks.shape
    total = count if complete is None else complete
    if not 0 < count <= total:
        raise DataError(f"there are ranks of {count} queries; the benchmark has {total}.")
    found = np.concatenate([hits(ranks, k) for k in ks]).astype(np.float32)  # [K d, n]
    order = np.argsort(ranks, axis=1, kind="stable")
    recalls, medians = [], []
    for drawn in _draws(count, resamples, seed):
        recalls.append(found @ drawn.astype(np.float32))  # [K d, b]; exact: below 2 ** 24
        medians.append(
            [_medians(drawn, each, place) for each, place in zip(ranks, order, strict=True)]
        )
    tails = [(1 - level) / 2, (1 + level) / 2]
    shares = np.concatenate(recalls, axis=1).astype(np.float64) / total
    recall = np.quantile(100 * shares, tails, axis=1).reshape(2, len(ks), directions)
    median = np.quantile(np.concatenate(medians, axis=1), tails, axis=1)  # [2, d]
    return Intervals(recall.transpose(2, 1, 0), median.T)


def _draws(count: int, resamples: int, seed: int) -> Iterator[Counts]:
    """How often each query is drawn, [n, b], for some resamples at a time."""
    random = random_of(seed)
    kind = np.int16 if count < 2**15 else np.int32
    step = max(1, _ENTRIES // count)
    for at in range(0, resamples, step):
        width = min(step, resamples - at)
        drawn = random.randint(count, size=(width, count)) * width
        drawn += np.arange(width)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=width * count)
        yield counts.reshape(count, width).astype(kind)


def _medians(
    drawn: Counts, ranks: npt.NDArray[np.floating], order: npt.NDArray[np.int64]
) -> Float64:
    """Median rank [b], from 1, of queries drawn so many times; ``order`` sorts the ranks."""
    count = len(drawn)
    up_to = np.add.accumulate(drawn[order], axis=0, dtype=drawn.dtype)  # [n, b]
    lower, upper = (
        ranks[order[np.count_nonzero(up_to <= half, axis=0)]]
        for half in ((count - 1) // 2, count // 2)
    )
    found: Float64 = (lower + upper) / 2 + 1
    return found
