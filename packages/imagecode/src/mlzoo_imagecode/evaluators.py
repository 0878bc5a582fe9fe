"""Scores of the task ``contextual-retrieval``: how often the described image is chosen, of whom and where.

All read the prediction arrays of :mod:`mlzoo_imagecode.contextual`. Where nobody tells the targets, numbers
are NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import NonFiniteError, PluginError
from mlzoo_imagecode.metric_specs import METRICS, PHENOMENA_METRICS, TAGS
from mlzoo_imagecode.scores.choices import (
    Bool,
    Index,
    accuracies,
    chosen,
    distances,
    ranks,
    share,
)
from mlzoo_imagecode.scores.mcnemar import McNemar, paired
from mlzoo_imagecode.scores.phenomena import annotator_accuracies, phenomena

if TYPE_CHECKING:
    from mlzoo_imagecode.contextual import ContextualData

__all__ = ["Described", "McNemar", "checked", "paired", "score", "score_phenomena"]

Arrays = Mapping[str, npt.NDArray[Any]]
NAN = float("nan")

_KINDS = {
    "scores": "f", "target": "iu", "video": "b", "position": "iu", "frame": "iu", "set": "U", "text": "U",
    "tag": "b", "annotated": "b", "annotator": "i",
}  # fmt: skip
"""Types of the arrays, by numpy's letters."""


@dataclass(frozen=True, eq=False)
class Described:
    """The prediction arrays of n descriptions of k candidates each, checked.

    Attributes:
        arrays: as in :mod:`mlzoo_imagecode.contextual`.
    """

    arrays: Arrays

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.arrays[name]

    def __len__(self) -> int:
        return len(self["scores"])

    @property
    def choices(self) -> int:
        """k."""
        return int(self["scores"].shape[1])

    @property
    def hidden(self) -> bool:
        """Whether the target of some description is not known."""
        return bool((self["target"] < 0).any())

    @property
    def chosen(self) -> Index:
        """int64 [n], columns."""
        return chosen(self["scores"])

    @property
    def correct(self) -> Bool:
        """bool [n]; all False where targets are hidden."""
        return np.asarray(self.chosen == self["target"])

    @property
    def ranks(self) -> Index:
        """int64 [n] of the described images, from 1; only where targets are not hidden."""
        return ranks(self["scores"], self["target"])

    @property
    def distances(self) -> Index:
        """int64 [n], places between chosen and described; only where targets are not hidden."""
        return distances(self["position"], self.chosen, self["target"])


def score(predictions: Arrays, data: ContextualData) -> dict[str, float]:
    """Every number of ``mlzoo_imagecode.metric_specs.METRICS``.

    Args:
        predictions: the arrays of :mod:`mlzoo_imagecode.contextual`.
        data: not looked at.

    Raises:
        PluginError: an array is missing, or they do not fit together.
        NonFiniteError: scores hold NaN or infinity.
    """
    found = checked(predictions)
    if found.hidden:
        return dict.fromkeys(METRICS, NAN)
    apart = found.distances
    return {
        **accuracies(found["scores"], found["target"], found["video"]),
        "mean_rank": float(found.ranks.mean()),
        "mean_distance": float(apart.mean()),
        "errors_next_to_target": share(apart == 1, ~found.correct),
    }


def score_phenomena(predictions: Arrays, data: ContextualData) -> dict[str, float]:
    """Every number of ``mlzoo_imagecode.metric_specs.PHENOMENA_METRICS``; NaN where nobody has annotated.

    Arguments and errors as in :func:`score`.
    """
    found = checked(predictions)
    if found.hidden:
        return dict.fromkeys(PHENOMENA_METRICS, NAN)
    shown = phenomena(found.correct, found["tag"], found["annotated"])
    return {
        **{f"accuracy_{each.tag}": each.accuracy for each in shown},
        **annotator_accuracies(found.correct, found["annotator"]),
    }


def checked(predictions: Arrays) -> Described:
    """The arrays, held against the contract; errors as :func:`score` says."""
    if lacking := [name for name in _KINDS if name not in predictions]:
        raise PluginError(
            f"the predictions lack {', '.join(lacking)}; this task's evaluators read {', '.join(_KINDS)}"
        )
    scores = predictions["scores"]
    if scores.ndim != 2 or not len(scores) or scores.shape[1] < 2:
        raise PluginError(
            f"the predictions hold scores of shape {list(scores.shape)}; expected [n, k]"
        )
    n, k = scores.shape
    wide = {"scores": k, "position": k, "frame": k, "tag": len(TAGS), "annotated": len(TAGS)}
    for name, kinds in _KINDS.items():
        array, shape = predictions[name], (n, wide[name]) if name in wide else (n,)
        if array.shape != shape or array.dtype.kind not in kinds:
            raise PluginError(
                f"the predictions hold {name} of shape {list(array.shape)} and type {array.dtype}; "
                f"expected {list(shape)} of kind {kinds}, for {n} descriptions of {k} candidates"
            )
    finite = np.isfinite(scores).all(axis=1)
    if not finite.all():
        raise NonFiniteError(f"the predictions hold NaN or infinity: scores, row {finite.argmin()}")
    target = predictions["target"]
    if int(target.max()) >= k:
        raise PluginError(f"the predictions hold the target {target.max()} of {k} candidates")
    return Described(predictions)
