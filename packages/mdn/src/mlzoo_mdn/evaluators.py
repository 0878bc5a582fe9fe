"""Scores of the task ``confounded-classification``: is the label right, do the features still hold
the metadata?

Both read the prediction arrays of :mod:`mlzoo_mdn.confounded`. Labels are compared exactly; a
probability of exactly 0.5 predicts 0. Everything is computed in float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import NonFiniteError, PluginError, UsageError
from mlzoo_mdn.confounded import LABELS
from mlzoo_mdn.dcor import LEAST_SAMPLES, squared_distance_correlation

Float64 = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[Any]]

NEEDED = {"probability": "[n]", "label": "[n]", "metadata": "[n, k]", "features": "[n, f]"}
PROBE_FOLDS = 5
PROBE_LEAST_SAMPLES = 2 * PROBE_FOLDS
PROBE_PENALTIES = tuple(10.0**power for power in range(-2, 6))


def score(predictions: Arrays, data: object = None) -> dict[str, float]:
    """Every number of ``mlzoo_mdn.metrics.METRICS``: both functions below.

    Args:
        predictions: ``probability`` [n] of label 1, ``label`` [n], ``metadata`` [n, k] and
            ``features`` [n, f].
        data: of no use here; the predictions hold all that is scored.

    Raises:
        PluginError: an array is missing or mis-shaped.
        NonFiniteError: an array holds NaN or infinity.
    """
    return {**score_classification(predictions, data), **score_dependence(predictions, data)}


def score_classification(predictions: Arrays, data: object = None) -> dict[str, float]:
    """Accuracies, recalls and their gaps in percent; arguments and errors as in :func:`score`.

    The recall of a label without samples is NaN, and so is what rests on it.
    """
    samples = _Predictions.of(predictions)
    correct = samples.correct()
    recalls = [_percent(correct[rows]) for rows in samples.rows()]
    return {
        "accuracy": _percent(correct),
        "balanced_accuracy": float(np.mean(recalls)),
        "recall_0": recalls[0],
        "recall_1": recalls[1],
        "recall_gap": abs(recalls[1] - recalls[0]),
        "metadata_gap": max(
            _gap_at_median(correct[rows], column)
            for rows in samples.rows()
            for column in samples.metadata[rows].T
        ),
    }


def is_correct(predictions: Arrays) -> npt.NDArray[np.bool_]:
    """bool [n], whether each sample's label is right; errors as in :func:`score`."""
    return _Predictions.of(predictions).correct()


def score_dependence(predictions: Arrays, data: object = None) -> dict[str, float]:
    """How far the features depend on the metadata; arguments and errors as in :func:`score`.

    The squared distance correlation takes all features and all metadata columns jointly. Within a
    label it is NaN below 4 samples, the probe is NaN below 10.
    """
    samples = _Predictions.of(predictions)
    features, metadata = samples.features, samples.metadata
    rows_0, rows_1 = samples.rows()
    probes = [probe_r2(features[rows], metadata[rows]) for rows in (rows_0, rows_1)]
    return {
        "dcor2_0": _dependence(features[rows_0], metadata[rows_0]),
        "dcor2_1": _dependence(features[rows_1], metadata[rows_1]),
        "dcor2_pooled": _dependence(features, metadata),
        "probe_r2": float(np.mean(probes)),
    }


def probe_r2(features: Float64, metadata: Float64) -> float:
    """Share of the metadata's variance that a linear probe predicts on samples it has not seen.

    Ridge regression on standardised features, its penalty chosen by leave-one-out within each
    training part, predicts each fifth from the other four; R² is 1 - (squared error) / (squared
    error of the mean) over all samples, averaged over the metadata columns. It is negative for a
    probe worse than the mean.

    Args:
        features: float64 [n, f].
        metadata: float64 [n, k]; a constant column counts as 0, as there is nothing to predict.

    Returns:
        R², at most 1; NaN below 10 samples.
    """
    if len(features) < PROBE_LEAST_SAMPLES:
        return float("nan")
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    ridge = RidgeCV(alphas=PROBE_PENALTIES, alpha_per_target=metadata.shape[1] > 1)
    folds = KFold(PROBE_FOLDS, shuffle=True, random_state=0)
    probe = make_pipeline(StandardScaler(), ridge)
    predicted = cross_val_predict(probe, features, metadata, cv=folds).reshape(metadata.shape)
    error = ((metadata - predicted) ** 2).sum(axis=0)  # [k]
    spread = ((metadata - metadata.mean(axis=0)) ** 2).sum(axis=0)  # [k]
    varies = np.ptp(metadata, axis=0) > 0
    shares = np.divide(error, spread, out=np.ones_like(error), where=varies)
    return float(np.mean(1 - shares))


