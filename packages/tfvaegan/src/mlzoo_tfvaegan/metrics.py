"""What the evaluator of the task ``zero-shot`` reports, declared without numpy."""

from __future__ import annotations

from mlzoo.specs import Identity, Metric

METRICS = {
    "zsl_top1": Metric(
        higher_is_better=True,
        unit="%",
        summary="accuracy on unseen classes among unseen classes, mean over classes (T1)",
    ),
    "zsl_top5": Metric(
        higher_is_better=True,
        unit="%",
        summary="the same, right if the class is among the five likeliest unseen ones",
    ),
    "gzsl_unseen": Metric(
        higher_is_better=True,
        unit="%",
        summary="accuracy on unseen classes among all classes, mean over classes (u)",
    ),
    "gzsl_seen": Metric(
        higher_is_better=True,
        unit="%",
        summary="accuracy on seen classes among all classes, mean over classes (s)",
    ),
    "gzsl_h": Metric(
        higher_is_better=True,
        unit="%",
        main=True,
        summary="harmonic mean of gzsl_unseen and gzsl_seen (H)",
    ),
    "ausuc": Metric(
        higher_is_better=True,
        summary="area under the curve of gzsl_seen over gzsl_unseen, both as shares, "
        "that calibrated stacking traces",
    ),
}
"""Every key of ``mlzoo_tfvaegan.evaluators.score``."""

IDENTITIES = (
    Identity(metric="gzsl_h", kind="harmonic-mean", of=("gzsl_unseen", "gzsl_seen")),
    Identity(metric="zsl_top5", kind="at-least", of=("zsl_top1",)),
)
"""What the metrics obey. ``gzsl_unseen`` may be above ``zsl_top1``: two classifiers of their own."""
