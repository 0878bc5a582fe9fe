"""The batch of all processes in each of them, with gradients.

A loss that compares every clip with every other needs all of them. Each process computes it over the
whole batch; what a process's own network gets of the gradient is its own part, times the number of
processes, as gradients are averaged over the processes afterwards (DistributedDataParallel, Accelerate).
So P processes with B clips each are one process with P·B. Parameters that are the same everywhere and
used on the gathered batch alone, such as anchors, get the whole gradient in every process, and need
no averaging: keep them out of what is prepared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor
from torch.autograd.function import once_differentiable

from mlzoo.errors import UsageError


def process_count() -> int:
    """Processes that train together; 1 where torch.distributed is not in use."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return 1
    return distributed.get_world_size()


def gather_batch(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rows of all processes, one process's after the other's, of arrays [B, ...].

    Every process has to call it with the same names, in their order. Parts may differ in length, and may
    be empty.

    Returns:
        [ΣB, ...] each; of a single process, the arrays themselves.

    Raises:
        UsageError: the arrays of this process differ in length.
    """
    if process_count() == 1 or not arrays:
        return dict(arrays)
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise UsageError(f"the arrays of a batch must be equally long, got {lengths}.")
    sizes = _all_sizes(next(iter(arrays.values())))
    return {name: _gather(array, sizes) for name, array in arrays.items()}


def _all_sizes(array: Tensor) -> list[int]:
    """Rows of every process."""
    mine = torch.tensor([len(array)], device=array.device)
    everyone = [torch.empty_like(mine) for _ in range(process_count())]
    distributed.all_gather(everyone, mine)
    return [int(size) for size in torch.cat(everyone)]


def _gather(array: Tensor, sizes: list[int]) -> Tensor:
    if array.dtype == torch.bool:  # not every backend sends it
        return _gather(array.to(torch.uint8), sizes).bool()
    gathered: Tensor = _GatherRows.apply(array, sizes)  # type: ignore[no-untyped-call]
    return gathered


class _GatherRows(torch.autograd.Function):
    """Rows [B, ...] of every process; backward, this process's part of the gradient times their number."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor, sizes: list[int]) -> Tensor:
        ctx.sizes = sizes
        # Backends differ in whether parts may differ; padded to the longest, they do not.
        padded = mine.new_zeros(max(sizes), *mine.shape[1:])
        padded[: len(mine)] = mine
        parts = [torch.empty_like(padded) for _ in sizes]
        distributed.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        rank = distributed.get_rank()
        first = sum(ctx.sizes[:rank])
        mine = gradient[first : first + ctx.sizes[rank]]
        return mine * len(ctx.sizes), None


def sum_over_processes(x: Tensor) -> Tensor:
    """The sum of x, of any one shape, over all processes, the same bits in each; its gradient is the sum of
    theirs. Every process has to call it."""
    if process_count() == 1:
        return x
    total: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    """y = Σ x over processes. Every process uses its own y, so x's gradient is the sum of the y's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _summed(x)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _summed(gradient)


def _summed(x: Tensor) -> Tensor:
    """Added up in the order of processes, whatever a backend's own sum does."""
    parts = [torch.empty_like(x) for _ in range(process_count())]
    distributed.all_gather(parts, x.contiguous())
    return torch.stack(parts).sum(dim=0)
