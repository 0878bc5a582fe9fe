"""Squared distance correlation with U-centred distances (Székely and Rizzo, 2014), exact and fast.

With Euclidean distances a_ij, b_ij of n samples, row sums a_i. and total a.., the definition is

    A_ij   = a_ij - a_i./(n-2) - a_.j/(n-2) + a../((n-1)(n-2)),   A_ii = 0
    dCov²  = Σ A_ij B_ij / (n(n-3)),      dCor² = dCov²(x,y) / sqrt(dCov²(x,x) dCov²(y,y))

It is bias-corrected, so that it scatters around 0 for independent samples and may be negative.
Three identities spare the centred matrices:

    Σ A_ij B_ij = Σ a_ij b_ij - 2/(n-2) Σ a_i. b_i. + a.. b../((n-1)(n-2))
    Σ a_ij²     = 2 (n Σ|x_i|² - |Σ x_i|²)
    Σ a_ij b_ij = 2 Σ_i y_i (Σ_{j<i} a_ij - Σ_{j>i} a_ij)   for one-dimensional y in ascending order

What is left are row sums over the lower triangle of the distances, made from one matrix product a
block of rows at a time. Memory: a few blocks of ``BLOCK_ENTRIES`` float64 (or of one row, if that
is longer) and a few copies of the samples, never n² numbers: 5 MiB at n = 2000 with 84 features.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError

Float64 = npt.NDArray[np.float64]

LEAST_SAMPLES = 4
"""n(n-3) must be positive."""
BLOCK_ENTRIES = 1 << 17
"""Distances in a block: 1 MiB, which fits a core's cache."""
_CANCELLATION = 1e-6
"""Where |x_i - x_j|² is below this share of |x_i|² (which then is close to |x_j|²), the matrix
product has lost too many of its digits, and it is computed from the difference."""
_ROUNDING = 1e-13
"""A centred sum of squares below this share of the uncentred one cannot be told from zero."""


class DistanceCorrelationError(DataError, ValueError):
    """The samples do not admit a distance correlation."""


def squared_distance_correlation(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Bias-corrected squared distance correlation of two samples, at most 1, possibly negative.

    Args:
        x: [n] or [n, p], finite numbers; computed in float64 whatever their type.
        y: [n] or [n, q], likewise.

    Returns:
        dCor², or 0 where the product of the two distance variances is not positive, as for a
        constant sample.

    Raises:
        DistanceCorrelationError: fewer than 4 samples, different lengths or numbers not finite.
    """
    pair = _Pair.of(x, y)
    variances = pair.variance_x() * pair.variance_y()
    if variances <= 0:
        return 0.0
    return float(pair.covariance() / np.sqrt(variances))


def squared_distance_covariance(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Unbiased squared distance covariance of two samples; arguments and errors as above."""
    return _Pair.of(x, y).covariance()


@dataclass(frozen=True)
class _Pair:
    """Everything the three inner products need: samples, row sums of distances, Σ a_ij b_ij."""

    x: Float64  # [n, p]
    y: Float64  # [n, q]
    rows_x: Float64  # [n], a_i.
    rows_y: Float64  # [n], b_i.
    cross: float  # Σ a_ij b_ij

    @classmethod
    def of(cls, x: npt.ArrayLike, y: npt.ArrayLike) -> _Pair:
        first, second = _samples(x, "x"), _samples(y, "y")
        if len(first) != len(second):
            raise DistanceCorrelationError(
                f"distance correlation needs as many x as y, got {len(first)} and {len(second)}"
            )
        if second.shape[1] > 1:
            first, second = second, first  # symmetric; a one-dimensional sample is cheaper as y
        if second.shape[1] > 1:
            with _one_blas_thread():
                return cls(first, second, *_sums_of_any(first, second))
        order = np.argsort(second[:, 0], kind="stable")
        first, second = first[order], second[order]
        with _one_blas_thread():
            return cls(first, second, *_sums_of_sorted(first, second[:, 0]))

    def covariance(self) -> float:
        n = len(self.x)
        return _centred(self.cross, self.rows_x, self.rows_y) / (n * (n - 3))

    def variance_x(self) -> float:
        return _variance(self.x, self.rows_x)

    def variance_y(self) -> float:
        return _variance(self.y, self.rows_y)


def _one_blas_thread() -> AbstractContextManager[object]:
    """The blocks are too small to share: with two threads the products take twice as long."""
    return _threadpools().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]


