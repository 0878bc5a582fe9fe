"""A test of two runs of the task ``confounded-classification``: McNemar's, over the samples of a split.

Accuracy, the main metric, is a share of samples, of which each is right or wrong: what McNemar's exact test
is for. It says nothing of how far the features depend on the metadata.
"""

from __future__ import annotations

from mlzoo.paired_tests import Arrays, Facts, McNemar, require_same
from mlzoo_mdn.evaluators import is_correct


def paired(one: Arrays, other: Arrays) -> Facts:
    """The test of two runs' predictions of one split, paired row by row.

    Args:
        one, other: arrays of :mod:`mlzoo_mdn.confounded`.

    Returns:
        What :meth:`mlzoo.paired_tests.McNemar.facts` says.

    Raises:
        DataError: label or metadata differ: other samples, or another order.
        PluginError, NonFiniteError: as :func:`mlzoo_mdn.evaluators.score`.
    """
    require_same(one, other, ("label", "metadata"))
    return McNemar.of(is_correct(one), is_correct(other)).facts()
