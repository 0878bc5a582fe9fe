"""Adam for gradients in closed form: moments and weights in one pass, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from mlzoo_tfvaegan.layer_gradient import LayerGradient
from mlzoo_tfvaegan.shares import Shares

BETA2 = 0.999
EPSILON = 1e-8

BLOCK_ENTRIES = 2**20
"""A gradient of this size is still in the processor's cache when Adam reads it."""
OFFSETS = {"exp_avg": 336, "exp_avg_sq": 672}
"""Entries by which the moments are moved off the page that a large tensor begins on: weight, gradient
and moments read at the same place of a page get in each other's way, at 15 % of Adam's time."""


class FusedAdam:
    """Adam over some parameters, with the state of ``torch.optim.Adam``.

    The gradient of a weight is never whole in memory: a block of its rows is multiplied out, used
    and overwritten by the next. On an accelerator a weight is one block: there launches cost, not
    memory. A parameter without a gradient has no state, as in torch. With ``shares`` the gradients given
    to it are those of a share, and the step is that of the whole batch.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        learning_rate: float,
        beta1: float,
        shares: Shares | None = None,
    ) -> None:
        # Keeps the state, and its form on file; the arithmetic is below.
        self._keeper = torch.optim.Adam(
            parameters, lr=learning_rate, betas=(beta1, BETA2), eps=EPSILON
        )
        self._shares = shares
        self._betas = (beta1, BETA2)
        self._learning_rate = learning_rate
        self._counts: dict[Tensor, list[Tensor]] = {}
        weights = [each for each in self._parameters() if each.dim() == 2]
        self._scratch = {  # by width
            width: weights[0].new_empty(
                max(_block_rows(each) for each in weights if each.shape[1] == width), width
            )
            for width in {each.shape[1] for each in weights}
        }

    def apply(self, gradients: Iterable[LayerGradient]) -> None:
        """One step of every layer named. The factors may not be views of the weights."""
        biases: list[tuple[Tensor, Tensor]] = []
        for gradient in self._shares.gradients(gradients) if self._shares else gradients:
            self._step_weight(gradient)
            if gradient.bias is not None:
                biases.append((gradient.layer.bias, gradient.bias))
        if biases:
            parameters, values = map(list, zip(*biases, strict=True))
            states = [self._state(parameter) for parameter in parameters]
            counts = [self._counts[parameter][0] for parameter in parameters]
            self._step(
                [parameter.detach() for parameter in parameters],
                values,
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                counts,
            )

    def _step_weight(self, gradient: LayerGradient) -> None:
        """Block by block of the weight's rows."""
        weight = gradient.layer.weight  # [out, in]
        state, values = self._state(weight), weight.detach()
        scratch, counts = self._scratch[weight.shape[1]], self._counts[weight]
        for first, count in zip(range(0, len(weight), _block_rows(weight)), counts, strict=True):
            rows = slice(first, first + _block_rows(weight))
            block = values[rows]
            product = scratch[: len(block)]  # [rows, in]
            widths = [right.shape[1] for _, right in gradient.factors]
            for (left, right), part in zip(
                gradient.factors, product.split(widths, dim=1), strict=True
            ):
                torch.mm(left[:, rows].t(), right, out=part)
            average, square = state["exp_avg"][rows], state["exp_avg_sq"][rows]
            self._step([block], [product], [average], [square], [count])

    def _step(self, parameters: list[Tensor], *lists: list[Tensor]) -> None:
        """``lists``: gradients, both moments, and the steps so far, which are counted here."""
        gradients, averages, squares, counts = lists
        adam(
            parameters,
            gradients,
            averages,
            squares,
            [],
            counts,
            fused=True,
            capturable=parameters[0].is_cuda,
            amsgrad=False,
            beta1=self._betas[0],
            beta2=self._betas[1],
            lr=self._learning_rate,
            weight_decay=0.0,
            eps=EPSILON,
            maximize=False,
        )

    def _state(self, parameter: Tensor) -> dict[str, Any]:
        """Of a parameter, made at its first step; ``_counts`` then has its steps for every block."""
        state: dict[str, Any] = self._keeper.state[parameter]
        if not state:
            self._adopt(parameter, {"step": 0.0, "exp_avg": 0.0, "exp_avg_sq": 0.0})
        return state

    def _adopt(self, parameter: Tensor, values: Mapping[str, Any]) -> None:
        """Take over moments and count, in memory of our own."""
        blocks = -(-len(parameter) // _block_rows(parameter))
        self._counts[parameter] = [
            torch.full((), float(values["step"]), device=parameter.device) for _ in range(blocks)
        ]
        state = self._keeper.state[parameter]
        state["step"] = self._counts[parameter][0]
        for name, offset in OFFSETS.items():
            memory = parameter.new_empty(parameter.numel() + offset)
            state[name] = memory[offset:].view_as(parameter).copy_(torch.as_tensor(values[name]))

    def state_dict(self) -> dict[str, Any]:
        """What ``torch.optim.Adam`` over the same parameters has."""
        return self._keeper.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From here or from ``torch.optim.Adam``. Raises what that raises."""
        self._keeper.load_state_dict(state)
        self._counts.clear()
        for parameter, values in list(self._keeper.state.items()):
            self._adopt(parameter, values)

    def _parameters(self) -> list[Tensor]:
        return [each for group in self._keeper.param_groups for each in group["params"]]


def _block_rows(parameter: Tensor) -> int:
    """Rows of one block."""
    if parameter.dim() < 2 or parameter.device.type != "cpu":
        return len(parameter)
    return min(len(parameter), max(1, BLOCK_ENTRIES // parameter.shape[1]))
