"""When a checkpoint is worth its time.

Most models save in a blink and do so after every epoch. A large one on a fast device would spend more
time on saving than on training; it saves so often that saving takes a tenth of the time at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

SHARE = 0.1
"""Of the time, for saving."""
CHEAP = 0.5
"""Seconds; what is saved as fast is saved after every epoch."""


class Cadence:
    """Knows how long the last save took, and when it was."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._cost = 0.0
        self._ended = 0.0

    def due(self) -> bool:
        """Whether to save at the end of this epoch: always the first time."""
        waited = self._clock() - self._ended
        return self._cost <= CHEAP or waited >= self._cost * (1 - SHARE) / SHARE

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Around a save."""
        began = self._clock()
        yield
        self._ended = self._clock()
        self._cost = self._ended - began
