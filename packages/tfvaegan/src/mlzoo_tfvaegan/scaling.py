"""Scaling of features, fitted on training rows (sec. "Preprocessing" of the benchmark's programs)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import MinMaxScaler, StandardScaler

ScalingName: TypeAlias = Literal["minmax", "standard", "none"]
ROWS = 4096
"""Rows converted to float64 at a time."""


@dataclass(frozen=True, eq=False)
class Scaler:
    """Features to float32: scaled in float64, then divided by the largest training value.

    Attributes:
        fitted: of scikit-learn; None leaves features as they are.
        largest: of the scaled training features, in float32 (1 up to rounding for ``minmax``).
    """

    fitted: MinMaxScaler | StandardScaler | None
    largest: float = 1.0

    @classmethod
    def fit(
        cls, features: npt.NDArray[Any], rows: npt.NDArray[np.int64], scaling: ScalingName
    ) -> Scaler:
        """From the training rows of ``features`` [N, R]; test rows may fall outside [0, 1].

        A constant feature is divided by 1. Features that are all equal (largest value 0) stay 0.
        """
        if scaling == "none":
            return cls(None)
        if scaling == "minmax":
            fitted = MinMaxScaler()
            for piece in _pieces(features, rows):  # exact: extremes of extremes
                fitted.partial_fit(piece)
        else:
            fitted = StandardScaler().fit(features[rows].astype(np.float64, copy=False))
        largest = max(
            fitted.transform(piece).astype(np.float32).max() for piece in _pieces(features, rows)
        )
        return cls(fitted, float(largest) or 1.0)

    def transform(
        self, features: npt.NDArray[Any], rows: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.float32]:
        """All ``rows`` (default: every one) of ``features`` [N, R], as float32 [n, R]."""
        if rows is None:
            rows = np.arange(len(features))
        scaled = np.empty((len(rows), features.shape[1]), dtype=np.float32)
        start = 0
        for piece in _pieces(features, rows):
            scaled[start : start + len(piece)] = (
                piece if self.fitted is None else self.fitted.transform(piece)
            )
            start += len(piece)
        if self.fitted is not None:
            scaled *= np.float32(1 / self.largest)
        return scaled


def _pieces(
    features: npt.NDArray[Any], rows: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.float64]]:
    for start in range(0, len(rows), ROWS):
        yield features[rows[start : start + ROWS]].astype(np.float64, copy=False)
