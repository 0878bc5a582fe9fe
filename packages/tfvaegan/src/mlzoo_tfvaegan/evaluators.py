"""Scores of the task ``zero-shot``: accuracies by class, their means, and the table behind them.

All read the prediction arrays of :mod:`mlzoo_tfvaegan.zero_shot`. Of equal scores the first column
wins. A class without test samples has no accuracy and is left out of means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import NonFiniteError, PluginError
from mlzoo_tfvaegan.calibration import Float64, Scores, seen_unseen_curve
from mlzoo_tfvaegan.zero_shot import Index, ZeroShotData

Arrays = Mapping[str, npt.NDArray[Any]]
TOP = 5


def score(predictions: Arrays, data: ZeroShotData) -> dict[str, float]:
    """Every number of ``mlzoo_tfvaegan.metrics.METRICS``; NaN where there is no sample to score.

    Args:
        predictions: ``label`` [n], ``scores`` [n, len(data.classes)] and, optionally,
            ``unseen_scores`` [n, len(data.unseen)].
        data: the world they were predicted in.

    Raises:
        PluginError: an array is missing, mis-shaped, or ``label`` is not that of the test rows.
        NonFiniteError: scores hold NaN or infinity.
    """
    test = CheckedPredictions.of(predictions, data)
    top_1, top_5 = (zsl_accuracy(test, data, k).mean for k in (1, TOP))
    u, s = (
        per_class_accuracy(test.label, test.predicted, classes).mean
        for classes in (data.unseen, data.seen)
    )
    return {
        "zsl_top1": 100 * top_1,
        "zsl_top5": 100 * top_5,
        "gzsl_unseen": 100 * u,
        "gzsl_seen": 100 * s,
        "gzsl_h": 100 * harmonic_mean(s, u),
        "ausuc": seen_unseen_curve(test.label, test.scores, data).area,
    }


@dataclass(frozen=True, eq=False)
class ClassAccuracy:
    """Accuracies of some classes.

    Attributes:
        accuracy: float64 [k], shares; NaN for a class without samples.
        samples: int64 [k].
    """

    accuracy: Float64
    samples: Index

    @property
    def empty(self) -> int:
        """How many classes have no sample."""
        return int((self.samples == 0).sum())

    @property
    def mean(self) -> float:
        """Over the classes that have samples; NaN if none has."""
        filled = self.accuracy[self.samples > 0]
        return float(filled.mean()) if filled.size else float("nan")


def per_class_accuracy(
    label: npt.ArrayLike, predicted: npt.ArrayLike, classes: npt.ArrayLike
) -> ClassAccuracy:
    """For each of ``classes`` [k] the share of its samples that are predicted right.

    Args:
        label: [n], class ids; samples of other classes are not looked at.
        predicted: [n], class ids.
        classes: [k], distinct class ids in any order.
    """
    label = np.asarray(label)
    own = label[:, None] == np.asarray(classes)  # [n, k]
    right = np.asarray(predicted) == label  # [n]
    samples = own.sum(axis=0)
    hits = (own & right[:, None]).sum(axis=0)
    accuracy = np.full(len(samples), np.nan)
    np.divide(hits, samples, out=accuracy, where=samples > 0)
    return ClassAccuracy(accuracy, samples)


def per_class(
    predictions: Arrays, data: ZeroShotData
) -> dict[str, Sequence[Any] | npt.NDArray[Any]]:
    """The table ``per-class``, one row a class; arguments and errors as in :func:`score`.

    Returns:
        ``class``, its id; ``name``; ``kind``, seen or unseen; ``samples``; ``accuracy`` among all
        classes and ``accuracy_among_unseen``, in percent; ``most_often_taken_for``, the wrong class
        that most of its samples got among all classes (the first of equals), and how many ``times``.
        Empty where there is nothing to say.
    """
    test = CheckedPredictions.of(predictions, data)
    among_all = per_class_accuracy(test.label, test.predicted, data.classes)
    is_unseen = np.isin(data.classes, data.unseen)
    among_unseen = np.full(len(data.classes), np.nan)
    among_unseen[is_unseen] = 100 * zsl_accuracy(test, data).accuracy
    count = len(data.classes)
    cells = np.searchsorted(data.classes, [test.label, test.predicted])  # [2, n]
    confusion = np.bincount(cells[0] * count + cells[1], minlength=count * count)
    confusion = confusion.reshape(count, count)
    np.fill_diagonal(confusion, 0)
    wrong, times = confusion.argmax(axis=1), confusion.max(axis=1)
    names = [data.class_names[id] for id in data.classes]
    return {
        "class": data.classes,
        "name": names,
        "kind": np.where(is_unseen, "unseen", "seen"),
        "samples": among_all.samples,
        "accuracy": 100 * among_all.accuracy,
        "accuracy_among_unseen": among_unseen,
        "most_often_taken_for": [
            names[i] if n else None for i, n in zip(wrong, times, strict=True)
        ],
        "times": times,
    }


def zsl_accuracy(test: CheckedPredictions, data: ZeroShotData, k: int = 1) -> ClassAccuracy:
    """Of the unseen classes among unseen classes: right if among the ``k`` likeliest."""
    label = test.label[test.is_unseen]
    within = within_top(label, test.unseen_scores, data.unseen, k)
    return per_class_accuracy(label, np.where(within, label, -1), data.unseen)


def harmonic_mean(s: float, u: float) -> float:
    """H = 2su / (s + u); 0 where s + u is 0."""
    return 2 * s * u / (s + u) if s + u != 0 else 0.0


def within_top(label: Index, scores: Scores, classes: Index, k: int) -> npt.NDArray[np.bool_]:
    """Whether the label's score is among the k highest of its row; of equals the first is higher.

    Args:
        label: [n], each one of ``classes``.
        scores: [n, len(classes)].
        classes: class ids of the columns, ascending.
    """
    column = np.searchsorted(classes, label)[:, None]  # [n, 1]
    own = np.take_along_axis(scores, column, axis=1)  # [n, 1]
    earlier = np.arange(len(classes)) < column
    ahead = (scores > own) | ((scores == own) & earlier)
    within: npt.NDArray[np.bool_] = ahead.sum(axis=1) < k
    return within


@dataclass(frozen=True, eq=False)
class CheckedPredictions:
    """The checked arrays of the test rows.

    Attributes:
        label: int64 [n].
        scores: [n, len(data.classes)].
        predicted: int64 [n], the likeliest class of all.
        is_unseen: bool [n], rows of unseen classes; m of them.
        unseen_scores: [m, len(data.unseen)], of these rows, among unseen classes.
    """

    label: Index
    scores: Scores
    predicted: Index
    is_unseen: npt.NDArray[np.bool_]
    unseen_scores: Scores

    @classmethod
    def of(cls, predictions: Arrays, data: ZeroShotData) -> CheckedPredictions:
        """Checked as :func:`score` says."""
        label = _checked_label(predictions, data)
        scores = _array(predictions, "scores", (len(label), len(data.classes)))
        is_unseen = np.isin(label, data.unseen)
        if "unseen_scores" in predictions:
            shape = (len(label), len(data.unseen))
            unseen_scores = _array(predictions, "unseen_scores", shape)[is_unseen]
        else:
            unseen_scores = scores[np.ix_(is_unseen, np.isin(data.classes, data.unseen))]
        _check_finite("scores", scores, np.arange(len(label)))
        _check_finite("unseen_scores", unseen_scores, np.flatnonzero(is_unseen))
        predicted = data.classes[scores.argmax(axis=1)]
        return cls(label, scores, predicted, is_unseen, unseen_scores)


def _checked_label(predictions: Arrays, data: ZeroShotData) -> Index:
    expected = data.label[np.concatenate([data.split.test_seen, data.split.test_unseen])]
    label: Index = _array(predictions, "label", expected.shape)
    if (label != expected).any():
        row = int(np.flatnonzero(label != expected)[0])
        raise PluginError(
            f"the predictions hold label {label[row]} in row {row}, which is of class "
            f"{expected[row]}: rows are those of data.test, class ids start at 0"
        )
    return label


def _array(predictions: Arrays, name: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if name not in predictions:
        raise PluginError(f"the predictions lack {name}; this task's evaluator reads label, scores")
    array = np.asarray(predictions[name])
    if array.shape != shape or array.dtype.kind not in "iuf":
        raise PluginError(
            f"the predictions hold {name} of shape {list(array.shape)} and type {array.dtype}; "
            f"expected numbers of shape {list(shape)}"
        )
    return array


def _check_finite(name: str, array: Scores, rows: Index) -> None:
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        row = rows[~finite][0]
        raise NonFiniteError(f"the predictions hold NaN or infinity: {name}, row {row}")
