"""Texts of similar lengths together, so that little padding is computed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.int64]


def length_buckets(lengths: Index, buckets: int) -> list[Index]:
    """Rows in groups that are each padded to their longest, with as few tokens in all as can be.

    Args:
        lengths: int64 [n], tokens of each row.
        buckets: how many groups there may be; fewer if there are fewer lengths.

    Returns:
        int64 arrays of rows, from the shortest to the longest, in their order within a group.
    """
    different, counts = np.unique(lengths, return_counts=True)  # [u] ascending, [u]
    before = np.concatenate([[0], counts.cumsum()])  # [u+1] rows shorter than the i-th length
    buckets = min(buckets, len(different))
    # cost[j]: tokens of all rows shorter than the j-th length, in the best groups so far.
    cost = np.concatenate([[0], different * before[1:]])
    starts = []
    for _ in range(1, buckets):
        # tokens[i, j]: one group more, that begins with the i-th length and ends before the j-th.
        tokens = cost[:, None] + (before[None] - before[:, None]) * np.append(0, different)[None]
        tokens[np.tril_indices(len(before), -1)] = np.iinfo(np.int64).max
        starts.append(tokens.argmin(axis=0))
        cost = tokens.min(axis=0)
    bounds = [len(different)]
    for start in reversed(starts):
        bounds.append(int(start[bounds[-1]]))
    edges = different[[bound for bound in sorted(set(bounds)) if bound < len(different)]]
    group = np.searchsorted(edges, lengths, side="right")
    return [
        rows for number in range(len(edges) + 1) if len(rows := np.flatnonzero(group == number))
    ]
