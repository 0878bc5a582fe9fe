"""Calibrated stacking (Chao et al., ECCV 2016): seen classes' scores less a constant γ.

A model that learned from seen classes alone prefers them. Chao et al. predict

    argmax over classes c of  score_c - γ · [c is seen]                                    (eq. 5)

and compare models by the curve of the accuracy on seen classes over that on unseen classes as γ goes
from -∞ (all is called seen) to ∞ (all is called unseen), and by the area under it, AUSUC. The γ that
gives the best harmonic mean on a test set is no number of a model: it is tuned on that test set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo_tfvaegan.zero_shot import Index, ZeroShotData

Float64 = npt.NDArray[np.float64]
Scores = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class SeenUnseenCurve:
    """Accuracies, as shares, for every γ: constant between two neighbours in ``gamma``.

    Attributes:
        gamma: float64 [k], ascending: where at least one sample's decision flips to unseen.
        seen: float64 [k + 1], per-class mean accuracy on seen classes; [0] holds below gamma[0],
            [j] between gamma[j - 1] and gamma[j], [k] above gamma[k - 1]. Never rises.
        unseen: float64 [k + 1], the same on unseen classes. Never falls.
    """

    gamma: Float64
    seen: Float64
    unseen: Float64

    @property
    def area(self) -> float:
        """AUSUC, between 0 and 1; straight lines join the points. NaN without samples of a kind."""
        heights = (self.seen[1:] + self.seen[:-1]) / 2
        return float(heights @ np.diff(self.unseen))


def seen_unseen_curve(label: Index, scores: Scores, data: ZeroShotData) -> SeenUnseenCurve:
    """The whole curve in O(n log n), without a grid of γ.

    Sample i is called seen while γ < t_i = (its best seen score) - (its best unseen score), then
    unseen, each time the best class of that kind, which γ does not change. So a sample of a seen
    class counts until t_i, one of an unseen class from t_i on, or never.

    Args:
        label: int64 [n], class ids.
        scores: [n, len(data.classes)], finite.
        data: tells which columns are seen.
    """
    flip, seen_right, unseen_right = _decisions(label, scores, data)
    order = np.argsort(flip)
    gamma, first = np.unique(flip[order], return_index=True)
    last = np.append(first, len(flip))  # of each γ, where its samples start; and the end
    weight = _weights(label, data)[order]
    # Summed from the end that is 0, so that it is exactly 0 there.
    seen = np.cumsum((weight * seen_right[order])[::-1])[::-1]
    unseen = np.cumsum(weight * unseen_right[order])
    has_seen, has_unseen = np.isin(label, data.seen).any(), np.isin(label, data.unseen).any()
    return SeenUnseenCurve(
        gamma=gamma,
        seen=np.append(seen, 0.0)[last] if has_seen else np.full(len(last), np.nan),
        unseen=np.append(0.0, unseen)[last] if has_unseen else np.full(len(last), np.nan),
    )


def calibrated(scores: Scores, data: ZeroShotData, gamma: float) -> Float64:
    """The scores [n, len(data.classes)] with ``gamma`` taken off the columns of seen classes."""
    return scores - gamma * np.isin(data.classes, data.seen)


def _decisions(
    label: Index, scores: Scores, data: ZeroShotData
) -> tuple[Float64, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """For each sample [n]: t, whether its best seen class is right, whether its best unseen is."""
    bests, right = [], []
    for kind in (data.seen, data.unseen):
        columns = scores[:, np.searchsorted(data.classes, kind)]
        best = columns.argmax(axis=1)
        bests.append(columns[np.arange(len(label)), best].astype(np.float64))
        right.append(kind[best] == label)
    return bests[0] - bests[1], right[0], right[1]


def _weights(label: Index, data: ZeroShotData) -> Float64:
    """What each sample [n] adds to the mean over its kind's non-empty classes of their accuracies."""
    classes, where, counts = np.unique(label, return_inverse=True, return_counts=True)
    seen = np.isin(classes, data.seen)
    kind = np.where(seen, max(seen.sum(), 1), max((~seen).sum(), 1))
    weights: Float64 = (1 / (counts * kind))[where]
    return weights
