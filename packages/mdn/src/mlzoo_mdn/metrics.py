"""What the evaluators of the task ``confounded-classification`` report, declared without numpy."""

from __future__ import annotations

from mlzoo.specs import Identity, Metric

CLASSIFICATION_METRICS = {
    "accuracy": Metric(
        higher_is_better=True,
        unit="%",
        main=True,
        summary="share of correct labels; a probability of exactly 0.5 predicts 0",
    ),
    "balanced_accuracy": Metric(
        higher_is_better=True, unit="%", summary="mean of the two labels' recalls"
    ),
    "recall_0": Metric(
        higher_is_better=True, unit="%", summary="share of correct labels among label 0"
    ),
    "recall_1": Metric(
        higher_is_better=True, unit="%", summary="share of correct labels among label 1"
    ),
    "recall_gap": Metric(
        higher_is_better=False, unit="%", summary="difference of the two labels' recalls"
    ),
    "metadata_gap": Metric(
        higher_is_better=False,
        unit="%",
        summary="difference of accuracy above and below the median metadata within a label; "
        "the largest over labels and columns",
    ),
}

DEPENDENCE_METRICS = {
    "dcor2_0": Metric(
        higher_is_better=False,
        summary="squared distance correlation of features and metadata within label 0, "
        "bias-corrected; NaN below 4 samples",
    ),
    "dcor2_1": Metric(
        higher_is_better=False,
        summary="squared distance correlation of features and metadata within label 1, "
        "bias-corrected; NaN below 4 samples",
    ),
    "dcor2_pooled": Metric(
        higher_is_better=False,
        summary="the same over both labels; not 0 for an ideal model where the metadata differ "
        "between the labels",
    ),
    "probe_r2": Metric(
        higher_is_better=False,
        summary="cross-validated R² of a linear probe from features to metadata within a label, "
        "mean of both; at most 0 where it finds nothing, NaN below 10 samples",
    ),
}

METRICS = {**CLASSIFICATION_METRICS, **DEPENDENCE_METRICS}
"""Every key of ``mlzoo_mdn.evaluators.score``."""

IDENTITIES = (
    Identity(metric="balanced_accuracy", kind="mean", of=("recall_0", "recall_1")),
    Identity(metric="recall_gap", kind="difference", of=("recall_0", "recall_1")),
)
"""What the metrics obey."""
