"""How the scores are spread over the slices of a plan: the multipliers m_j."""

from __future__ import annotations

from dataclasses import dataclass

from mlzoo.errors import UsageError

LOW, HIGH = 0.25, 1.0
"""Multipliers of the slices that a sample is not, and is, assigned in."""


@dataclass(frozen=True)
class Spread:
    """The slices of a plan that differ.

    Slices with the same multiplier begin equal, and every step treats them alike: they stay equal. So one
    of them is computed, and counted as often as it occurs.

    Attributes:
        multipliers: m of each, M numbers, ascending.
        counts: how many of the K slices each stands for.
        assignments: r, how many slices, from the last, a sample is assigned in.
    """

    multipliers: tuple[float, ...]
    counts: tuple[int, ...]
    assignments: int

    def of_slice(self, number: int) -> int:
        """Which of the M the slice ``number`` of K is."""
        for index, count in enumerate(self.counts):
            number -= count
            if number < 0:
                return index
        raise IndexError(f"there are {sum(self.counts)} slices")

    def assigned(self) -> dict[int, int]:
        """How often each of the M occurs among the last r slices."""
        left, found = self.assignments, {}
        for index in reversed(range(len(self.counts))):
            found[index] = min(left, self.counts[index])
            left -= found[index]
        return {index: count for index, count in found.items() if count}


def spread_of(anchors: int, assignments: int, discrete: bool = True) -> Spread:
    """The multipliers of K slices:

        discrete      m_j = 1/4 for the first K - r slices, 1 for the last r
        otherwise     m_j = 0.9 j / K + 0.1 for j = 1 .. K

    Raises:
        UsageError: ``assignments`` is not among 1 .. K.
    """
    if not 1 <= assignments <= anchors:
        raise UsageError(f"a sample cannot be assigned to {assignments} of {anchors} anchors.")
    if not discrete:
        multipliers = tuple(0.9 * j / anchors + 0.1 for j in range(1, anchors + 1))
        return Spread(multipliers, (1,) * anchors, assignments)
    if assignments == anchors:
        return Spread((HIGH,), (anchors,), assignments)
    return Spread((LOW, HIGH), (anchors - assignments, assignments), assignments)
