"""Metrics, computed from stored predictions: no model is needed to score a run again."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .data import ClusterData


def score(predictions: Mapping[str, Any], data: ClusterData) -> dict[str, float]:
    """The metrics that ``plugin.py`` declares.

    Args:
        predictions: what the model's ``predict`` returned: ``predicted`` and ``label``, int64 [N].
        data: the task's data, for metrics that need more than the predictions.
    """
    return {"accuracy": 100 * float(np.mean(predictions["predicted"] == predictions["label"]))}
