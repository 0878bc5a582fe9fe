"""McNemar's test of two runs that answer the same descriptions.

It takes descriptions for independent; those of one set share its images, so that a p-value close to the level
proves little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError
from mlzoo.paired_tests import Facts, McNemar, rows_of_other
from mlzoo_imagecode.scores.choices import chosen

__all__ = ["McNemar", "paired"]

Arrays = Mapping[str, npt.NDArray[Any]]


def paired(one: Arrays, other: Arrays) -> Facts:
    """The test of two runs' predictions of one split, paired by set and description.

    Args:
        one, other: arrays of :mod:`mlzoo_imagecode.contextual`, in any order of descriptions.

    Returns:
        What :meth:`McNemar.facts` says of ``descriptions``.

    Raises:
        DataError: targets are hidden or differ, or the runs have not the same descriptions.
    """
    order = rows_of_other(_keys(one), _keys(other), "descriptions")
    target, same = one["target"], other["target"][order]
    if (target < 0).any() or (same < 0).any():
        raise DataError(
            "the targets of this split are hidden: nobody knows who is right.", "Take --split val."
        )
    first, second = (
        each["position"][np.arange(len(goal)), goal]
        for each, goal in ((one, target), (other, other["target"]))
    )
    if not np.array_equal(first, second[order]):
        row = int(np.flatnonzero(first != second[order])[0])
        raise DataError(f"the runs disagree on what {str(one['text'][row])!r} describes.")
    right = chosen(one["scores"]) == target, (chosen(other["scores"]) == other["target"])[order]
    return McNemar.of(*right).facts("descriptions")


def _keys(arrays: Arrays) -> list[tuple[str, str]]:
    """Set and text; a description that a set has twice is paired in order."""
    return list(zip(arrays["set"].tolist(), arrays["text"].tolist(), strict=True))
