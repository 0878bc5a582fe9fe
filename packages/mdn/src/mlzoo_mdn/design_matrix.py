"""The design matrix of Metadata Normalization: columns, standardisation and their inverse moment.

A sample's row is ``[kept columns, nuisance columns, 1]``. Columns are standardised in float64 over
the training set: least squares does not change under an invertible affine map of its columns, and
a year such as 2015 ± 3 would otherwise cost float32 most of its digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mlzoo.errors import DataError, UsageError

CONSTANT = 1e-12
"""A column whose standard deviation is below this share of its largest value is constant."""
COLLINEAR = 1e-6
"""Singular values of the standardised design below this share of the largest count as zero."""


def as_metadata(values: Any) -> Tensor:
    """``[N, k]`` numbers of any kind as a finite float64 tensor on the CPU.

    Raises:
        UsageError: not two-dimensional, empty or not numeric.
        DataError: NaN or infinite entries; the columns are named by index.
    """
    try:
        array = values.detach().cpu() if isinstance(values, Tensor) else np.asarray(values)
        metadata = torch.as_tensor(array)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"metadata must be numeric, got {type(values).__name__}: {error}"
        ) from None
    if metadata.ndim != 2 or 0 in metadata.shape or metadata.is_complex():
        raise UsageError(
            f"metadata of the training set must be real numbers [N, k], got {metadata.dtype} "
            f"{list(metadata.shape)}",
            "One row per training sample, one column per quantity, without the intercept.",
        )
    metadata = metadata.to(torch.float64)
    broken = (~metadata.isfinite()).any(dim=0).nonzero().flatten().tolist()
    if broken:
        raise DataError(
            f"metadata columns {broken} have NaN or infinite entries", "Fill or drop those samples."
        )
    return metadata


def split_columns(
    count: int, kept: Sequence[int], nuisance: Sequence[int] | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Check kept and nuisance indices of ``count`` columns; nuisance defaults to the rest.

    Raises:
        UsageError: an index is out of range, repeated or in both sets, or a column is in neither.
    """
    kept = tuple(int(column) for column in kept)
    if nuisance is None:
        nuisance = [column for column in range(count) if column not in kept]
    nuisance = tuple(int(column) for column in nuisance)
    given = kept + nuisance
    if wrong := sorted({column for column in given if not 0 <= column < count}):
        raise UsageError(f"metadata has columns 0..{count - 1}, got index {wrong}")
    if repeated := sorted({column for column in given if given.count(column) > 1}):
        raise UsageError(f"metadata columns {repeated} are named more than once in kept + nuisance")
    if missing := sorted(set(range(count)) - set(given)):
        raise UsageError(
            f"metadata columns {missing} are neither kept nor nuisance",
            "Name them in one of the two, or leave them out of the metadata.",
        )
    return kept, nuisance


def column_names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """The names of ``count`` metadata columns, ``column 0`` and so on if none are given."""
    if names is None:
        return tuple(f"column {column}" for column in range(count))
    if len(names) != count:
        raise UsageError(f"names has {len(names)} entries for {count} metadata columns")
    return tuple(names)


def standardisation(columns: Tensor, *, intercept: bool) -> tuple[Tensor, Tensor]:
    """Centre and scale of each column of the training set.

    Without an intercept in the model a shift would change it, so columns are then only scaled.

    Args:
        columns: [N, k] float64.

    Returns:
        centre [k] and scale [k], float64; the scale of a constant column is 1.
    """
    centre = columns.mean(dim=0) if intercept else torch.zeros_like(columns[0])
    scale = (columns - centre).square().mean(dim=0).sqrt()  # [k]
    constant = scale <= CONSTANT * columns.abs().amax(dim=0)
    if intercept:  # exactly, so that a constant column becomes 0 and not its rounding
        centre = torch.where(constant, columns[0], centre)
    return centre, torch.where(constant, torch.ones_like(scale), scale)


