"""Where numbers stand in a drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Tick:
    """A labelled place, in user units of the drawing."""

    place: float
    label: str


@dataclass(frozen=True)
class Axis:
    """The numbers from ``low`` to ``high`` laid out from ``start`` to ``stop``, in user units."""

    low: float
    high: float
    start: float
    stop: float

    def place(self, value: float) -> float:
        """Where a number stands; what lies outside stands at the edge."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.stop - self.start), 1)

    def ticks(self, count: int, *, whole: bool = False) -> list[Tick]:
        """About so many round numbers within.

        Args:
            whole: only whole numbers.
        """
        step = _round_step((self.high - self.low) / max(count, 1))
        step = max(step, 1.0) if whole else step
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        return [
            Tick(self.place(n * step), _label(n * step, digits)) for n in range(first, last + 1)
        ]


def axis_of(values: Iterable[float], start: float, stop: float, *, margin: float = 0.04) -> Axis:
    """An axis on which all the finite values fit; around a single one, it and a little more."""
    known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    room = (high - low) * margin
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        room = (max(abs(low), abs(high)) or 1.0) * 0.05
    return Axis(low - room, high + room, start, stop)


def _round_step(least: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... and their tenths."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(
        (factor * power for factor in (1, 2, 5) if factor * power >= least * 0.999), 10 * power
    )


def _label(value: float, digits: int) -> str:
    if abs(value) >= 1e5:
        return f"{value:.0e}"
    if digits > 5:
        return f"{value:.2g}"
    return f"{value:.{digits}f}" if value else "0"
