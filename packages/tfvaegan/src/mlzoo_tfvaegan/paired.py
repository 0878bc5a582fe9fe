"""A test of two runs of the task ``zero-shot``: of the harmonic mean H, over samples within their classes.

H, the main metric, is no share of samples: every class counts the same however many samples it has, and u and
s are brought together at the end. McNemar's test over samples would follow the large classes, and the seen
ones where there are more of them. So the answers of both runs are exchanged sample by sample (p) and samples
are drawn within their class (bounds), and H is computed anew each time:
:func:`mlzoo.paired_tests.compare_scores`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError, PluginError
from mlzoo.paired_tests import Arrays, Facts, Float64, McNemar, compare_scores, require_same

IDENTITY = ("label", "classes", "unseen")
"""Arrays that must be the same in both runs."""


def paired(one: Arrays, other: Arrays) -> Facts:
    """The test of two runs' predictions of one split, paired row by row.

    Args:
        one, other: arrays of :mod:`mlzoo_tfvaegan.zero_shot`, with ``classes`` and ``unseen``.

    Returns:
        ``test`` and ``p``; the number of ``samples``; H of each run in percent, the ``difference`` of H and
        its bounds; the difference, bounds and p-value of u and of s; how many samples one run alone has
        right, and the p-value of McNemar's test over them.

    Raises:
        DataError: the runs have not the same samples or classes, do not say which classes are unseen, or
            there are samples of seen or of unseen classes alone.
        PluginError: scores have another shape than labels and classes.
    """
    require_same(one, other, IDENTITY)
    label = one["label"]
    unseen = np.isin(np.unique(label), one["unseen"])  # [g]
    if unseen.all() or not unseen.any():
        raise DataError(
            "the split has no samples of seen or none of unseen classes: there is no H."
        )
    right = [_right(each) for each in (one, other)]

    def u(means: Float64) -> Float64:
        return np.asarray(100 * means[:, unseen, 0].mean(axis=1))

    def s(means: Float64) -> Float64:
        return np.asarray(100 * means[:, ~unseen, 0].mean(axis=1))

    def h(means: Float64) -> Float64:
        product, total = 2 * u(means) * s(means), u(means) + s(means)
        return np.divide(product, total, out=np.zeros_like(total), where=total > 0)

    scores = {"gzsl_h": h, "gzsl_unseen": u, "gzsl_seen": s}
    found = compare_scores(scores, *right, groups=label)
    samples = McNemar.of(*right)
    return {
        "test": "randomisation test of H over samples, classes counting the same",
        "p": found["gzsl_h"].p,
        "samples": samples.samples,
        **found["gzsl_h"].facts("gzsl_h"),
        **found["gzsl_unseen"].further("gzsl_unseen"),
        **found["gzsl_seen"].further("gzsl_seen"),
        "only_one_right": samples.only_one,
        "only_other_right": samples.only_other,
        "p_mcnemar": samples.exact,
    }


def _right(predictions: Arrays) -> npt.NDArray[np.bool_]:
    """bool [n], whether the likeliest of all classes is the label."""
    label, classes, scores = (predictions[name] for name in ("label", "classes", "scores"))
    if scores.shape != (len(label), len(classes)):
        raise PluginError(
            f"the predictions hold scores of shape {list(scores.shape)}; expected "
            f"{[len(label), len(classes)]}"
        )
    right: npt.NDArray[np.bool_] = classes[scores.argmax(axis=1)] == label
    return right
