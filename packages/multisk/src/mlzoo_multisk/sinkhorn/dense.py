"""Plans with few distinct slices, held as they are."""

from __future__ import annotations

import torch
from torch import Tensor

from mlzoo_multisk.sinkhorn.spread import Spread


class DenseSlices:
    """A [M, *, B, K], the slices that differ; the steps change it in place.

    Args:
        scores: S / ε, [*, B, K].
        spread: the slices.
        clamped: an exponential that overflows becomes the largest entry of its problem that does not, as
            published: the sum may still overflow, and everything is NaN in the end. Otherwise the
            largest entry is divided out before, which changes nothing but that.
    """

    def __init__(self, scores: Tensor, spread: Spread, *, clamped: bool) -> None:
        self.counts = spread.counts
        exponents = torch.stack([m * scores for m in spread.multipliers])  # [M, *, B, K]
        self.a = _clamped(exponents.exp_()) if clamped else _scaled(exponents)
        self._total = torch.empty_like(self.a[0])  # [*, B, K]
        sums = self.a.sum(dim=(-2, -1))  # [M, *]
        self.a.div_(self._over_slices(sums, torch.empty_like(sums[0]))[..., None, None])

    def _over_slices(self, parts: Tensor, out: Tensor) -> Tensor:
        """The sum of all K slices, of parts [M, ...]; into memory that is there already."""
        torch.mul(parts[0], self.counts[0], out=out)
        for part, count in zip(parts[1:], self.counts[1:], strict=True):
            out.add_(part, alpha=count)
        return out

    def column_order(self) -> Tensor:
        """[*, K], column sums of the first slice."""
        return self.a[0].sum(dim=-2)

    def iterate(self, c: Tensor, iterations: int, guard: float) -> None:
        """The three steps, one after the other; the last division of rows is left to :meth:`rows`.

        After the first division no entry exceeds its target, so none can become infinite.
        """
        for number in range(iterations):
            if number:
                self.a.mul_(self.a.sum(dim=-1, keepdim=True).add_(guard).reciprocal_())
            self.a.mul_((c / self.a.sum(dim=-2).add_(guard)).unsqueeze(-2))
            self.a.mul_(self._over_slices(self.a, self._total).add_(guard).reciprocal_())

    def rows(self, index: int, first: int) -> Tensor:
        """[*, B - first, K]: the rows of one of the M slices from ``first`` on, each with sum 1."""
        entries = self.a[index, ..., first:, :]
        return entries / entries.sum(dim=-1, keepdim=True)


def _scaled(exponents: Tensor) -> Tensor:
    largest = exponents.amax(dim=(0, -2, -1), keepdim=True)
    return exponents.sub_(largest).exp_()


def _clamped(entries: Tensor) -> Tensor:
    infinite = entries == torch.inf
    largest = entries.masked_fill(infinite, -torch.inf).amax(dim=(0, -2, -1), keepdim=True)
    return torch.where(infinite, largest, entries)
