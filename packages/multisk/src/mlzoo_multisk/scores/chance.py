"""What a random ranking has in the mean, in closed form or by exact summation."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln, xlogy

from mlzoo_multisk.metric_specs import DIRECTIONS, KS

if TYPE_CHECKING:
    from mlzoo_multisk.retrieval import RetrievalData

AVERAGED_KS = (1, 5, 10)
"""The K of the three recalls whose geometric mean is taken."""


def chance_levels(data: RetrievalData) -> dict[str, float]:
    """The expected value of every metric on test if all similarities were drawn from one distribution.

    Then the rank of the right one of n candidates is uniform, independently for every query. Of N clips
    of the benchmark, those that lack included, n/N · K/n = K/N are found among the first K. Mean and
    median rank are symmetric about the middle, (n+1)/2. Every direction is alike.

    Returns:
        By name, in the metric's unit.
    """
    clips, complete = len(data.part("test")), data.complete["test"]
    levels = {f"r{k}": 100 * min(k, clips) / complete for k in KS}
    levels |= {"median_rank": (clips + 1) / 2, "mean_rank": (clips + 1) / 2}
    levels["geometric_mean"] = 100 * expected_geometric_mean(clips) * clips / complete
    return {
        f"{direction}_{name}": value for direction in DIRECTIONS for name, value in levels.items()
    }


@lru_cache(maxsize=16)
def expected_geometric_mean(clips: int) -> float:
    """The expected geometric mean of R@1, R@5 and R@10 as shares, over n queries among n candidates.

    How many queries have their rank among the first, the next four and the next five is multinomial; the
    sum runs over all counts that have a probability worth the name. It is well below the geometric mean of
    the expected recalls, as often no query at all is first.
    """
    ends = [min(k, clips) / clips for k in AVERAGED_KS]
    shares = np.diff([0.0, *ends, 1.0])  # of first, next four, next five, the rest
    shares[-1] = max(shares[-1], 0.0)
    # Poisson's tail beyond mean + 40 is far below rounding for means up to 5.
    first, four, five = np.meshgrid(*(np.arange(min(clips, 45) + 1.0),) * 3, indexing="ij")
    counts = [first, four, five, clips - first - four - five]
    possible = counts[-1] >= 0
    logs = np.full(first.shape, gammaln(clips + 1))
    for count, share in zip(counts, shares, strict=True):
        count = np.maximum(count, 0)
        logs += xlogy(count, share) - gammaln(count + 1)
    probability = np.where(possible, np.exp(np.where(possible, logs, -np.inf)), 0.0)
    hits = first * (first + four) * (first + four + five)
    return float((probability * np.cbrt(hits)).sum() / clips)
