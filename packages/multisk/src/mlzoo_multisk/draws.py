"""Random numbers that follow from a seed and where they are needed, so that nothing has to be remembered."""

from __future__ import annotations

import numpy as np


def random_of(*place: int) -> np.random.RandomState:
    """A stream of its own for a place, such as (seed, pass, row); numbers are not negative."""
    # The length stands first, as a sequence and the same with zeros behind it are one seed to numpy.
    entropy = (len(place), *place)
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence(entropy)))
