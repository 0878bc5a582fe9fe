"""Adversaries that look for the confounders in the features: gradient reversal, and BR-Net's way.

Both train a regressor of the confounders on the features and turn the encoder against it, in the
same forward and backward as the task's loss: what trains whom is settled by what is held constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from mlzoo.errors import UsageError
from mlzoo_mdn import design_matrix
from mlzoo_mdn.residual import total

Samples = Literal["controls", "all"]


class ReverseGradient(torch.autograd.Function):
    """The identity, whose gradient is multiplied by ``-weight`` (Ganin and Lempitsky, ICML 2015)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * grad, None


class Adversary(nn.Module):
    """A regressor of the standardised confounders: one hidden layer with tanh.

    Args:
        metadata: [N, 1 + k] of the training set: label, confounders.
        num_features: of the features it reads.
        weight: of the encoder's part (lambda).
        width: units of the hidden layer.
        samples: on which it looks; "controls" are those with label 0, where the confounder cannot be
            read from the label.

    Raises:
        UsageError: no confounder, or a weight or width that does not fit.
    """

    centre: Tensor
    scale: Tensor

    def __init__(
        self,
        metadata: Tensor,
        num_features: int,
        *,
        weight: float = 1.0,
        width: int = 64,
        samples: Samples = "controls",
    ) -> None:
        super().__init__()
        confounders = design_matrix.as_metadata(metadata)[:, 1:]  # [N, k]
        if confounders.shape[1] < 1 or weight < 0 or width < 1:
            raise UsageError(
                "an adversary needs a confounder, a weight of at least 0 and a width of at least 1; "
                f"got {confounders.shape[1]} confounders, {weight} and {width}"
            )
        self.weight, self.samples = weight, samples
        centre, scale = design_matrix.standardisation(confounders, intercept=True)
        self.register_buffer("centre", centre.float())
        self.register_buffer("scale", scale.float())
        self.regressor = nn.Sequential(
            nn.Linear(num_features, width), nn.Tanh(), nn.Linear(width, len(centre))
        )

    def targets(self, metadata: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised confounders [m, k], and which rows count [m, 1], of label and confounders."""
        confounders = (metadata[:, 1:].to(self.centre) - self.centre) / self.scale
        counted = torch.ones_like(metadata[:, :1])
        if self.samples == "controls":
            counted = (metadata[:, :1] == 0).to(metadata.dtype)
        return confounders, counted.to(confounders)


class GradientReversal(Adversary):
    """The squared error of the regressor; its gradient reaches the encoder with reversed sign.

    ``dL/d regressor = d MSE``, ``dL/d features = -weight d MSE``.
    """

    def forward(self, features: Tensor, metadata: Tensor) -> Mapping[str, Tensor]:
        """``{"confounder_error": MSE}`` for features [m, F] and metadata [m, 1 + k]."""
        confounders, counted = self.targets(metadata)
        predicted = self.regressor(ReverseGradient.apply(features, self.weight))  # type: ignore[no-untyped-call]
        return {"confounder_error": squared_error(predicted, confounders, counted)}


class CorrelationAdversary(Adversary):
    """BR-Net style (Adeli et al., WACV 2021): the encoder lowers the squared Pearson correlation of
    predicted and true confounders, the regressor lowers its squared error.

    The published program alternates three optimisers. Here the regressor sees constant features and
    the encoder a constant regressor, so that one backward serves both; what differs is that one Adam
    sees the sum of the encoder's two gradients, so the weight matters.
    """

    def forward(self, features: Tensor, metadata: Tensor) -> Mapping[str, Tensor]:
        """``{"confounder_error": MSE, "correlation": weight * mean squared correlation}``."""
        confounders, counted = self.targets(metadata)
        predicted = self.regressor(features.detach())  # [m, k]: trains the regressor
        constant = {name: value.detach() for name, value in self.regressor.named_parameters()}
        challenged = functional_call(self.regressor, constant, (features,))  # trains the encoder
        correlation = squared_correlation(challenged, confounders, counted)
        return {
            "confounder_error": squared_error(predicted, confounders, counted),
            "correlation": self.weight * correlation,
        }


def squared_error(predicted: Tensor, true: Tensor, counted: Tensor) -> Tensor:
    """Mean over the counted rows and all columns [m, k]; 0 if no row counts."""
    error = functional.mse_loss(predicted.to(true), true, reduction="none").mean(dim=1)  # [m]
    return total((counted[:, 0] * error).sum()) / total(counted.sum()).clamp_min(1)


def squared_correlation(predicted: Tensor, true: Tensor, counted: Tensor) -> Tensor:
    """Squared Pearson correlation over the counted rows, averaged over the columns [m, k].

    Columns without spread count as uncorrelated, and so do fewer than two rows.
    """
    count = total(counted.sum()).clamp_min(1)

    def centred(values: Tensor) -> Tensor:
        mean = total((counted * values).sum(dim=0)) / count  # [k]
        return counted * (values - mean)

    one, two = centred(predicted.to(true)), centred(true)  # [m, k]
    product = total((one * two).sum(dim=0))  # [k]
    spread = total(one.square().sum(dim=0)) * total(two.square().sum(dim=0))
    return (product.square() / (spread + torch.finfo(true.dtype).eps)).mean()
