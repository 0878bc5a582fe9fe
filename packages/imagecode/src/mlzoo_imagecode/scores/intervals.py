"""How sure a share is."""

from __future__ import annotations

from math import sqrt

NORMAL = 1.959963984540054
"""The quantile of 95 % of a normal distribution, two-sided."""


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % score interval of a percentage over so many samples (Wilson, JASA, 1927), in percent.

    NaN without samples.
    """
    if not count:
        return float("nan"), float("nan")
    p, z = share / 100, NORMAL**2 / count
    middle = (p + z / 2) / (1 + z)
    half = sqrt(z * (p * (1 - p) + z / 4)) / (1 + z)
    return 100 * (middle - half), 100 * (middle + half)
