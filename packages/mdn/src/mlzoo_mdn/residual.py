"""The fused step of Metadata Normalization: features minus the effect of the metadata."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor
from torch.autograd.function import once_differentiable


def subtract(features: Tensor, removed: Tensor, coefficients: Tensor, inplace: bool) -> Tensor:
    """``Y - U B`` in one pass, shaped like features [m, ...], in place if asked."""
    out = features if inplace else torch.empty_like(features, memory_format=torch.contiguous_format)
    flat = features.flatten(1)  # [m, F]
    if not torch.is_grad_enabled() or not features.requires_grad:
        torch.addmm(flat, removed, coefficients, alpha=-1, out=out.view(flat.shape))
        return out
    return torch.addmm(flat, removed, coefficients, alpha=-1).view(features.shape)


class Residual(torch.autograd.Function):
    """``Y - U B`` with ``B = W Y + P``: two passes over Y forward, two over the gradient backward.

    B is linear in Y, so ``dL/dY = G - W^T (U^T G)`` (W, U, P are constants); nothing of the size of
    Y is saved. In the published notation W^T = s X K and U = X[:, 1:].

    Where a batch is shared by several processes, each has some of its samples: W Y and U^T G are then
    sums over all of them.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weights: Tensor,
        removed: Tensor,
        prior: Tensor | None,
        inplace: bool,
        shared: bool,
    ) -> tuple[Tensor, Tensor]:
        flat = x.flatten(1)  # [m, F]
        estimate = over_processes(weights @ flat, shared)  # [c, F]
        if prior is not None:
            estimate += prior
        out = subtract(x, removed, estimate, inplace)
        ctx.save_for_backward(weights, removed)
        ctx.shared = shared
        ctx.mark_non_differentiable(estimate)
        if inplace:
            ctx.mark_dirty(x)
        return out, estimate

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        weights, removed = ctx.saved_tensors  # [c, m], [m, c]
        flat = grad.flatten(1)  # [m, F]
        with without_autocast(grad.device):
            grad_b = over_processes(removed.T @ flat, ctx.shared)  # -dL/dB [c, F]
            grad_x = torch.addmm(flat, weights.T, grad_b, alpha=-1)  # [m, F]
        return grad_x.view(grad.shape), None, None, None, None, None


def is_shared() -> bool:
    """Whether several processes train together, each with a part of every batch."""
    return (
        distributed.is_available()
        and distributed.is_initialized()
        and (distributed.get_world_size() > 1)
    )


def over_processes(part: Tensor, shared: bool) -> Tensor:
    """The sum over all processes, where they share a batch; of the same shape."""
    if shared:
        part = part.contiguous()
        distributed.all_reduce(part)
    return part


def total(part: Tensor) -> Tensor:
    """The sum of a number over all processes that share a batch, with its gradient.

    A loss of such sums is the whole batch's in every process; averaging the processes' gradients, as
    data parallel training does, then gives the whole batch's gradient.
    """
    if not is_shared():
        return part
    summed: Tensor = _Total.apply(part)  # type: ignore[no-untyped-call]
    return summed


class _Total(torch.autograd.Function):
    """Every process's part is in every process's sum, so its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        return over_processes(part.clone(), shared=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return over_processes(grad.clone(), shared=True)


def without_autocast(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    if not torch.amp.is_autocast_available(device.type):
        return contextlib.nullcontext()
    return torch.autocast(device.type, enabled=False)
