"""Scaling of features, fitted on training rows (sec. "Preprocessing" of the benchmark's programs)."""

from __future__ import annotations

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
        """From the training rows of ``features`` [N, R]; test rows may fall outside [0, 1]."""
        if scaling == "none":
            return cls(None)
        fitted = MinMaxScaler() if scaling == "minmax" else StandardScaler()
        fitted.partial_fit(features[rows].astype(np.float64))
        train = fitted.transform(features[rows].astype(np.float64)).astype(np.float32)
        return cls(fitted, float(train.max()))

    def transform(self, features: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """[n, R] to float32 [n, R]."""
        if self.fitted is None:
            return features.astype(np.float32)
        scaled = np.empty(features.shape, dtype=np.float32)
        for start in range(0, len(features), ROWS):
            piece = features[start : start + ROWS].astype(np.float64)
            scaled[start : start + ROWS] = self.fitted.transform(piece)
        scaled *= np.float32(1 / self.largest)
        return scaled
