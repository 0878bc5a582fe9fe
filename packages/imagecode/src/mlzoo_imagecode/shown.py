"""A handful of scored descriptions that pictures show, with thumbnails, kept among the predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo_imagecode.contextual import Floats, Index, Part
from mlzoo_imagecode.scores.choices import Bool, chosen

SIDE = 64
"""Pixels of a thumbnail."""
EACH = 4
"""Right and wrong cases."""


def shown_rows(part: Part, scores: Floats) -> Index:
    """int64 [m], ascending: the first right and wrong cases of sets that none was taken of before, half of
    them of videos; where targets are hidden just the first.

    Args:
        part: the descriptions.
        scores: float32 [n, k].
    """
    if part.hidden:
        return np.sort(_first(part, np.ones(len(part), bool), 2 * EACH))
    correct = chosen(scores) == part.target
    right = _first(part, correct, EACH)
    unseen = ~np.isin(part.set_of, part.set_of[right])
    return np.sort(np.concatenate([right, _first(part, ~correct & unseen, EACH)]))


def _first(part: Part, wanted: Bool, count: int) -> Index:
    """At most so many rows of different sets, as many of videos as of others where there are enough."""
    rows = np.flatnonzero(wanted)
    rows = rows[np.sort(np.unique(part.set_of[rows], return_index=True)[1])]
    video = part.is_video[rows]
    half = min(count // 2, int((~video).sum()))
    videos = rows[video][: count - half]
    others = rows[~video][: count - len(videos)]
    return np.concatenate([videos, others])


def shown_examples(part: Part, scores: Floats) -> dict[str, npt.NDArray[Any]]:
    """Arrays of a split's predictions that figures read.

    Args:
        part: the descriptions.
        scores: float32 [n, k].

    Returns:
        ``shown_row`` int64 [m], which descriptions; ``shown_image`` uint8 [m, k, 64, 64, 3], their
        candidates.

    Raises:
        DataError: an image is missing or damaged.
    """
    rows = shown_rows(part, scores)
    images = part.images.crops(part.candidates[rows].ravel(), SIDE)
    return {
        "shown_row": rows,
        "shown_image": images.reshape(len(rows), part.choices, SIDE, SIDE, 3),
    }
