"""The prediction arrays of a split from scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import ContextualData, Part
from mlzoo_imagecode.shown import shown_examples


def predicted(part: Part, scores: npt.NDArray[np.floating[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of :mod:`mlzoo_imagecode.contextual`, and those of :mod:`mlzoo_imagecode.shown`.

    Args:
        part: the descriptions.
        scores: [n, k].
    """
    scores = scores.astype(np.float32)
    return {"scores": scores, **part.arrays(), **shown_examples(part, scores)}


def training_part(data: ContextualData) -> Part:
    """What there is to learn from.

    Raises:
        DataError: nothing.
    """
    if data.train is None:
        raise DataError("these data have nothing to learn from.", "Take random-choice instead.")
    return data.train
