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
Counts = npt.NDArray[np.int32]

RESAMPLES = 1000
LEVEL = 0.95
_ENTRIES = 2**22
"""Counts that are held at a time."""


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
    found = np.stack([hits(ranks, k) for k in ks], axis=1).reshape(-1, count)  # [d K, n]
    columns = np.ascontiguousarray(found.T, dtype=np.float32)
    order = np.argsort(ranks, axis=1, kind="stable")
    recalls, medians = [], []
    for drawn in _draws(count, resamples, seed):
        recalls.append(drawn.astype(np.float32) @ columns)  # exact: below 2 ** 24
        medians.append(
            [_medians(drawn, each[place], place) for each, place in zip(ranks, order, strict=True)]
        )
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    shares = np.concatenate(recalls).astype(np.float64).reshape(resamples, directions, len(ks))
    recall = np.quantile(100 * shares / total, tails, axis=0)  # [2, d, K]
    median = np.quantile(np.concatenate(medians, axis=1), tails, axis=1)  # [2, d]
    return Intervals(np.moveaxis(recall, 0, -1), median.T)


def _draws(count: int, resamples: int, seed: int) -> Iterator[Counts]:
    """How often each query is drawn, int32 [b, n], for some resamples at a time."""
    random = random_of(seed)
    step = max(1, _ENTRIES // count)
    for at in range(0, resamples, step):
        rows = min(step, resamples - at)
        drawn = random.randint(count, size=(rows, count))
        drawn += count * np.arange(rows)[:, None]
        yield (
            np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count).astype(np.int32)
        )


def _medians(
    drawn: Counts, ascending: npt.NDArray[np.floating], order: npt.NDArray[np.int64]
) -> Float64:
    """Median rank [b], from 1, of queries drawn so many times; ``order`` sorts them by rank."""
    up_to = np.cumsum(drawn[:, order], axis=1)
    count = drawn.shape[1]
    middle = [ascending[(up_to > half).argmax(axis=1)] for half in ((count - 1) // 2, count // 2)]
    found: Float64 = (middle[0] + middle[1]) / 2 + 1
    return found
