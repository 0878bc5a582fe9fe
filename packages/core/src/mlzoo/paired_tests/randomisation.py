"""A randomisation test of scores that are made of means over samples, with bounds of their difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mlzoo.paired_tests.pairing import LEVEL, Facts

Float64: TypeAlias = npt.NDArray[np.float64]
Index: TypeAlias = npt.NDArray[np.int64]
Statistic: TypeAlias = Callable[[Float64], Float64]
"""From means over samples, float64 [b, g, d] for b resamples, g groups and d numbers a sample, to [b]."""

RESAMPLES = 9999
"""So that with the data themselves there are ten thousand."""

_ENTRIES = 2**21
"""Counts that are drawn at a time."""

_EQUAL = 1e-12
"""Relative difference below which two values of a statistic are one that was summed in another order."""


@dataclass(frozen=True)
class Difference:
    """Of a score of two runs.

    Attributes:
        one, other: the score of each.
        low, high: 95 % bounds of ``difference``, by the bootstrap.
        p: of the randomisation test.
    """

    one: float
    other: float
    low: float
    high: float
    p: float

    @property
    def difference(self) -> float:
        """The other's less the one's."""
        return self.other - self.one

    def facts(self, name: str) -> Facts:
        """What a paired test returns of its main score: the two values under its name, ``difference`` and its
        bounds."""
        return {
            f"{name}_one": self.one,
            f"{name}_other": self.other,
            "difference": self.difference,
            "difference_low": self.low,
            "difference_high": self.high,
        }

    def further(self, name: str) -> Facts:
        """What it returns of another score: difference, bounds and p-value under its name."""
        return {
            f"{name}_difference": self.difference,
            f"{name}_low": self.low,
            f"{name}_high": self.high,
            f"{name}_p": self.p,
        }


def compare_scores(
    scores: Mapping[str, Statistic],
    one: npt.ArrayLike,
    other: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Difference]:
    """Whether scores of two runs differ by more than chance, and how far.

    The p-value is of a paired randomisation test: if both runs are equally good, each sample's results may
    as well be exchanged. They are, each sample with probability 1/2, and p is the share of so many exchanges
    (the data themselves included) whose difference is as far from 0 as the one observed. That holds for few
    samples, too, where a p-value from a bootstrap would call five samples of five significant. The bounds
    are the percentiles of a paired bootstrap, which draws samples with replacement within each group.

    Equal samples of a group are drawn together: what they become is binomial or multinomial, which is the
    same distribution as that of single draws, at a cost of the *distinct* samples alone. 0 and 1 make at most
    four.

    Args:
        scores: by name, of the means over samples (of each group, in the order of ``np.unique``).
        one, other: [n] or [n, d], d numbers of each sample for each run, paired.
        groups: [n], of each sample; drawn samples stay in theirs. One group if not given.
        resamples: how many exchanges, and how many draws; all scores see the same.
        seed: of both. The order of the samples changes nothing, that of the runs nothing but the sign.

    Returns:
        By the names of the scores.

    Raises:
        ValueError: there are no samples, the shapes differ, or a number is not finite.
    """
    first, second = (np.asarray(each, dtype=np.float64) for each in (one, other))
    if first.shape != second.shape or not len(first):
        raise ValueError(f"scores of shape {first.shape} cannot be paired with {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("scores must be finite")
    first, second = (each.reshape(len(each), -1) for each in (first, second))
    label = np.zeros(len(first)) if groups is None else np.asarray(groups)
    place = np.unique(label, return_inverse=True)[1].reshape(-1)
    both_ways = _Cells.of(first, second, place), _Cells.of(second, first, place)
    swap = both_ways[0].content() > both_ways[1].content()
    cells = both_ways[swap]
    observed = _values(scores, *cells.means(cells.counts[None]))
    random = np.random.default_rng(seed)
    exchanged: list[list[Float64]] = []
    drawn: list[list[Float64]] = []
    for width in cells.widths(resamples):
        found = _values(scores, *cells.means(*cells.exchanged(random, width)))
        exchanged.append([theirs - mine for mine, theirs in found])
        found = _values(scores, *cells.means(cells.redrawn(random, width)))
        drawn.append([theirs - mine for mine, theirs in found])
    differences = {}
    for i, name in enumerate(scores):
        parts = [np.concatenate([part[i] for part in kind]) for kind in (exchanged, drawn)]
        differences[name] = _difference(observed[i], parts[0], parts[1], swap)
    return differences


def _values(
    scores: Mapping[str, Statistic], mine: Float64, theirs: Float64
) -> list[tuple[Float64, Float64]]:
    """Each score of both runs, [b] each."""
    return [(score(mine), score(theirs)) for score in scores.values()]


def _difference(
    observed: tuple[Float64, Float64], exchanged: Float64, drawn: Float64, swap: bool
) -> Difference:
    """From the values observed, and the differences of exchanges and of draws."""
    mine, theirs = (float(each[0]) for each in observed)
    slack = _EQUAL * max(1.0, abs(mine), abs(theirs))
    far = int((np.abs(exchanged) >= abs(theirs - mine) - slack).sum())
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = (0.0 if abs(end) <= slack else float(end) for end in np.quantile(drawn, tails))
    p = (1 + far) / (1 + len(exchanged))
    if swap:
        return Difference(theirs, mine, 0.0 - high, 0.0 - low, p)
    return Difference(mine, theirs, low, high, p)


@dataclass(frozen=True, eq=False)
class _Cells:
    """Distinct pairs of samples by group, padded to the most that a group has.

    Attributes:
        counts: int64 [g, m], how many samples are such; 0 of padding.
        one, other: float64 [g, m, d].
    """

    counts: Index
    one: Float64
    other: Float64

    @classmethod
    def of(cls, one: Float64, other: Float64, groups: npt.NDArray[Any]) -> _Cells:
        width = one.shape[1]
        rows, counts = np.unique(np.column_stack([groups, one, other]), axis=0, return_counts=True)
        own = rows[:, 0].astype(np.int64)
        place = np.arange(len(own)) - np.searchsorted(own, own)  # within the group
        shape = (int(own[-1]) + 1, int(place.max()) + 1)
        padded = np.zeros((*shape, 2 * width))
        number = np.zeros(shape, dtype=np.int64)
        padded[own, place], number[own, place] = rows[:, 1:], counts
        return cls(number, padded[..., :width], padded[..., width:])

    def content(self) -> tuple[bytes, ...]:
        """What tells cells apart, to have an order of the two runs that is no matter of who names them."""
        return self.counts.tobytes(), self.one.tobytes(), self.other.tobytes()

    def widths(self, resamples: int) -> Iterator[int]:
        """How many resamples at a time."""
        step = max(1, _ENTRIES // (self.counts.size * self.one.shape[2]))
        for at in range(0, resamples, step):
            yield min(step, resamples - at)

    @property
    def sizes(self) -> Index:
        """int64 [g], samples of each group."""
        sizes: Index = self.counts.sum(axis=1)
        return sizes

    def means(self, own: Index, moved: Index | None = None) -> tuple[Float64, Float64]:
        """Means over samples for both runs, float64 [b, g, d] each, where cells count ``own`` [b, g, m]
        times for their run and ``moved`` times for the other."""
        first, second = self._means(own, self.one), self._means(own, self.other)
        if moved is None:
            return first, second
        return first + self._means(moved, self.other), second + self._means(moved, self.one)

    def exchanged(self, random: np.random.Generator, width: int) -> tuple[Index, Index]:
        """How often cells count for their own run and for the other, in ``width`` random exchanges."""
        differs = (self.one != self.other).any(axis=2)  # exchanging others changes nothing
        counts = np.where(differs, self.counts, 0)
        moved = random.binomial(counts, 0.5, size=(width, *counts.shape))
        return self.counts - moved, moved

    def redrawn(self, random: np.random.Generator, width: int) -> Index:
        """How often cells count in ``width`` draws with replacement."""
        shares = self.counts / self.sizes[:, None]
        return random.multinomial(self.sizes, shares, size=(width, len(shares)))

    def _means(self, counts: Index, rows: Float64) -> Float64:
        """float64 [b, g, d]."""
        weights = (counts / self.sizes[:, None]).transpose(1, 0, 2)  # [g, b, m]
        means: Float64 = (weights @ rows).transpose(1, 0, 2)
        return means
