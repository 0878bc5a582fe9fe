"""Adam for gradients in closed form: moments and weights in one pass, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

BETA2 = 0.999
EPSILON = 1e-8
BLOCK_ENTRIES = 2**20
"""A gradient of this size is still in the processor's cache when Adam reads it."""


@dataclass(frozen=True)
class LayerGradient:
    """The gradient of one linear layer [out, in], its weight's left as factors.

    Attributes:
        layer: whose.
        factors: pairs (left [n, out], right [n, in_j]): the products leftᵀ right side by side are the
            gradient of the weight; n and in_j may differ between pairs.
        bias: [out], or None where it is exactly zero: the bias then stays as it is.
    """

    layer: nn.Linear
    factors: tuple[tuple[Tensor, Tensor], ...]
    bias: Tensor | None

    @classmethod
    def of(cls, layer: nn.Linear, delta: Tensor, inputs: Tensor) -> LayerGradient:
        """From the gradient of the layer's output [n, out] and the layer's input [n, in]."""
        return cls(layer, ((delta, inputs),), delta.sum(0))


class FusedAdam:
    """Adam over the parameters of one network, in the form of ``torch.optim.Adam``.

    The gradient of a weight is never whole in memory: a block of its rows is multiplied out, used
    and overwritten by the next. On an accelerator a weight is one block: there launches cost, not
    memory. A parameter without a gradient has no state, as in torch.
    """

    def __init__(self, network: nn.Module, learning_rate: float, beta1: float) -> None:
        self._settings: dict[str, Any] = {
            "lr": learning_rate,
            "beta1": beta1,
            "beta2": BETA2,
            "eps": EPSILON,
            "weight_decay": 0.0,
            "amsgrad": False,
            "maximize": False,
            "fused": True,
        }
        # Keeps the state and its form on file; the arithmetic is below.
        self._keeper = torch.optim.Adam(
            network.parameters(), lr=learning_rate, betas=(beta1, BETA2), eps=EPSILON
        )
        self._counts: dict[Tensor, list[Tensor]] = {}
        self._scratch: dict[int, Tensor] = {}

    def apply(self, gradients: Iterable[LayerGradient]) -> None:
        """One step of every layer named. The factors may not be views of the weights."""
        small: list[tuple[Tensor, Tensor]] = []
        for gradient in gradients:
            self._step_weight(gradient)
            if gradient.bias is not None:
                small.append((gradient.layer.bias, gradient.bias))
        self._step_vectors(small)

    def _step_weight(self, gradient: LayerGradient) -> None:
        weight = gradient.layer.weight  # [out, in]
        state, counts = self._state(weight)
        rows = _block_rows(weight)
        for block, first in enumerate(range(0, len(weight), rows)):
            part = slice(first, min(first + rows, len(weight)))
            product = self._product(gradient.factors, part, weight)  # [block, in]
            self._step(
                [weight.detach()[part]],
                [product],
                [state["exp_avg"][part]],
                [state["exp_avg_sq"][part]],
                [counts[block]],
            )
        state["step"] = counts[0]

    def _product(
        self, factors: tuple[tuple[Tensor, Tensor], ...], part: slice, weight: Tensor
    ) -> Tensor:
        """Rows of a weight's gradient, in memory that every product of this width uses."""
        width = weight.shape[1]
        rows = part.stop - part.start
        scratch = self._scratch.get(width)
        if scratch is None or len(scratch) < rows:
            scratch = self._scratch[width] = weight.new_empty(rows, width)
        product = scratch[:rows]
        column = 0
        for left, right in factors:
            target = product[:, column : column + right.shape[1]]
            torch.mm(left[:, part].t(), right, out=target)
            column += right.shape[1]
        return product

    def _step_vectors(self, pairs: list[tuple[Tensor, Tensor]]) -> None:
        if not pairs:
            return
        states = [self._state(parameter) for parameter, _ in pairs]
        self._step(
            [parameter.detach() for parameter, _ in pairs],
            [gradient for _, gradient in pairs],
            [state["exp_avg"] for state, _ in states],
            [state["exp_avg_sq"] for state, _ in states],
            [counts[0] for _, counts in states],
        )

    def _step(self, parameters: list[Tensor], *lists: list[Tensor]) -> None:
        gradients, averages, squares, counts = lists
        adam(
            parameters,
            gradients,
            averages,
            squares,
            [],
            counts,
            capturable=parameters[0].is_cuda,
            **self._settings,
        )

    def _state(self, parameter: Tensor) -> tuple[dict[str, Any], list[Tensor]]:
        """Moments of a parameter, and the number of its steps once for each of its blocks."""
        state = self._keeper.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter, requires_grad=False)
            state["exp_avg_sq"] = torch.zeros_like(parameter, requires_grad=False)
        if parameter not in self._counts:
            step = state["step"].to(parameter.device, torch.float32)
            blocks = -(-len(parameter) // _block_rows(parameter))
            self._counts[parameter] = [step.clone() for _ in range(blocks)]
            state["step"] = self._counts[parameter][0]
        return state, self._counts[parameter]

    def state_dict(self) -> dict[str, Any]:
        """What ``torch.optim.Adam`` over the same network has."""
        return self._keeper.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From here or from ``torch.optim.Adam``."""
        self._keeper.load_state_dict(state)
        self._counts.clear()


def _block_rows(parameter: Tensor) -> int:
    if parameter.dim() < 2 or parameter.device.type != "cpu":
        return len(parameter)
    return max(1, BLOCK_ENTRIES // parameter.shape[1])
