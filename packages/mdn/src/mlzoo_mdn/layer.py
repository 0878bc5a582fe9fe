"""Metadata Normalization (Lu et al., CVPR 2021): features without the effect of the metadata."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from mlzoo.errors import UsageError
from mlzoo_mdn import design_matrix, residual
from mlzoo_mdn.metadata_layer import MetadataLayer

Estimator = Literal["global", "batch", "control-variate"]


class MetadataNorm(MetadataLayer):
    r"""Removes from every feature what a linear model explains by nuisance metadata.

    With the standardised design Z = [kept, nuisance, 1] of the whole training set (N samples), a
    batch Z_b of m samples and its features Y, the layer estimates the coefficients of Y ~ Z and
    subtracts the nuisance and intercept part:

    - ``"global"``, as published: ``B = s K Z_b^T Y`` with ``K = (Z^T Z)^-1`` and
      ``s = N / m``, an unbiased estimate of the full-data coefficients;
    - ``"control-variate"``: ``B = R + s K Z_b^T (Y - Z_b R)`` with the running coefficients R; the
      same expectation with far less variance;
    - ``"batch"``: least squares of the batch itself. If the batch does not determine it (too few
      samples, one class only), the solution nearest to R is taken.

    Kept columns (labels) are estimated, so that their effect is not blamed on the confounders, and
    never subtracted; in evaluation they are not even read. The feature mean is subtracted with the
    intercept. The gradient flows through B; R is a constant. No gradient reaches the metadata.

    In evaluation the running coefficients R are used, whatever the batch. They start at zero, so
    evaluation before training is the identity. R is an average of B *including* the scale s (the
    published code averages B / s, see :meth:`load_published_beta`), so that it depends on no batch
    size. Sums run in float64 at set-up and in x's precision, at least float32, in ``forward``, also
    under autocast; buffers stay float64 when the module is cast.

    Where several processes train together (torch.distributed) and each has a part of a batch, B is
    that of the whole batch, and all keep the same R.

    Args:
        metadata: [N, k] of the whole training set, any numeric dtype, without an intercept column.
        num_features: shape of one sample's features, or their number.
        kept: columns that are estimated and never subtracted; may be empty.
        nuisance: columns that are subtracted; all others by default.
        intercept: whether the model has an intercept (subtracted with the nuisance columns).
        estimator: how B is estimated in training.
        momentum: weight of a new B in the running average. None is the plain average of all batches
            (in the published code None silently means 0.5).
        ridge: added to the diagonal of the standardised second moment ``Z^T Z / N``, except for the
            intercept. 0 refuses constant and collinear columns, any other value goes on with them.
        batch_size: None scales by the actual batch, ``s = N / m``. A number fixes ``s = N /
            batch_size``, as the published code does, also for a smaller last batch.
        inplace: overwrite x. Only where its producer does not need it for its gradient
            (convolution and linear layers do not).
        names: of the k columns, for messages.

    Shape:
        x [m, ...] of any floating dtype and layout, metadata [m, k] raw columns on any device; the
        result has x's shape, dtype and device. Finiteness of a batch's metadata is not checked, as
        that would wait for the device.

    Raises:
        UsageError: arguments that do not fit each other, here or in ``forward``.
        DataError: metadata that are not finite, constant or collinear (columns are named).

    Example:
        >>> metadata = torch.tensor([[0.0, 71.0], [1.0, 80.0], [0.0, 65.0], [1.0, 69.0]])
        >>> norm = MetadataNorm(metadata, num_features=(8, 5, 5))  # keeps column 0
        >>> norm(torch.randn(4, 8, 5, 5), metadata).shape
        torch.Size([4, 8, 5, 5])
    """

    running: Tensor
    batches_seen: Tensor
    inverse_moment: Tensor
    dataset_size: Tensor

    def __init__(
        self,
        metadata: Any,
        num_features: int | Sequence[int],
        *,
        kept: Sequence[int] = (0,),
        nuisance: Sequence[int] | None = None,
        intercept: bool = True,
        estimator: Estimator = "global",
        momentum: float | None = 0.1,
        ridge: float = 0.0,
        batch_size: int | None = None,
        inplace: bool = False,
        names: Sequence[str] | None = None,
    ) -> None:
        table = design_matrix.as_metadata(metadata)  # [N, k]
        names = design_matrix.column_names(names, table.shape[1])
        super().__init__(
            table.shape[1],
            num_features,
            kept=kept,
            nuisance=nuisance,
            intercept=intercept,
            training_metadata=table,
        )
        self.estimator, self.momentum, self.ridge = estimator, momentum, ridge
        self.batch_size, self.inplace = batch_size, inplace
        self._check_options()
        order = self.kept + self.nuisance
        self.column_names = tuple(names[column] for column in order) + ("intercept",) * intercept
        rows = self.design(table)  # Z [N, c]
        kernel = design_matrix.inverse_moment(rows, ridge, self.column_names, intercept=intercept)
        running = torch.zeros(len(kernel), self.num_features, dtype=torch.float64)
        self.register_buffer("running", running)  # R [c, F] of the standardised design
        self.register_buffer("batches_seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("inverse_moment", kernel)  # N K
        self.register_buffer("dataset_size", torch.tensor(len(table)))

    def _check_options(self) -> None:
        if not self.nuisance and not self.intercept:
            raise UsageError("nothing to subtract: no nuisance columns and no intercept")
        if self.estimator not in get_args(Estimator):
            raise UsageError(
                f"unknown estimator {self.estimator!r}", f"Known: {', '.join(get_args(Estimator))}."
            )
        if self.momentum is not None and not 0 <= self.momentum <= 1:
            raise UsageError(f"momentum must lie in [0, 1] or be None, got {self.momentum}")
        if not (math.isfinite(self.ridge) and self.ridge >= 0):
            raise UsageError(f"ridge must be finite and at least 0, got {self.ridge}")
        if self.batch_size is not None and self.batch_size < 1:
            raise UsageError(f"batch_size must be positive or None, got {self.batch_size}")

    def forward(self, x: Tensor, metadata: Tensor) -> Tensor:
        """x [m, ...] without the nuisance effects of metadata [m, k]; updates R in training."""
        self.check(x, metadata)
        dtype = torch.promote_types(x.dtype, torch.float32)
        features = x.to(dtype)
        # A cast is a tensor of its own; x itself is overwritten on request only.
        inplace = (self.inplace or features is not x) and features.is_contiguous()
        with residual.without_autocast(x.device):
            columns = self._columns(metadata)  # [m, k]
            removed = self._subtracted_design(columns).to(dtype)  # U [m, c]
            if not self.training:
                return residual.subtract(features, removed, self.running.to(dtype), inplace).to(
                    x.dtype
                )
            shared = residual.is_shared()
            weights, prior = self._estimation(self._design(columns), shared)
            out, estimate = residual.Residual.apply(  # type: ignore[no-untyped-call]
                features, weights.to(dtype), removed, prior, inplace, shared
            )
            self._update_running(estimate)
        return out.to(x.dtype)  # type: ignore[no-any-return]

    def check(self, x: Tensor, metadata: Tensor | None) -> None:
        """Raise UsageError if the shapes or types of a batch do not fit this layer."""
        super().check(x, metadata)
        if self.training and len(x) == 0 and not residual.is_shared():
            raise UsageError("cannot estimate the metadata's effects from an empty batch")

    def _estimation(self, rows: Tensor, shared: bool) -> tuple[Tensor, Tensor | None]:
        """W [c, m] and the prior P [c, F] of ``B = W Y + P``, for standardised rows [m, c]."""
        count: Tensor | int = len(rows)
        if shared:
            count = residual.over_processes(rows.new_tensor(count), shared)
        if self.estimator == "batch":
            moment = residual.over_processes(rows.T @ rows, shared)  # [c, c]
            weights = design_matrix.least_squares_weights(
                rows, moment, count, self.ridge, intercept=self.intercept
            )
        else:  # s K Z_b^T; what is stored is N K, so N cancels in s = N / m
            weights = self.inverse_moment @ rows.T / (self.batch_size or count)
        if self.estimator == "global" or (self.estimator == "batch" and self.ridge > 0):
            return weights, None
        # B = R + W (Y - Z_b R) = W Y + (R - W Z_b R)
        projection = residual.over_processes(weights @ rows, shared)  # W Z_b [c, c]
        return weights, self.running - projection @ self.running

    @torch.no_grad()
    def _update_running(self, estimate: Tensor) -> None:
        self.batches_seen += 1
        weight: float | Tensor | None = self.momentum
        if weight is None:  # 1 / n on the device: the plain average
            weight = self.batches_seen.to(self.running.dtype).reciprocal()
        self.running.lerp_(estimate.to(self.running.dtype), weight)

    @property
    def coefficients(self) -> Tensor:
        """Running coefficients [c, F] in raw units: rows kept, nuisance, intercept (float64)."""
        slopes = self.running[: len(self.order)] / self.scale[:, None]  # [k, F]
        if not self.intercept:
            return slopes
        return torch.cat([slopes, self.running[-1:] - self.centre[None] @ slopes])

    @coefficients.setter
    def coefficients(self, raw: Tensor) -> None:
        if raw.shape != self.running.shape:
            raise UsageError(
                f"coefficients must be {list(self.running.shape)}, got {list(raw.shape)}"
            )
        self.running.copy_(self._standardised(raw.detach().to(self.running)))

    def _standardised(self, raw: Tensor) -> Tensor:
        """Rows of raw-unit coefficients [c, F] -> those of the standardised design."""
        slopes = raw[: len(self.order)]  # [k, F]
        rows = [slopes * self.scale[:, None]]
        if self.intercept:
            rows.append(raw[-1:] + self.centre[None] @ slopes)
        return torch.cat(rows)

    def published_beta(self, batch_size: int) -> Tensor:
        """The running statistic as the published code stores it: coefficients / (N / batch_size).

        Returns:
            [c, F] float64 in raw units, rows kept, nuisance, 1.
        """
        return self.coefficients * (batch_size / int(self.dataset_size))

    def load_published_beta(self, beta: Tensor, batch_size: int) -> None:
        """Set the running statistic from one that was stored without the scale N / batch_size.

        Args:
            beta: [c, F] in raw units, rows kept, nuisance, 1.
            batch_size: the one it was trained with.
        """
        self.coefficients = beta.to(self.running) * (int(self.dataset_size) / batch_size)

    def load_published_kernel(self, kernel: Tensor, dataset_size: int) -> None:
        """Take ``K = (X^T X)^-1`` from elsewhere, e.g. where the training metadata are not at hand.

        Args:
            kernel: [c, c] in raw units, order kept, nuisance, 1.
            dataset_size: N, the number of rows of X.
        """
        if kernel.shape != self.inverse_moment.shape:
            raise UsageError(
                f"kernel must be {list(self.inverse_moment.shape)}, got {list(kernel.shape)}"
            )
        half = self._standardised(kernel.detach().to(self.inverse_moment))
        self.inverse_moment.copy_(self._standardised(half.T) * dataset_size)
        self.dataset_size.fill_(dataset_size)

    def extra_repr(self) -> str:
        return (
            f"{super().extra_repr()}, intercept={self.intercept}, estimator={self.estimator!r}, "
            f"momentum={self.momentum}, ridge={self.ridge}"
        )
