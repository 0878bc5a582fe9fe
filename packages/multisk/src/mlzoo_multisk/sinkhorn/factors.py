"""Plans as products of factors, held as logarithms.

Every step multiplies the plan by something that depends on two of its three indices, so with
Q_m = exp(m S / ε) it is, at any time,

    A(m, b, k) = Q_m(b, k) u(m, k) v(b, k) z(m, b).

The column step changes u alone, the step over slices v, and the row step z. Instead of K·B·K numbers
2·B·K + K·B + K·K are held, and one slice at a time is made, once an iteration.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mlzoo_multisk.sinkhorn.spread import Spread


class Factors:
    """ln u, ln v and ln z of a plan that may have entries of any size.

    No step makes an entry larger than its target, so exp never overflows. An entry that underflows counts
    for nothing beside the guard of every sum, but its logarithm is kept: it may grow again.

    Args:
        scores: S / ε, [*, B, K]. Logarithms of some hundreds have few digits after the point in
            float32; where ε is small these are float64.
        spread: the slices.
    """

    def __init__(self, scores: Tensor, spread: Spread) -> None:
        self.scores, self.spread = scores, spread
        *problems, rows, anchors = scores.shape
        slices = len(spread.multipliers)
        self.log_u = scores.new_zeros(slices, *problems, anchors)
        self.log_v = torch.zeros_like(scores)
        self.log_z = scores.new_zeros(slices, *problems, rows)
        sums = [
            self._log_slice(index).flatten(-2).logsumexp(dim=-1) + math.log(count)  # [*]
            for index, count in enumerate(spread.counts)
        ]
        self.log_v.sub_(torch.stack(sums).logsumexp(dim=0)[..., None, None])

    def _log_slice(self, index: int, first: int = 0) -> Tensor:
        """ln (Q u v) of a slice, its rows from ``first`` on: [*, B - first, K]."""
        v, scores = self.log_v[..., first:, :], self.scores[..., first:, :]
        entries = torch.add(v, scores, alpha=self.spread.multipliers[index])
        return entries.add_(self.log_u[index].unsqueeze(-2))

    def column_order(self) -> Tensor:
        """[*, K], logarithms of the column sums of the first slice."""
        return self._log_slice(0).logsumexp(dim=-2)

    def iterate(self, c: Tensor, iterations: int, guard: float) -> None:
        """One pass over the slices an iteration: the row step of the last one, then the column step, then
        the slice's part of the sum over slices. The last row step is left to :meth:`rows`."""
        total = torch.empty_like(self.scores)
        for number in range(iterations):
            total.zero_()
            for index, count in enumerate(self.spread.counts):
                log_u, log_z = self.log_u[index], self.log_z[index]
                entries = self._log_slice(index).add_(log_z.unsqueeze(-1)).exp_()  # [*, B, K]
                if number:
                    of_row = entries.sum(dim=-1).add_(guard).reciprocal_()  # [*, B]
                    log_z.add_(of_row.log())
                    entries.mul_(of_row.unsqueeze(-1))
                of_column = c / entries.sum(dim=-2).add_(guard)  # [*, K]
                log_u.add_(of_column.log())
                total.add_(entries.mul_(of_column.unsqueeze(-2)), alpha=count)
            self.log_v.sub_(total.add_(guard).log_())

    def rows(self, index: int, first: int) -> Tensor:
        """[*, B - first, K]: rows of one of the M slices from ``first`` on, each with sum 1; z cancels."""
        return self._log_slice(index, first).softmax(dim=-1)