@cache
def _threadpools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _samples(values: npt.ArrayLike, name: str) -> Float64:
    """Float64 [n, p], shifted to mean zero: an offset would cost digits in the matrix product."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or not array.shape[1]:
        raise DistanceCorrelationError(
            f"distance correlation needs {name} of shape [n] or [n, p], got {list(array.shape)}"
        )
    if len(array) < LEAST_SAMPLES:
        raise DistanceCorrelationError(
            f"distance correlation needs at least {LEAST_SAMPLES} samples, got {len(array)}"
        )
    if not np.isfinite(array).all():
        raise DistanceCorrelationError(f"distance correlation got {name} with NaN or infinity")
    centred: Float64 = array - array[0]  # so that a constant sample becomes exactly zero
    centred -= centred.mean(axis=0)
    return centred


def _sums_of_sorted(x: Float64, y: Float64) -> tuple[Float64, Float64, float]:
    """(a_i., b_i., Σ a_ij b_ij) of x [n, p] and ascending y [n]."""
    n = len(y)
    ones = np.ones(n)
    lower, upper = np.zeros(n), np.zeros(n)  # Σ_{j<i} a_ij and Σ_{j>i} a_ij
    for start, stop, block in _lower_rows(x):
        lower[start:stop] = block @ ones[:stop]
        upper[:stop] += ones[start:stop] @ block
    rank = np.arange(n)
    rows_y = (2 * rank + 2 - n) * y + y.sum() - 2 * np.cumsum(y)
    return lower + upper, rows_y, float(2 * y @ (lower - upper))


def _sums_of_any(x: Float64, y: Float64) -> tuple[Float64, Float64, float]:
    """(a_i., b_i., Σ a_ij b_ij) of x [n, p] and y [n, q]."""
    rows_x, rows_y = np.zeros(len(x)), np.zeros(len(y))
    cross = 0.0
    for (start, stop, a), (_, _, b) in zip(_lower_rows(x), _lower_rows(y), strict=True):
        for rows, block in ((rows_x, a), (rows_y, b)):
            rows[start:stop] += block.sum(axis=1)
            rows[:stop] += block.sum(axis=0)
        cross += 2 * float(np.vdot(a, b))
    return rows_x, rows_y, cross


def _lower_rows(x: Float64) -> Iterator[tuple[int, int, Float64]]:
    """The distances below the diagonal, block by block: start, stop, a[start:stop, :stop].

    A block is overwritten by the next one.
    """
    n = len(x)
    squares = np.einsum("ij,ij->i", x, x)[:, None]  # [n, 1]
    largest = squares.max()
    ones = np.ones_like(squares)
    # |x_i - x_j|² = (-2 x_i, |x_i|², 1) · (x_j, 1, |x_j|²): all of it in one matrix product.
    left, right = np.hstack((-2 * x, squares, ones)), np.hstack((x, ones, squares)).T
    height = min(n, max(1, BLOCK_ENTRIES // n))
    buffer = np.empty(height * n)
    for start in range(0, n, height):
        stop = min(start + height, n)
        block = buffer[: (stop - start) * stop].reshape(stop - start, stop)
        np.matmul(left[start:stop], right[:, :stop], out=block)  # [rows, stop]
        square = block[:, start:]  # these rows among themselves
        np.fill_diagonal(square, np.inf)
        if block.min() < _CANCELLATION * largest:  # seldom, and spares the look at every pair
            close = np.flatnonzero(block < _CANCELLATION * squares[start:stop])
            _recompute(block, close, x[start:stop], x)
        np.sqrt(block, out=block)
        square[:] = np.tril(square, -1)  # each pair once
        yield start, stop, block


def _recompute(block: Float64, pairs: npt.NDArray[np.intp], rows: Float64, x: Float64) -> None:
    """Replaces the squared distances at flat indices by ones without cancellation, in place."""
    step = max(1, BLOCK_ENTRIES // x.shape[1])
    for start in range(0, len(pairs), step):
        some = pairs[start : start + step]
        i, j = np.divmod(some, block.shape[1])
        difference = rows[i] - x[j]
        block.flat[some] = np.einsum("ij,ij->i", difference, difference)


def _variance(x: Float64, rows: Float64) -> float:
    """dCov²(x, x); exactly 0 where rounding is all that is left."""
    n = len(x)
    total = x.sum(axis=0)
    squares = 2 * (n * float(np.vdot(x, x)) - float(total @ total))  # Σ a_ij²
    centred = _centred(squares, rows, rows)
    return centred / (n * (n - 3)) if abs(centred) > _ROUNDING * squares else 0.0


def _centred(cross: float, rows_a: Float64, rows_b: Float64) -> float:
    """Σ A_ij B_ij from Σ a_ij b_ij and the row sums."""
    n = len(rows_a)
    rows = 2 / (n - 2) * float(rows_a @ rows_b)
    return cross - rows + float(rows_a.sum()) * float(rows_b.sum()) / ((n - 1) * (n - 2))
