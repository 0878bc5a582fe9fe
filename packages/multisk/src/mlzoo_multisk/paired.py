"""A test of two runs of the task ``multimodal-retrieval``: of the main metric, from text to video, over
queries.

The geometric mean of R@1, R@5 and R@10 is made of three means over queries, so that exchanging or drawing
them needs three bits of each: :func:`mlzoo.paired_tests.compare_scores`. R@1 alone, of which McNemar's test
is told beside it, wastes most of what queries say where few are found at once. Candidates are what they are:
neither test says what other videos would change.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError
from mlzoo.paired_tests import Arrays, Facts, Float64, McNemar, compare_scores, rows_of_other
from mlzoo_multisk.evaluators import Sides, checked, ranks_by_direction
from mlzoo_multisk.scores.recall import hits

DIRECTION = "t2v"
KS = (1, 5, 10)


def paired(one: Arrays, other: Arrays) -> Facts:
    """The test of two runs' predictions of one split, paired by clip.

    Args:
        one, other: arrays of :mod:`mlzoo_multisk.retrieval`, in any order of clips if they have ``ids``.

    Returns:
        ``test`` and ``p``; the number of ``queries``; the geometric mean of each run in percent, the
        ``difference`` and its bounds; those of R@1; how many queries one run alone finds at once, and the
        p-value of McNemar's test over them.

    Raises:
        DataError: the runs have not the same clips, or benchmarks of another size.
        PluginError, NonFiniteError: as :func:`mlzoo_multisk.evaluators.score`.
    """
    sides = [checked(each) for each in (one, other)]
    order = rows_of_other(sides[0].ids, sides[1].ids, "clips")
    complete = sides[0].complete
    if sides[1].complete != complete:
        raise DataError(f"one benchmark has {complete} clips, the other {sides[1].complete}.")
    found = [_found(sides[0]), _found(sides[1])[order]]
    share = len(order) / complete  # clips that this copy lacks are not found

    def geometric_mean(means: Float64) -> Float64:
        return np.asarray(100 * share * np.cbrt(means[:, 0].prod(axis=1)))

    name = f"{DIRECTION}_geometric_mean"
    main = compare_scores({name: geometric_mean}, *found)[name]
    first = McNemar.of(*(each[:, 0] for each in found))
    low, high = first.interval()
    return {
        "test": "randomisation test of R@1, R@5 and R@10, text to video, over queries",
        "p": main.p,
        "queries": len(order),
        **main.facts(name),
        "r1_difference": share * (first.accuracies[1] - first.accuracies[0]),
        "r1_low": share * low,
        "r1_high": share * high,
        "only_one_first": first.only_one,
        "only_other_first": first.only_other,
        "p_mcnemar": first.exact,
    }


def _found(sides: Sides) -> npt.NDArray[np.bool_]:
    """bool [n, 3]: whether each query's clip is among the first K."""
    ranks = ranks_by_direction(sides, (DIRECTION,))[DIRECTION]
    return np.column_stack([hits(ranks, k) for k in KS])
