"""Which candidate is chosen, at which rank the described one stands, and how far apart the two are.

The highest score is chosen; of equal scores the candidate of the lowest column comes first, also in ranks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[Any]
Index = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]

NAN = float("nan")


def chosen(scores: Scores) -> Index:
    """int64 [n]: the column of the highest of scores [n, k], the first of several."""
    found: Index = scores.argmax(axis=1).astype(np.int64)
    return found


def ranks(scores: Scores, target: Index) -> Index:
    """int64 [n], from 1: the place of the column ``target`` [n] among scores [n, k], ties by column."""
    own = np.take_along_axis(scores, target[:, None], axis=1)  # [n, 1]
    earlier = np.arange(scores.shape[1]) < target[:, None]  # [n, k]
    before = (scores > own) | ((scores == own) & earlier)
    found: Index = 1 + before.sum(axis=1, dtype=np.int64)
    return found


def margins(scores: Scores) -> Float64:
    """float64 [n]: by how much the highest of scores [n, k] exceeds the next; 0 of equal ones."""
    two = np.partition(scores.astype(np.float64), -2, axis=1)[:, -2:]  # [n, 2], ascending
    found: Float64 = two[:, 1] - two[:, 0]
    return found


def distances(position: Index, choice: Index, target: Index) -> Index:
    """int64 [n]: places between the chosen and the described image in the order of their set.

    Args:
        position: int64 [n, k] of the candidates in their set.
        choice: int64 [n], columns.
        target: int64 [n], columns.
    """
    rows = np.arange(len(position))
    found: Index = np.abs(position[rows, choice] - position[rows, target])
    return found


def share(correct: Bool, among: Bool | None = None) -> float:
    """Percent of the rows of ``among`` that are correct; NaN if there are none."""
    kept = correct if among is None else correct[among]
    return 100 * float(kept.mean()) if len(kept) else NAN


def accuracies(scores: Scores, target: Index, video: Bool) -> dict[str, float]:
    """``accuracy``, ``accuracy_video`` and ``accuracy_static`` in percent; NaN of a kind without rows.

    Args:
        scores: [n, k], finite.
        target: int64 [n], columns.
        video: bool [n].
    """
    correct = chosen(scores) == target
    return {
        "accuracy": share(correct),
        "accuracy_video": share(correct, video),
        "accuracy_static": share(correct, ~video),
    }
