"""How cross-encoders are trained: a variant of AdamW, decay of most parameters, a rate that rises and falls.

The optimiser is that of pytorch-transformers 1.2, which differs from ``torch.optim.AdamW`` in where ε and the
decay stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import sqrt
from typing import Any, overload

import torch
from torch import Tensor, nn

BETAS, EPSILON = (0.9, 0.999), 1e-6

NO_DECAY = ("bias", "LayerNorm.bias", "LayerNorm.weight")
"""Parts of names of parameters that do not decay. ``image_layer_norm.weight`` is not among them."""


class AdamW(torch.optim.Optimizer):
    """m, v as in Adam (Kingma and Ba 2015); then, with c = √(1 - β₂ᵗ) / (1 - β₁ᵗ), or 1 uncorrected,

        p ← p - lr c m / (√v + ε)
        p ← p - lr λ p

    so that ε is not corrected and the decay (Loshchilov and Hutter 2019) is of the parameter after its step.

    Args:
        params: parameters, or groups with a ``weight_decay`` or ``lr`` of their own.
        lr: the rate.
        betas, eps: β₁, β₂, ε.
        weight_decay: λ.
        correct_bias: whether c corrects the moments for their start at 0.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        *,
        betas: tuple[float, float] = BETAS,
        eps: float = EPSILON,
        weight_decay: float = 0.0,
        correct_bias: bool = True,
    ) -> None:
        kept = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**kept, "correct_bias": correct_bias})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Change every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if trained := [p for p in group["params"] if p.grad is not None]:
                self._step(trained, group)
        return loss

    def _step(self, trained: list[Tensor], group: dict[str, Any]) -> None:
        """All parameters of a group at once, which on a GPU are few kernels."""
        states = [self.state[parameter] for parameter in trained]
        for parameter, state in zip(trained, states, strict=True):
            if not state:
                state["step"] = 0
                state["m"], state["v"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["step"] += 1
        (one, two), lr = group["betas"], group["lr"]
        gradients = [p.grad for p in trained if p.grad is not None]  # of all of them
        ms, vs = ([state[name] for state in states] for name in "mv")
        torch._foreach_lerp_(ms, gradients, 1 - one)
        torch._foreach_mul_(vs, two)
        torch._foreach_addcmul_(vs, gradients, gradients, 1 - two)
        rates = [-lr] * len(trained)
        if group["correct_bias"]:
            steps = [state["step"] for state in states]
            rates = [-lr * sqrt(1 - two**step) / (1 - one**step) for step in steps]
        below = torch._foreach_sqrt(vs)
        torch._foreach_add_(below, group["eps"])
        torch._foreach_addcdiv_(trained, ms, below, rates)
        if group["weight_decay"]:
            torch._foreach_mul_(trained, 1 - lr * group["weight_decay"])


def decay_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The network's trained parameters in two groups: with decay, and, by :data:`NO_DECAY`, without."""
    groups: list[dict[str, Any]] = [
        {"params": [], "weight_decay": weight_decay},
        {"params": [], "weight_decay": 0.0},
    ]
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups[any(part in name for part in NO_DECAY)]["params"].append(parameter)
    return [group for group in groups if group["params"]]


def warm_up_linear(update: int, warm_up: float, total: int) -> float:
    """What the rate is multiplied by at an update, from 0: up in a line from 0 to 1, then down to 0.

    Args:
        update: its number; the first has rate 0.
        warm_up: updates until the rate is highest, not always a whole number.
        total: updates until it is 0 again.
    """
    if update < warm_up:
        return update / max(1.0, warm_up)
    return max(0.0, (total - update) / max(1.0, total - warm_up))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give all groups this rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
