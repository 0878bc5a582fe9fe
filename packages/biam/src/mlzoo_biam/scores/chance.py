"""What a random order of the tags or images has in the mean, in closed form."""

from __future__ import annotations

import math

import numpy as np

from mlzoo_biam.evaluators import mean_scores, pooled_scores
from mlzoo_biam.metric_specs import F1_KS, METRICS, POOLED_METRICS
from mlzoo_biam.multilabel import MultiLabelData
from mlzoo_biam.scores.average_precision import expected_average_precision
from mlzoo_biam.scores.pooled_precision import expected_pooled_precision
from mlzoo_biam.scores.protocol import Section, is_partly_annotated, sections


def chance_levels(data: MultiLabelData) -> dict[str, float]:
    """The expected value of every metric on test, in percent, if all scores were drawn from one distribution.

    AP is a little above the share of positives among annotated images. Of c tags each is among the K
    highest with probability K/c, so that the expected hits are that share of the positives; micro F1 is
    2 hits / (N K + positives) and thus linear in them. Metrics that test does not give are left out.
    """
    labels = data.test.own_labels
    found: dict[str, float] = {}
    for part in sections(labels, data.seen_count).values():
        if not part.speaks:
            continue
        positives = part.labels.positives()
        found |= mean_scores(part, expected_average_precision(positives, part.annotated))
        found |= {
            f"{part.name}_f1_{k}": 100 * expected_f1(part, k)
            for k in F1_KS[part.name]
            if k <= part.width
        }
        if is_partly_annotated(labels):
            found |= pooled_scores(part, expected_pooled_precision(part.labels))
    known = [*METRICS, *POOLED_METRICS]
    return {name: found[name] for name in known if math.isfinite(found.get(name, np.nan))}


def expected_f1(part: Section, k: int) -> float:
    """Of K tags drawn for each image of a section."""
    positives = int(part.labels.positives().sum())
    hits = positives * k / part.width
    return 2 * hits / (len(part.labels) * k + positives)