def design(columns: Tensor, centre: Tensor, scale: Tensor, *, intercept: bool) -> Tensor:
    """Standardised rows ``[(z - centre) / scale, 1]``: [m, k] -> [m, c]."""
    rows = (columns - centre) / scale  # [m, k]
    return functional.pad(rows, (0, 1), value=1.0) if intercept else rows


def penalised(moment: Tensor, ridge: float, *, intercept: bool) -> Tensor:
    """``moment`` [c, c] with ``ridge`` added to its diagonal, except for the intercept."""
    penalty = torch.full_like(moment[0], ridge)  # [c]
    if intercept:
        penalty[-1] = 0.0
    return moment + torch.diag(penalty)


def inverse_moment(rows: Tensor, ridge: float, names: Sequence[str], *, intercept: bool) -> Tensor:
    """``N (Z^T Z)^-1``, i.e. the paper's kernel times N, of standardised rows Z.

    Args:
        rows: [N, c] float64.
        ridge: added to the diagonal of ``Z^T Z / N`` (the intercept is not penalised).
        names: one per column of ``rows``.

    Returns:
        [c, c] float64.

    Raises:
        DataError: columns are constant or collinear and ``ridge`` is 0; they are named.
    """
    moment = rows.T @ rows / len(rows)  # [c, c]
    if ridge == 0.0:
        _require_independent(rows, names, intercept=intercept)
    inverse: Tensor = torch.linalg.inv(penalised(moment, ridge, intercept=intercept))
    return inverse


def least_squares_weights(
    rows: Tensor, moment: Tensor, count: int | Tensor, ridge: float, *, intercept: bool
) -> Tensor:
    """``W = (Z^T Z)^-1 Z^T`` [c, m] of rows [m, c]; its pseudo-inverse where Z^T Z is singular.

    ``moment`` is Z^T Z over the whole batch of ``count`` samples, of which ``rows`` may be a part;
    then the columns of W are theirs.

    A factorisation that finds the rank would wait for the device. Iterated Tikhonov regularisation
    does not: with a diagonal t far below the columns' unit variance and far above rounding, two
    refinements leave a relative bias of (t / eigenvalue)^3 in the directions that the rows
    determine, and the others stay zero, as Z has no part in them.
    """
    moment = penalised(moment / count, ridge, intercept=intercept)  # [c, c]
    diagonal = torch.full_like(moment[0], torch.finfo(rows.dtype).eps ** 0.5)  # t = 1.5e-8
    inverse: Tensor = torch.linalg.inv_ex(moment + torch.diag(diagonal)).inverse
    target = rows.T / count  # [c, m]
    weights = inverse @ target
    for _ in range(2):
        weights = weights + inverse @ (target - moment @ weights)
    return weights


def _require_independent(rows: Tensor, names: Sequence[str], *, intercept: bool) -> None:
    fix = "Drop one of them, or set ridge (e.g. 1e-3) to go on."
    columns = rows[:, :-1] if intercept else rows
    zero = [name for name, column in zip(names, columns.T, strict=False) if not column.any()]
    if zero:
        kind = "constant" if intercept else "zero"
        raise DataError(f"metadata has {kind} columns: {', '.join(zero)}", fix)
    _, values, directions = torch.linalg.svd(rows, full_matrices=len(rows) < rows.shape[1])
    # A direction without a singular value of its own (N < c) is as undetermined as one at zero.
    rank = int((values > COLLINEAR * values[0]).sum())
    weight = directions[rank:].abs()  # [c - rank, c]
    if len(weight):
        involved = (weight > 1e-3 * weight.amax(dim=1, keepdim=True)).any(dim=0).tolist()
        culprits = [name for name, used in zip(names, involved, strict=True) if used]
        raise DataError(
            f"metadata columns are collinear over the {len(rows)} training samples: "
            f"{', '.join(culprits)}",
            fix,
        )
