"""The gradient of a linear layer in closed form, as factors of few rows rather than a matrix."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


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