def published_batch_accuracy(
    probability: npt.ArrayLike, label: npt.ArrayLike, batch_size: int
) -> float:
    """The accuracy as the published code reports it, in percent.

    Each batch's accuracy is rounded to whole percent in float32 (half to even), and the mean is
    taken over full batches only. For comparison with published curves; :func:`score` is exact.

    Args:
        probability: [n], of label 1.
        label: [n], 0 or 1.
        batch_size: samples a batch, at most n; a shorter rest is left out.

    Raises:
        UsageError: there is no full batch.
    """
    correct = np.rint(np.asarray(probability)) == np.asarray(label)  # [n]
    batches = len(correct) // batch_size if batch_size > 0 else 0
    if not batches:
        raise UsageError(
            f"no full batch: the batch size is {batch_size}, and there are {len(correct)} samples"
        )
    counts = correct[: batches * batch_size].reshape(batches, batch_size).sum(axis=1)
    shares = counts.astype(np.float32) / np.float32(batch_size)
    return float(np.rint(shares * np.float32(100)).mean(dtype=np.float64))


@dataclass(frozen=True)
class _Predictions:
    """The checked arrays of one split."""

    probability: Float64  # [n]
    label: Float64  # [n]
    metadata: Float64  # [n, k]
    features: Float64  # [n, f]

    @classmethod
    def of(cls, predictions: Arrays) -> _Predictions:
        missing = [name for name in NEEDED if name not in predictions]
        if missing:
            raise PluginError(
                f"the predictions lack {', '.join(missing)}; "
                f"this task's evaluators read {', '.join(NEEDED)}"
            )
        arrays = {name: np.asarray(predictions[name], dtype=np.float64) for name in NEEDED}
        count = len(arrays["label"])
        for name, array in arrays.items():
            if array.ndim != NEEDED[name].count(",") + 1 or len(array) != count or not array.size:
                raise PluginError(
                    f"the predictions hold {name} of shape {list(array.shape)}; "
                    f"expected {NEEDED[name]} with n = {count} labels"
                )
            finite = np.isfinite(array)
            if not finite.all():
                row = int(np.argwhere(~finite)[0][0])
                raise NonFiniteError(f"the predictions hold NaN or infinity: {name}, row {row}")
        return cls(**arrays)

    def correct(self) -> npt.NDArray[np.bool_]:
        return np.asarray((self.probability > 0.5) == self.label)

    def rows(self) -> list[npt.NDArray[np.int64]]:
        return [np.flatnonzero(self.label == label) for label in LABELS]


def _percent(correct: npt.NDArray[np.bool_]) -> float:
    return float(100 * correct.mean()) if correct.size else float("nan")


def _gap_at_median(correct: npt.NDArray[np.bool_], column: Float64) -> float:
    """|accuracy above - accuracy below the median| in percent; 0 for a constant column.

    Samples at the median count for neither side, unless that leaves one empty, as it does with
    binary metadata: then they are that side.
    """
    if not column.size or np.ptp(column) == 0:
        return 0.0
    median = np.median(column)
    above, below = column > median, column < median
    if not above.any():
        above = ~below
    elif not below.any():
        below = ~above
    return abs(_percent(correct[above]) - _percent(correct[below]))


def _dependence(features: Float64, metadata: Float64) -> float:
    if len(features) < LEAST_SAMPLES:
        return float("nan")
    return squared_distance_correlation(features, metadata)
