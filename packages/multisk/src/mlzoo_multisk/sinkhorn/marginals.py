"""How much of a plan every anchor is to get."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mlzoo.errors import UsageError


def column_targets(
    distribution: Sequence[float] | Tensor | None, rows: int, first: Tensor
) -> Tensor:
    """c: the column sums that the steps aim at.

    They sum to B. A given distribution is scaled to that sum, raised to at least 1 each and scaled
    again; its values are handed out in order of size, the largest to the anchor with the largest
    column sum at the beginning. Which value is whose in the given order has no meaning. Without one,
    c_k = B / K.

    Args:
        distribution: K numbers.
        rows: B.
        first: [*, K], column sums of the first slice, or anything in their order.

    Returns:
        [*, K] or [K], of the dtype of ``first``.

    Raises:
        UsageError: not K numbers that are 0 or more, with a sum above 0.
    """
    anchors = first.shape[-1]
    if distribution is None:
        return first.new_full((anchors,), rows / anchors)
    c = torch.as_tensor(distribution, dtype=first.dtype, device=first.device)
    if c.shape != (anchors,) or not bool((c >= 0).all()) or not 0 < float(c.sum()) < torch.inf:
        raise UsageError(
            f"class_distribution must be {anchors} numbers, 0 or more, that are not all 0."
        )
    c = (c / c.sum() * rows).clamp(min=1)
    c = c / c.sum() * rows
    order = first.argsort(dim=-1, stable=True)  # [*, K]
    return torch.empty_like(first).scatter_(-1, order, c.sort().values.expand_as(first))
