"""Penalty approach to Metadata Normalization (PMDN; Vento et al., MICCAI 2022): B is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mlzoo.errors import UsageError
from mlzoo_mdn import residual
from mlzoo_mdn.metadata_layer import MetadataLayer


class PenaltyMDN(MetadataLayer):
    """Subtracts the nuisance part of a linear model whose coefficients gradient descent fits.

    B [c, F] is a parameter of the design M = [kept, nuisance, 1] (columns standardised over the
    training set, which Adam needs and least squares does not notice). Each forward

    - subtracts with a constant B: ``out = f - M[:, nuisance, 1] B[nuisance, 1]``, and
    - in training leaves ``fit_error = ||f - M B||_F^2 / m`` with constant features in ``fit_error``,
      whose gradient reaches B alone.

    So the task's loss trains the network and the fit error trains the coefficients, in one forward
    and one backward. The published alternation spends a forward on each, with the kept columns
    subtracted in the coefficients' one, and does not divide by m; Adam does not notice a factor.

    Args:
        metadata: [N, k] of the training set, to standardise by.
        num_features: shape of one sample's features, or their number.
        kept: columns that are estimated and never subtracted; may be empty.
        nuisance: columns that are subtracted with the intercept; all others by default.

    Shape:
        x [m, ...] of any floating dtype, metadata [m, k]; the result is like x.

    Raises:
        UsageError: arguments that do not fit each other, here or in ``forward``.
    """

    def __init__(
        self,
        metadata: Tensor,
        num_features: int | Sequence[int],
        *,
        kept: Sequence[int] = (0,),
        nuisance: Sequence[int] | None = None,
    ) -> None:
        count = metadata.shape[1]
        super().__init__(
            count, num_features, kept=kept, nuisance=nuisance, training_metadata=metadata
        )
        self.coefficients = nn.Parameter(torch.zeros(count + 1, self.num_features))  # B [c, F]
        self.fit_error: Tensor | None = None

    def forward(self, x: Tensor, metadata: Tensor) -> Tensor:
        """x [m, ...] without the nuisance effects of metadata [m, k]."""
        self.check(x, metadata)
        self.fit_error = self._fit_error(x.detach(), metadata) if self.training else None
        return self.subtract(x, metadata, self.coefficients.detach())

    def _fit_error(self, x: Tensor, metadata: Tensor) -> Tensor:
        with residual.without_autocast(x.device):
            rows = self.design(metadata).to(self.coefficients.dtype)  # [m, c]
            features = x.flatten(1).to(self.coefficients.dtype)  # [m, F]
            unexplained = torch.addmm(features, rows, self.coefficients, alpha=-1)
            count = residual.total(features.new_tensor(len(x)))
            return residual.total(unexplained.square().sum()) / count


class NormalisedPenaltyMDN(PenaltyMDN):
    """Layer normalisation, then :class:`PenaltyMDN`, as published."""

    def __init__(
        self,
        metadata: Tensor,
        num_features: Sequence[int],
        *,
        kept: Sequence[int] = (0,),
        nuisance: Sequence[int] | None = None,
    ) -> None:
        super().__init__(metadata, num_features, kept=kept, nuisance=nuisance)
        self.normalise = nn.LayerNorm(tuple(num_features))

    def forward(self, x: Tensor, metadata: Tensor) -> Tensor:
        """Like x [m, ...], normalised over its features."""
        return super().forward(self.normalise(x), metadata)


class PenaltyLoss(nn.Module):
    """The mean of the layers' fit errors. It has no parameters: B belongs to the layers.

    Args:
        network: its :class:`PenaltyMDN` layers must each be called in every step.

    Raises:
        UsageError: there is no such layer.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        # In a tuple, as the layers are the network's parts and not this module's.
        self._layers = (*(part for part in network.modules() if isinstance(part, PenaltyMDN)),)
        if not self._layers:
            raise UsageError("the penalty needs a network with PenaltyMDN layers")

    def forward(self, features: Tensor, metadata: Tensor) -> Mapping[str, Tensor]:
        """``{"fit_error": scalar}`` of the network's last forward."""
        errors = [layer.fit_error for layer in self._layers]
        missing = errors.count(None)
        if missing:
            raise UsageError(f"{missing} PenaltyMDN layers took no part in the last forward")
        total = torch.stack([error for error in errors if error is not None])
        for layer in self._layers:
            layer.fit_error = None  # frees the graph, and shows a layer that is left out next time
        return {"fit_error": total.mean()}


def coefficients_of(network: nn.Module) -> list[nn.Parameter]:
    """The parameters B of all :class:`PenaltyMDN` layers, which have a learning rate of their own."""
    return [part.coefficients for part in network.modules() if isinstance(part, PenaltyMDN)]
