"""Multi-Sinkhorn as its description reads, over the whole K x B x K tensor: the reference for the fast
plans, and what the benchmarks compare with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

GUARD = 1e-5


def plain_multi_sinkhorn(
    scores: Tensor,
    epsilon: float,
    iterations: int,
    assignments: int,
    discrete: bool = True,
    class_distribution: Sequence[float] | None = None,
) -> Tensor:
    """The plan A [K, B, K] of scores [B, K]; infinities become the largest finite entry, as published."""
    rows, anchors = scores.shape
    multipliers = plain_multipliers(anchors, assignments, discrete).to(scores)  # [K]
    a = without_infinity(torch.exp(multipliers[:, None, None] * scores / epsilon))  # [K, B, K]
    a /= a.sum()
    c = plain_marginal(a, class_distribution, rows)  # [K]
    for _ in range(iterations):
        columns = a.sum(dim=1, keepdim=True).repeat(1, rows, 1)
        a = without_infinity(a * (c / (columns + GUARD)))
        slices = a.sum(dim=0, keepdim=True).repeat(anchors, 1, 1)
        a = without_infinity(a * (1 / (slices + GUARD)))
        of_rows = a.sum(dim=2, keepdim=True).repeat(1, 1, anchors)
        a = without_infinity(a * (1 / (of_rows + GUARD)))
    return a / a.sum(dim=2, keepdim=True)


def plain_multipliers(anchors: int, assignments: int, discrete: bool) -> Tensor:
    """One a slice."""
    if discrete:
        few = torch.full((anchors - assignments,), 0.25, dtype=torch.float64)
        return torch.cat([few, torch.ones(assignments, dtype=torch.float64)])
    return 0.9 * torch.arange(1, anchors + 1, dtype=torch.float64) / anchors + 0.1


def plain_marginal(a: Tensor, class_distribution: Sequence[float] | None, rows: int) -> Tensor:
    """What every anchor is to get; the larger, the more its column has."""
    anchors = a.shape[2]
    given = [1.0] * anchors if class_distribution is None else class_distribution
    c = torch.tensor(given, dtype=a.dtype)
    c = c / c.sum() * rows
    c = c.clamp(min=1)
    c = c / c.sum() * rows
    handed = torch.empty_like(c)
    handed[a[0].sum(dim=0).argsort(stable=True)] = c.sort().values
    return handed


def without_infinity(a: Tensor) -> Tensor:
    infinite = torch.isinf(a)
    if infinite.any():
        a = torch.where(infinite, a[~infinite].max(), a)
    return a


def plain_targets(scores: Tensor, epsilon: float, iterations: int, share: float) -> Tensor:
    """The sum of the last r slices, each row brought to [0, 1]."""
    assignments = int(scores.shape[1] * share)
    plan = plain_multi_sinkhorn(scores, epsilon, iterations, assignments)
    total = plan[-assignments:].sum(dim=0)  # [B, K]
    least, most = total.amin(dim=1, keepdim=True), total.amax(dim=1, keepdim=True)
    return (total - least) / (most - least)
