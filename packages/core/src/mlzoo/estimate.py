"""What a sample of runs says: its mean, its spread, and how sure the mean is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """Of the values of n runs, in the metric's unit.

    Attributes:
        n: how many.
        mean: of them.
        sd: their standard deviation, with n - 1 below; None for a single one.
        margin: half the width of the 95 % interval of the mean (Student's t); None for a single one.
        spread: half the width of the interval in which 95 % of further single runs are expected; None for a
            single one.
    """

    n: int
    mean: float
    sd: float | None
    margin: float | None
    spread: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean."""
        return None if self.margin is None else (self.mean - self.margin, self.mean + self.margin)


def estimate(values: Sequence[float]) -> Estimate:
    """The estimate from finite values, at least one.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("an estimate needs a value")
    n, mean = len(values), statistics.fmean(values)
    if n == 1:
        return Estimate(1, mean, None, None, None)
    from scipy.stats import t

    sd = statistics.stdev(values)
    quantile = float(t.ppf((1 + CONFIDENCE) / 2, n - 1))
    return Estimate(n, mean, sd, quantile * sd / math.sqrt(n), quantile * sd * math.sqrt(1 + 1 / n))
