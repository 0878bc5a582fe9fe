"""A test of two runs of the task ``multilabel-zero-shot``: of F1 at 5, over images.

The main metric, F1 of the five highest seen tags with all pairs together, is made of two sums over images,
hits and positive labels: with their means h and m over images, F1 = 2h / (5 + m). So exchanging or drawing
images needs two small numbers of each, and no score is looked at again:
:func:`mlzoo.paired_tests.compare_scores` takes seconds for a hundred thousand images. The same is done for
unseen tags and for all.

A mean of average precision is no such sum: every draw would sort all scores anew. Of it the tags are the
samples: the test of ``zsl_map`` says whether the difference would hold for other unseen tags, over the AP of
those that have positives.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from mlzoo.errors import DataError
from mlzoo.paired_tests import Arrays, Difference, Facts, Float64, compare_scores, require_same
from mlzoo_biam.evaluators import checked
from mlzoo_biam.labels import PREFIX, Labels
from mlzoo_biam.scores.at_k import hits_by_image
from mlzoo_biam.scores.average_precision import Scores, average_precision
from mlzoo_biam.scores.protocol import Section, sections

K = 5
IDENTITY = ("seen_count", *(PREFIX + name for name in ("default", "indptr", "tags", "values")))
"""Arrays that must be the same in both runs."""


def paired(one: Arrays, other: Arrays) -> Facts:
    """The test of two runs' predictions of one split, paired row by row.

    Args:
        one, other: arrays of :mod:`mlzoo_biam.multilabel`, with ``seen_count``.

    Returns:
        ``test`` and ``p``, of ``seen_f1_5``; the number of ``images`` that count for it; F1 of each run in
        percent, the ``difference`` and its bounds; the difference, bounds and p-value of ``zsl_f1_5`` and
        ``gzsl_f1_5`` over images, and of ``zsl_map`` over tags, where the split can say them. With fewer
        than five seen tags K is their number, as in the metric.

    Raises:
        DataError: the runs have not the same labels, do not say how many tags are seen, or no image has a
            seen tag.
        PluginError, NonFiniteError: as :func:`mlzoo_biam.evaluators.score`.
    """
    require_same(one, other, IDENTITY, "images")
    seen_count = int(one["seen_count"])
    scores, labels = zip(*(_checked(each, seen_count) for each in (one, other)), strict=True)
    parts = sections(labels[0], seen_count)
    seen = parts["seen"]
    if not seen.speaks:
        raise DataError("no image of the split has a seen tag: there is no F1.")
    main = _f1(scores, seen, min(K, seen.width))
    facts: Facts = {
        "test": f"randomisation test of F1 at {min(K, seen.width)} of seen tags over images",
        "p": main.p,
        "images": len(seen.labels),
        **main.facts("seen_f1_5"),
    }
    for name in ("zsl", "gzsl"):
        if parts[name].speaks and parts[name].width >= K:
            facts |= _f1(scores, parts[name], K).further(f"{name}_f1_5")
    if parts["zsl"].speaks:
        facts |= _map(scores, parts["zsl"]).further("zsl_map")
    return facts


def _checked(predictions: Arrays, seen_count: int) -> tuple[Scores, Labels]:
    tags = tuple(map(str, range(len(predictions[PREFIX + "default"]))))
    return checked(predictions, SimpleNamespace(tags=tags, seen_count=seen_count))


def _f1(scores: tuple[Scores, ...], part: Section, k: int) -> Difference:
    """F1 at K of a section, in percent, over its images."""
    counts = [
        np.column_stack(
            hits_by_image(
                each[:, part.tags],
                part.competing_labels,
                k,
                rows=part.rows,
                columns=part.competing,
            )
        )
        for each in scores
    ]

    def f1(means: Float64) -> Float64:
        hits, positives = means[:, 0, 0], means[:, 0, 1]
        return np.asarray(200 * hits / (k + positives))

    return compare_scores({"f1": f1}, *counts)["f1"]


def _map(scores: tuple[Scores, ...], part: Section) -> Difference:
    """Mean AP of a section, in percent, over its tags."""
    precision = [average_precision(s[:, part.tags], part.labels, rows=part.rows) for s in scores]
    filled = ~np.isnan(precision[0])
    own = (each[filled] for each in precision)
    return compare_scores({"map": lambda means: 100 * means[:, 0, 0]}, *own)["map"]
