"""How the descriptions of a batch are cut into pieces that fit into memory, so that little is padding.
Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlzoo_imagecode.contextual import Index


def pieces_by_length(rows: Index, lengths: Index, at_once: int) -> Iterator[Index]:
    """Cut descriptions into pieces of equal length nearly, each of which is trimmed to its own longest.

    The gradient of a batch is a sum over descriptions and does not depend on their order.

    Args:
        rows: int64 [b], descriptions of a batch.
        lengths: int64 [n], tokens of all descriptions.
        at_once: descriptions of a piece at most.

    Yields:
        int64, some of ``rows``: from short to long, those of one length in their order.
    """
    ordered = rows[np.argsort(lengths[rows], kind="stable")]
    for begin in range(0, len(ordered), at_once):
        yield ordered[begin : begin + at_once]
