"""Training sets that are put aside for val."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlzoo.errors import DataError

LARGEST_SHARE = 5
"""Val gets one training set in so many at most."""


def held_out_sets(names: Sequence[str], count: int, seed: int) -> frozenset[str]:
    """Some of the sets, drawn without replacement; whole sets, as descriptions of one share their images.

    Args:
        names: of all training sets; their order takes part in the draw.
        count: how many, or a fifth of all if that is less.
        seed: of the draw.

    Raises:
        DataError: there are too few sets to hold one out.
    """
    count = min(count, len(names) // LARGEST_SHARE)
    if not count:
        raise DataError(f"{len(names)} training sets are too few to hold one out for val.")
    drawn = np.random.RandomState(seed).permutation(len(names))[:count]
    return frozenset(names[place] for place in drawn)
