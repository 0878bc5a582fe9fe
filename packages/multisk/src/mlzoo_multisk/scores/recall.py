"""Recall and mean ranks of one direction of retrieval."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError

NAN = float("nan")
NAMES = ("R1", "R5", "R10", "R50", "MedR", "MeanR", "geometric_mean_R1-R5-R10")
"""Keys of :func:`retrieval_metrics`, in their order."""
_KS = {"R1": 1, "R5": 5, "R10": 10, "R50": 50}


def retrieval_metrics(
    ranks: npt.NDArray[np.floating], complete: int | None = None
) -> dict[str, float]:
    """What is reported of one direction.

    R@K is the share of the benchmark's N queries whose right candidate is among the first K, see
    :func:`hits`. Queries that this copy lacks count as not found.

    Args:
        ranks: float64 [n], from 0; of equals the mean.
        complete: N; n if not given.

    Returns:
        By :data:`NAMES`: R@1, R@5, R@10 and R@50 in percent of N; median and mean rank, from 1, of the n
        queries that are there (NaN if there are none); the geometric mean of the first three.

    Raises:
        DataError: the benchmark has fewer queries than there are, or none.
    """
    total = len(ranks) if complete is None else complete
    if total < max(1, len(ranks)):
        raise DataError(f"there are ranks of {len(ranks)} queries; the benchmark has {total}.")
    found = {name: 100 * int(hits(ranks, k).sum()) / total for name, k in _KS.items()}
    found["MedR"] = float(np.median(ranks)) + 1 if len(ranks) else NAN
    found["MeanR"] = float(np.mean(ranks)) + 1 if len(ranks) else NAN
    found[NAMES[-1]] = float(np.cbrt(found["R1"] * found["R5"] * found["R10"]))
    return found


def hits(ranks: npt.NDArray[np.floating], k: int) -> npt.NDArray[np.bool_]:
    """bool, as ``ranks``: whether the right candidate is among the first K, its rank from 0 below K. For
    K = 1 it must be 0: first and without equals, even if with one equal the mean rank is 0.5."""
    found: npt.NDArray[np.bool_] = ranks == 0 if k == 1 else ranks < k
    return found
