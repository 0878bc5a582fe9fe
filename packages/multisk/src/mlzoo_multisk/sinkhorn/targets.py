"""From a plan to targets of the anchor loss."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from mlzoo_multisk.sinkhorn.arithmetic import Arithmetic
from mlzoo_multisk.sinkhorn.plan import multi_sinkhorn


def assignments_of(anchors: int, share: float) -> int:
    """r = share · K, cut to an integer."""
    return int(anchors * share)


def min_max(x: Tensor, constant: Literal["zero", "nan"] = "zero") -> Tensor:
    """Every row brought to [0, 1]: (x - min) / (max - min), of x [..., K].

    Args:
        constant: what a row of equal numbers becomes, for which the formula is 0/0. ``zero``: it prefers
            no anchor, and its target is none. ``nan``: as the published program has it.
    """
    low, high = x.aminmax(dim=-1, keepdim=True)
    width = high - low
    if constant == "zero":
        width = width.where(width != 0, 1)
    return (x - low) / width


@torch.no_grad()
def assignment_targets(
    scores: Tensor,
    *,
    epsilon: float,
    iterations: int,
    assignments: int,
    rows: int | None = None,
    arithmetic: Arithmetic = "auto",
    constant: Literal["zero", "nan"] = "zero",
) -> Tensor:
    """[*, rows, K]: the last r slices of the discrete plan of scores [*, B, K] summed, every sample's
    row brought to [0, 1].

    Args:
        rows: of the last samples alone; all of them if not given. The others take part in the plan.
        constant: of :func:`min_max`; the rest as of :func:`mlzoo_multisk.sinkhorn.plan.multi_sinkhorn`.

    Raises:
        UsageError: an argument is out of its range.
    """
    plan = multi_sinkhorn(
        scores,
        epsilon=epsilon,
        iterations=iterations,
        assignments=assignments,
        arithmetic=arithmetic,
    )
    return min_max(plan.assigned(rows), constant)
