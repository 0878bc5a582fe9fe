"""What layers that subtract a linear effect of the metadata share: columns, checks, designs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo.errors import UsageError
from mlzoo_mdn import design_matrix, residual


class MetadataLayer(nn.Module):
    """Subtracts ``U B``: B are coefficients [c, F] of the design [kept, nuisance, 1], and U is that
    design with the kept columns at their raw value 0, so that their effect stays.

    How B comes about is the subclass's matter. Designs are float64; the subtraction runs in x's
    precision, at least float32, also under autocast, and buffers stay float64 when the module is cast.

    Args:
        columns: k, the number of metadata columns, without an intercept.
        num_features: shape of one sample's features, or their number.
        kept: columns that are estimated and never subtracted; may be empty.
        nuisance: columns that are subtracted together with the intercept; all others by default.
        intercept: whether the design has an intercept.
        training_metadata: [N, k] to standardise the columns by; raw columns if None.

    Shape:
        x [m, ...] of any floating dtype, metadata [m, k] raw columns on any device; the result has
        x's shape, dtype and device.

    Raises:
        UsageError: arguments that do not fit each other, here or in ``forward``.
        DataError: training metadata that are not finite.
    """

    centre: Tensor
    scale: Tensor
    order: Tensor

    def __init__(
        self,
        columns: int,
        num_features: int | Sequence[int],
        *,
        kept: Sequence[int] = (0,),
        nuisance: Sequence[int] | None = None,
        intercept: bool = True,
        training_metadata: object = None,
    ) -> None:
        super().__init__()
        if columns < 1:
            raise UsageError(f"a layer needs at least one metadata column, got {columns}")
        self.kept, self.nuisance = design_matrix.split_columns(columns, kept, nuisance)
        order = self.kept + self.nuisance
        self.feature_shape = tuple(num_features) if isinstance(num_features, Sequence) else None
        self.num_features = math.prod(self.feature_shape or (num_features,))  # type: ignore[arg-type]
        if self.num_features < 1:
            raise UsageError(f"num_features must be positive, got {self.num_features}")
        self.intercept = intercept
        centre, scale = torch.zeros(columns).double(), torch.ones(columns).double()
        if training_metadata is not None:
            table = design_matrix.as_metadata(training_metadata)[:, order]  # [N, k]
            centre, scale = design_matrix.standardisation(table, intercept=intercept)
        self.register_buffer("centre", centre)
        self.register_buffer("scale", scale)
        self.register_buffer("order", torch.tensor(order, dtype=torch.int64), persistent=False)

    def design(self, metadata: Tensor) -> Tensor:
        """Raw metadata [m, k] -> rows [m, c]: kept, nuisance, 1 (float64)."""
        return self._design(self._columns(metadata))

    def subtracted_design(self, metadata: Tensor) -> Tensor:
        """Raw metadata [m, k] -> the rows U [m, c] whose effect is subtracted (float64)."""
        return self._subtracted_design(self._columns(metadata))

    def subtract(self, x: Tensor, metadata: Tensor, coefficients: Tensor) -> Tensor:
        """``x - U B`` for coefficients [c, F] of any dtype."""
        dtype = torch.promote_types(x.dtype, torch.float32)
        with residual.without_autocast(x.device):
            flat = x.to(dtype).flatten(1)  # [m, F]
            rows = self.subtracted_design(metadata).to(dtype)  # [m, c]
            out = torch.addmm(flat, rows, coefficients.to(dtype), alpha=-1)
        return out.view(x.shape).to(x.dtype)

    def check(self, x: Tensor, metadata: Tensor | None) -> None:
        """Raise UsageError if the shapes or types of a batch do not fit this layer."""
        name = type(self).__name__
        if not isinstance(metadata, Tensor):
            raise UsageError(
                f"{name} needs the batch's metadata, got {type(metadata).__name__}",
                "Call layer(x, metadata) with a tensor [m, k].",
            )
        if not x.is_floating_point():
            raise UsageError(f"features must be floating point, got {x.dtype}")
        fits = x.ndim > 1 and x.shape[1:].numel() == self.num_features
        if not fits or (self.feature_shape is not None and x.shape[1:] != self.feature_shape):
            expected = self.feature_shape or f"{self.num_features} in all"
            raise UsageError(f"features per sample: expected {expected}, got {tuple(x.shape[1:])}")
        if metadata.shape != (len(x), len(self.order)):
            raise UsageError(
                f"metadata of this batch must be {[len(x), len(self.order)]}, "
                f"got {list(metadata.shape)}"
            )

    def extra_repr(self) -> str:
        shape = self.feature_shape or self.num_features
        return f"{shape}, kept={self.kept}, nuisance={self.nuisance}"

    def _columns(self, metadata: Tensor) -> Tensor:
        """The metadata [m, k] on the layer's device, kept columns first."""
        return metadata.detach().to(self.centre).index_select(1, self.order)

    def _design(self, columns: Tensor) -> Tensor:
        return design_matrix.design(columns, self.centre, self.scale, intercept=self.intercept)

    def _subtracted_design(self, columns: Tensor) -> Tensor:
        """In raw units kept columns would just be left out; standardised, 0 is ``-centre / scale``."""
        count = len(self.kept)
        return self._design(functional.pad(columns[:, count:], (count, 0)))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Moves the buffers but leaves them float64 under ``.half()`` and the like.

        MPS has no float64: there they become float32.
        """
        wanted = torch.float32 if fn(torch.empty(0)).device.type == "mps" else torch.float64
        buffers = self.named_buffers(recurse=False)
        exact = {name: buffer.to(wanted) for name, buffer in buffers if buffer.is_floating_point()}
        for name, buffer in exact.items():
            setattr(self, name, buffer)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, buffer in exact.items():
            moved = self.get_buffer(name)
            if moved.dtype != wanted:
                setattr(self, name, buffer.to(moved.device))
        return self
