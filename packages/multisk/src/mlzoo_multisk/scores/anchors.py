"""What anchors are used for: how evenly samples and plans use them, and whether modalities agree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo_multisk.clips import Index, Modality

NAN = float("nan")
Present = npt.NDArray[np.bool_]


def marginal_error(plan: npt.NDArray[Any]) -> float:
    """How far a plan [n, K] is from using every anchor equally: with the column sums s_k and their mean s̄,
    mean_k |s_k - s̄| / s̄. Rows that hold NaN count nothing; NaN if nothing is assigned at all."""
    sums = plan[~np.isnan(plan).any(axis=1)].sum(axis=0, dtype=np.float64)  # [K]
    mean = sums.mean()
    return float(np.abs(sums - mean).mean() / mean) if mean > 0 else NAN


def entropy_of_use(nearest: Index, anchors: int) -> float:
    """Entropy of the nearest anchors [n] of samples, as a share of log K. NaN without samples or with a
    single anchor."""
    if not len(nearest) or anchors < 2:
        return NAN
    counts = np.bincount(nearest, minlength=anchors)
    shares = counts[counts > 0] / len(nearest)
    return abs(float((shares * np.log(shares)).sum())) / math.log(anchors)


def used(nearest: Index, anchors: int) -> float:
    """Share of the K anchors that are some sample's nearest; NaN without samples."""
    return len(np.unique(nearest)) / anchors if len(nearest) else NAN


def agreement(nearest: Mapping[Modality, Index], present: Mapping[Modality, Present]) -> float:
    """How often two modalities of a clip have the same nearest anchor of one set.

    Args:
        nearest: by modality, int64 [n].
        present: by modality, bool [n], the clips that have it; others are left out.

    Returns:
        The share, as a mean over the pairs of modalities; NaN if no clip has two of them.
    """
    shares = []
    for one, other in combinations(nearest, 2):
        both = present[one] & present[other]
        if both.any():
            shares.append(float((nearest[one] == nearest[other])[both].mean()))
    return float(np.mean(shares)) if shares else NAN
