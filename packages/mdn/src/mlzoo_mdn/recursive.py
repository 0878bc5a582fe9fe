"""Recursive Metadata Normalization (Shah et al., ICML 2025): coefficients by recursive least squares."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mlzoo.errors import UsageError
from mlzoo_mdn import residual
from mlzoo_mdn.metadata_layer import MetadataLayer


class RecursiveMDN(MetadataLayer):
    r"""Subtracts what recursive least squares with forgetting explains by nuisance metadata.

    With the design X [m, c] = [kept, nuisance, 1] of a batch and its features Y [m, F], training does

    ``P <- P / lambda``;  ``G = P X^T (I + X P X^T)^-1``;  ``P <- P - G X P + eps I``;
    ``B <- B + G (Y - X B)``;  ``out = Y - U B``

    with U the design without its kept columns. By Woodbury's identity
    ``(I - G X) P = (I + P X^T X)^-1 P`` and ``G = (I + P X^T X)^-1 P X^T``, so that only a c x c
    system is solved, whatever the batch size. Neither the training set's size nor its metadata are
    needed, so it suits streams. With ``forgetting=1`` and ``regularisation=0``, B is the ridge
    regression of everything seen so far with penalty ``1 / initial_covariance``, i.e. least squares
    if that is large.

    No gradient flows through B: dL/dY = dL/dout. Evaluation subtracts with the last B. P and B are
    float64 buffers that are saved, restored and moved with the module; products with Y run in x's
    precision, at least float32. In several processes (torch.distributed) all of them see the sums
    over all, as one process with the whole batch would.

    Args:
        columns: k, the number of metadata columns, without an intercept.
        num_features: shape of one sample's features, or their number.
        kept: columns that are estimated and never subtracted; may be empty.
        nuisance: columns that are subtracted with the intercept; all others by default.
        forgetting: lambda in (0, 1]; a batch seen t batches ago weighs lambda^t.
        regularisation: eps, added to the diagonal of P after every batch, which keeps it alive.
        initial_covariance: the diagonal of P before the first batch.

    Shape:
        x [m, ...] of any floating dtype, metadata [m, k]; the result is like x.

    Raises:
        UsageError: arguments that do not fit each other, here or in ``forward``.

    Example:
        >>> norm = RecursiveMDN(2, num_features=(8, 5, 5))  # [label, age]
        >>> norm(torch.randn(4, 8, 5, 5), torch.rand(4, 2)).shape
        torch.Size([4, 8, 5, 5])
    """

    covariance: Tensor
    coefficients: Tensor

    def __init__(
        self,
        columns: int,
        num_features: int | Sequence[int],
        *,
        kept: Sequence[int] = (0,),
        nuisance: Sequence[int] | None = None,
        forgetting: float = 0.999,
        regularisation: float = 1e-4,
        initial_covariance: float = 100.0,
    ) -> None:
        super().__init__(columns, num_features, kept=kept, nuisance=nuisance)
        if not 0 < forgetting <= 1:
            raise UsageError(f"forgetting must lie in (0, 1], got {forgetting}")
        if not (math.isfinite(regularisation) and regularisation >= 0):
            raise UsageError(f"regularisation must be finite and at least 0, got {regularisation}")
        if not (math.isfinite(initial_covariance) and initial_covariance > 0):
            raise UsageError(f"initial_covariance must be positive, got {initial_covariance}")
        self.forgetting, self.regularisation = forgetting, regularisation
        size = columns + 1
        identity = torch.eye(size, dtype=torch.float64)
        self.register_buffer("covariance", initial_covariance * identity)  # P [c, c]
        coefficients = torch.zeros(size, self.num_features, dtype=torch.float64)
        self.register_buffer("coefficients", coefficients)  # B [c, F]

    def forward(self, x: Tensor, metadata: Tensor) -> Tensor:
        """x [m, ...] without the nuisance effects of metadata [m, k]; updates P and B in training."""
        self.check(x, metadata)
        if self.training:
            self._update(x.detach(), metadata)
        return self.subtract(x, metadata, self.coefficients)

    @torch.no_grad()
    def _update(self, x: Tensor, metadata: Tensor) -> None:
        """One recursive step over the whole batch."""
        dtype = torch.promote_types(x.dtype, torch.float32)
        with residual.without_autocast(x.device):
            rows = self.design(metadata)  # X [m, c]
            moment = rows.T @ rows  # X^T X [c, c]
            product = (rows.T.to(dtype) @ x.to(dtype).flatten(1)).to(moment)  # X^T Y [c, F]
            shared = residual.is_shared()
            moment = residual.over_processes(moment, shared)
            product = residual.over_processes(product, shared)
            prior = self.covariance / self.forgetting
            identity = torch.eye(len(prior), dtype=prior.dtype, device=prior.device)
            # (I + P A)^-1 P = L (I + L^T A L)^-1 L^T with P = L L^T: symmetric and positive whatever
            # the rounding, which the recursion would not forgive over many batches.
            root = torch.linalg.cholesky_ex(prior).L  # L [c, c]
            inner = torch.linalg.cholesky_ex(identity + root.T @ moment @ root).L
            half = torch.linalg.solve_triangular(inner, root.T, upper=False)
            updated = half.T @ half  # P [c, c]
            step = updated @ (product - moment @ self.coefficients)  # G (Y - X B)
        self.coefficients.add_(step)
        self.covariance.copy_(updated + self.regularisation * identity)

    def extra_repr(self) -> str:
        return (
            f"{super().extra_repr()}, forgetting={self.forgetting}, "
            f"regularisation={self.regularisation}"
        )
