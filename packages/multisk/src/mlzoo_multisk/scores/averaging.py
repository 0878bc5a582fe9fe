"""Embeddings of the cuts of a clip as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError
from mlzoo_multisk.clips import DROPPED


def average_by_id(
    ids: Sequence[str] | npt.NDArray[np.str_], rows: npt.NDArray[Any]
) -> tuple[list[str], npt.NDArray[Any]]:
    """The mean of the rows of each id.

    Args:
        ids: [c], one a row; rows whose id is ``"-1"`` are left out.
        rows: floating point [c, ...].

    Returns:
        The m ids in the order of characters, and their means [m, ...] of the type of ``rows``.

    Raises:
        DataError: there are not as many ids as rows.
    """
    if len(ids) != len(rows):
        raise DataError(f"{len(rows)} rows have {len(ids)} ids.")
    names = np.asarray(ids, dtype=np.str_)
    kept = np.flatnonzero(names != DROPPED)
    if not len(kept):
        return [], rows[:0]
    distinct, which, counts = np.unique(names[kept], return_inverse=True, return_counts=True)
    order = np.argsort(which, kind="stable")
    starts = np.cumsum(counts) - counts
    sums = np.add.reduceat(rows[kept[order]].astype(np.float64), starts, axis=0)  # [m, ...]
    means = sums / counts.reshape(-1, *(1,) * (rows.ndim - 1))
    return distinct.tolist(), means.astype(rows.dtype)
