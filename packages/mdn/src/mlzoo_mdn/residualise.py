"""Residualising beforehand: inputs minus what a linear model of the training set gives the metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mlzoo.errors import UsageError
from mlzoo_mdn import design_matrix
from mlzoo_mdn.metadata_layer import MetadataLayer


class Residualise(MetadataLayer):
    """Subtracts coefficients that are fitted once, by least squares over the whole training set.

    ``B = (Z^T Z + N ridge)^-1 Z^T Y`` in float64 with the standardised design Z = [kept, nuisance,
    1]; what is subtracted is the nuisance and intercept part, of any sample of any split, without
    its kept columns (labels). Coefficients are a buffer and go with the state dict.

    Args:
        features: [N, ...] of the training set.
        metadata: [N, k] of the same samples.
        kept: columns that are estimated and never subtracted; may be empty.
        nuisance: columns that are subtracted with the intercept; all others by default.
        ridge: lets constant or collinear columns pass; 0 refuses them.
        names: of the k columns, for messages.

    Shape:
        x [m, ...] of any floating dtype, metadata [m, k]; the result is like x.

    Raises:
        UsageError: arguments that do not fit each other, here or in ``forward``.
        DataError: metadata that are not finite, constant or collinear (columns are named).
    """

    coefficients: Tensor

    def __init__(
        self,
        features: Tensor,
        metadata: Any,
        *,
        kept: Sequence[int] = (0,),
        nuisance: Sequence[int] | None = None,
        ridge: float = 0.0,
        names: Sequence[str] | None = None,
    ) -> None:
        table = design_matrix.as_metadata(metadata)  # [N, k]
        if len(table) != len(features):
            raise UsageError(f"{len(features)} samples cannot have {len(table)} rows of metadata")
        super().__init__(
            table.shape[1],
            tuple(features.shape[1:]),
            kept=kept,
            nuisance=nuisance,
            training_metadata=table,
        )
        names = design_matrix.column_names(names, table.shape[1])
        ordered = [*(names[column] for column in self.order.tolist()), "intercept"]
        rows = self.design(table)  # Z [N, c]
        inverse = design_matrix.inverse_moment(rows, ridge, ordered, intercept=True)
        product = rows.T @ features.detach().cpu().flatten(1).to(torch.float64)  # [c, F]
        self.register_buffer("coefficients", inverse @ product / len(rows))

    def forward(self, x: Tensor, metadata: Tensor) -> Tensor:
        """x [m, ...] without the nuisance effects of metadata [m, k]."""
        self.check(x, metadata)
        return self.subtract(x, metadata, self.coefficients)
