"""Tests of two runs over the samples that both predicted, for ``EvaluatorSpec.paired``.

Two are offered. :class:`McNemar` is for answers that are right or wrong, each sample counting the same.
:func:`compare_scores` is for any score that is made of means over samples, or over samples of groups: macro
averages, harmonic means, F1. Both look at samples as drawn and at the two runs as given: they know nothing of
the spread over seeds.
"""

from __future__ import annotations

from mlzoo.paired_tests.mcnemar import McNemar
from mlzoo.paired_tests.pairing import Arrays, Facts, require_same, rows_of_other
from mlzoo.paired_tests.randomisation import Difference, Float64, Statistic, compare_scores

__all__ = [
    "Arrays",
    "Difference",
    "Facts",
    "Float64",
    "McNemar",
    "Statistic",
    "compare_scores",
    "require_same",
    "rows_of_other",
]
