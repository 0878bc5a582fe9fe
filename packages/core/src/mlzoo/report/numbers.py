"""How numbers are written in tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlzoo.planning import Repetition


def format_metric(value: float | None, unit: str) -> str:
    """One decimal for percentages, four for the rest; a dash for what is not there."""
    if value is None or value != value:
        return "-"
    return f"{value:.1f}" if unit == "%" else f"{value:.4f}"


def reference_text(values: Mapping[str, float], unit: str) -> str:
    """``chance 50.0, true effect 83.3``."""
    form = ".1f" if unit == "%" else ".4g"
    return ", ".join(f"{label} {value:{form}}" for label, value in values.items())


def listed(numbers: Mapping[str, Sequence[int]]) -> str:
    """``splits 1-4, 7, seeds 0, 1``, from ascending numbers by name; seeds one by one."""
    return ", ".join(
        f"{name}s {', '.join(map(str, found)) if name == 'seed' else _ranges(found)}"
        for name, found in numbers.items()
    )


def _ranges(numbers: Sequence[int]) -> str:
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    return ", ".join(f"{one[0]}-{one[-1]}" if len(one) > 1 else str(one[0]) for one in ranges)


def name_of(repetition: Repetition) -> str:
    """``split 7, seed 0``."""
    return ", ".join(f"{name} {number}" for name, number in repetition)


def names_of(repetitions: Sequence[Repetition]) -> str:
    """``seeds 1, 2``; ``splits 3-30, seeds 0``; one by one if that would name more than there are."""
    names = [name for name, _ in repetitions[0]]
    numbers = {name: sorted({dict(each)[name] for each in repetitions}) for name in names}
    if math.prod(map(len, numbers.values())) > len(repetitions):
        return "; ".join(map(name_of, repetitions))
    return listed(numbers)
