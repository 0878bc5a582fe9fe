"""Multi-Sinkhorn-Knopp (Swetha et al., ICCV 2023): entropy-regularised assignment to several anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from mlzoo.errors import UsageError
from mlzoo_multisk.sinkhorn.arithmetic import ARITHMETICS, Arithmetic, linear_or_log
from mlzoo_multisk.sinkhorn.dense import DenseSlices
from mlzoo_multisk.sinkhorn.factors import Factors
from mlzoo_multisk.sinkhorn.marginals import column_targets
from mlzoo_multisk.sinkhorn.spread import Spread, spread_of

GUARD = 1e-5
"""Added to every sum that the steps divide by."""


class _Slices(Protocol):
    def column_order(self) -> Tensor: ...

    def iterate(self, c: Tensor, iterations: int, guard: float) -> None: ...

    def rows(self, index: int, first: int) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Plan:
    """A(j, b, k): how much of slice j sample b gives to anchor k. Rows of a slice sum to 1.

    Only what differs is held; the rest is made when it is asked for.

    Attributes:
        samples: B.
        spread: which of the K slices are equal, and which a sample is assigned in.
        dtype: of what is returned, that of the scores.
    """

    samples: int
    spread: Spread
    dtype: torch.dtype
    _slices: _Slices

    def slice(self, number: int, rows: int | None = None) -> Tensor:
        """[*, B, K], slice ``number`` from 0; of the last ``rows`` samples alone if given."""
        return self._distinct(self.spread.of_slice(number), rows)

    def all_slices(self, rows: int | None = None) -> Tensor:
        """[K, *, B, K], all of them, also those that are equal."""
        distinct = [self._distinct(index, rows) for index in range(len(self.spread.counts))]
        counts = torch.tensor(self.spread.counts, device=distinct[0].device)
        return torch.stack(distinct).repeat_interleave(counts, dim=0)

    def assigned(self, rows: int | None = None) -> Tensor:
        """[*, B, K], the sum of the last r slices; of the last ``rows`` samples alone if given."""
        total: Tensor | None = None
        for index, count in self.spread.assigned().items():
            part = self._distinct(index, rows) * count
            total = part if total is None else total.add_(part)
        assert total is not None  # r is at least 1
        return total

    def _distinct(self, index: int, rows: int | None) -> Tensor:
        first = 0 if rows is None else self.samples - rows
        if first < 0:
            raise UsageError(f"a plan of {self.samples} samples has no {rows} rows.")
        return self._slices.rows(index, first).to(self.dtype)


@torch.no_grad()
def multi_sinkhorn(
    scores: Tensor,
    *,
    epsilon: float,
    iterations: int,
    assignments: int,
    discrete: bool = True,
    class_distribution: Sequence[float] | Tensor | None = None,
    arithmetic: Arithmetic = "auto",
) -> Plan:
    """Multi-Sinkhorn-Knopp of scores S [B, K], a plan A of K slices.

    Slice j begins as exp(m_j S / ε) over the sum of all slices; the multipliers m are those of
    :func:`mlzoo_multisk.sinkhorn.spread.spread_of`. Each iteration scales it three times, g = 1e-5:

        A(j, b, k) *= c_k / (Σ_b A + g)    every slice uses the anchors as much as c says
        A(j, b, k) *= 1 / (Σ_j A + g)      the slices share out every pair of sample and anchor
        A(j, b, k) *= 1 / (Σ_k A + g)      every sample gives 1 in every slice

    In the end rows are divided by their sums. The K x B x K tensor is never made: equal slices are held
    once, and slices that all differ as factors.

    Args:
        scores: [*, B, K]; several problems may lie side by side. 16 bits are widened to 32.
        epsilon: ε, the weight of the entropy.
        iterations: how many; 0 is allowed.
        assignments: r, slices that a sample is assigned in.
        discrete: multipliers of two values; otherwise K that all differ.
        class_distribution: K numbers, how much the anchors are to be used; equally if not given.
        arithmetic: ``linear`` works with exponentials; an entry that underflows is lost. ``log`` works
            with logarithms and is right for every ε. ``auto`` takes linear where nothing can
            underflow (:func:`mlzoo_multisk.sinkhorn.arithmetic.linear_or_log`), else log; it looks at the
            scores, so the host waits for a GPU. ``clamped`` does as the published program where
            exp overflows: such entries become the largest finite one, and the plan is often NaN.

    Raises:
        UsageError: an argument is out of its range.
    """
    _check(scores, epsilon, iterations, arithmetic)
    *_, samples, anchors = scores.shape
    spread = spread_of(anchors, assignments, discrete)
    scores = scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
    slices = _slices(scores, epsilon, spread, arithmetic)
    c = column_targets(class_distribution, samples, slices.column_order())
    slices.iterate(c, iterations, GUARD)
    return Plan(samples, spread, scores.dtype, slices)


def _check(scores: Tensor, epsilon: float, iterations: int, arithmetic: str) -> None:
    if scores.dim() < 2 or not scores.numel() or not scores.is_floating_point():
        raise UsageError(f"scores must be floats [B, K], got {scores.dtype} {list(scores.shape)}.")
    if not 0 < epsilon < float("inf"):
        raise UsageError(f"epsilon must be above 0, got {epsilon}.")
    if iterations < 0:
        raise UsageError(f"iterations must be 0 or more, got {iterations}.")
    if arithmetic not in ARITHMETICS:
        raise UsageError(f"arithmetic must be one of {', '.join(ARITHMETICS)}, got {arithmetic!r}.")


def _slices(scores: Tensor, epsilon: float, spread: Spread, arithmetic: str) -> _Slices:
    """The beginning of a plan in the arithmetic that was asked for."""
    if arithmetic == "auto":
        low, high = (float(value) for value in scores.aminmax())
        arithmetic = linear_or_log(scores, low, high, epsilon, spread)
    if arithmetic == "log":
        exact = scores if scores.device.type == "mps" else scores.double()  # mps has no float64
        return Factors(exact / epsilon, spread)
    clamped = arithmetic == "clamped"
    if clamped or len(spread.multipliers) <= 2:
        return DenseSlices(scores / epsilon, spread, clamped=clamped)
    return Factors(scores / epsilon, spread)
