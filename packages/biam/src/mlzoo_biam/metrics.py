"""Scores of many classes at once: average precision by class or pooled, and precision, recall, F1 at K.

All take a score matrix and labels, dense or :class:`mlzoo_biam.labels.Labels`, and change neither.
"""

from __future__ import annotations

from mlzoo_biam.scores.at_k import AtK, precision_recall_f1_at
from mlzoo_biam.scores.average_precision import (
    average_precision,
    expected_average_precision,
    mean_over_classes,
    weighted_mean,
)
from mlzoo_biam.scores.pooled_precision import expected_pooled_precision, pooled_average_precision

__all__ = [
    "AtK",
    "average_precision",
    "expected_average_precision",
    "expected_pooled_precision",
    "mean_over_classes",
    "pooled_average_precision",
    "precision_recall_f1_at",
    "weighted_mean",
]
