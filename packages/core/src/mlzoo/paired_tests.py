"""Tests of two runs over the samples that both predicted, for ``EvaluatorSpec.paired``.

Two are offered. :class:`McNemar` is for answers that are right or wrong, each sample counting the same.
:func:`compare_scores` is for any score that is made of means over samples, or over samples of groups: macro
averages, harmonic means, F1. Both look at samples as drawn and at the two runs as given: they know nothing of
the spread over seeds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]
Bool: TypeAlias = npt.NDArray[np.bool_]
Float64: TypeAlias = npt.NDArray[np.float64]
Index: TypeAlias = npt.NDArray[np.int64]
Statistic: TypeAlias = Callable[[Float64], Float64]
"""From means over samples, float64 [b, g, d] for b resamples, g groups and d numbers a sample, to [b]."""

Facts: TypeAlias = dict[str, float | str]

LEVEL = 0.95
"""Of intervals."""

RESAMPLES = 9999
"""So that with the data themselves there are ten thousand."""

_ENTRIES = 2**21
"""Counts that are drawn at a time."""

_EQUAL = 1e-12
"""Relative difference below which two values of a statistic are one that was summed in another order."""


@dataclass(frozen=True)
class McNemar:
    """McNemar's test (Psychometrika, 1947): how often which of two models is right.

    Of n samples only those count that one model alone gets right, b by the first and c by the second. If
    both are equally good, b is binomial among b + c with probability 1/2. Samples are taken for independent.

    Attributes:
        both, neither: right and wrong together.
        only_one, only_other: b and c, right alone.
    """

    both: int
    only_one: int
    only_other: int
    neither: int

    @classmethod
    def of(cls, one: Bool, other: Bool) -> McNemar:
        """From whether each was right: bool [n], paired.

        Raises:
            ValueError: of different length.
        """
        if one.shape != other.shape:
            raise ValueError(f"{len(one)} answers cannot be paired with {len(other)}")
        return cls(
            both=int((one & other).sum()),
            only_one=int((one & ~other).sum()),
            only_other=int((other & ~one).sum()),
            neither=int((~one & ~other).sum()),
        )

    @property
    def samples(self) -> int:
        """n."""
        return self.both + self.neither + self.discordant

    @property
    def discordant(self) -> int:
        """b + c."""
        return self.only_one + self.only_other

    @property
    def accuracies(self) -> tuple[float, float]:
        """Percent right, of each; NaN without samples."""
        if not self.samples:
            return float("nan"), float("nan")
        right = self.both + self.only_one, self.both + self.only_other
        return 100 * right[0] / self.samples, 100 * right[1] / self.samples

    @property
    def exact(self) -> float:
        """The two-sided binomial p-value; 1 without a discordant pair."""
        from scipy.stats import binomtest

        if not self.discordant:
            return 1.0
        return float(binomtest(self.only_one, self.discordant, 0.5).pvalue)

    @property
    def mid_p(self) -> float:
        """The same with half the probability of what was observed: less conservative (Fagerland, Lydersen and
        Laake, BMC Medical Research Methodology, 2013)."""
        from scipy.stats import binom

        if not self.discordant:
            return 1.0
        fewer = min(self.only_one, self.only_other)
        cumulated = binom.cdf(fewer, self.discordant, 0.5)
        return float(min(1.0, 2 * cumulated - binom.pmf(fewer, self.discordant, 0.5)))

    @property
    def chi_square(self) -> float:
        """(b - c)² / (b + c), of one degree of freedom; 0 without a discordant pair."""
        if not self.discordant:
            return 0.0
        return (self.only_one - self.only_other) ** 2 / self.discordant

    @property
    def asymptotic(self) -> float:
        """The p-value of :attr:`chi_square`, for many discordant pairs."""
        from scipy.stats import chi2

        return float(chi2.sf(self.chi_square, 1))

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Bounds of the difference of the accuracies, second less first, in percent.

        With π the probability that a discordant pair is the second's, the difference is
        (b + c)/n · (2π - 1); the bounds are those of Clopper and Pearson for π, given b + c. So 0 is outside
        exactly if the exact test says p < 1 - level. Without a discordant pair both are 0.
        """
        from scipy.stats import binomtest

        if not self.discordant:
            return 0.0, 0.0
        found = binomtest(self.only_other, self.discordant).proportion_ci(level, method="exact")
        share = 100 * self.discordant / self.samples
        return share * (2 * float(found.low) - 1), share * (2 * float(found.high) - 1)

    def facts(self, samples: str = "samples") -> Facts:
        """What a paired test returns: ``test`` and ``p`` of the exact test; the number of ``samples`` under
        the name they have; both accuracies in percent, their difference (the other's less the one's) and its
        95 % bounds; the four counts; the p-values of the mid-p and the chi-square test."""
        one, other = self.accuracies
        low, high = self.interval()
        return {
            "test": "McNemar's exact test",
            "p": self.exact,
            samples: self.samples,
            "accuracy_one": one,
            "accuracy_other": other,
            "difference": other - one,
            "difference_low": low,
            "difference_high": high,
            "both_right": self.both,
            "only_one_right": self.only_one,
            "only_other_right": self.only_other,
            "neither_right": self.neither,
            "p_mid": self.mid_p,
            "p_chi_square": self.asymptotic,
        }


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
        seed: of both. The order of the two runs changes nothing but the sign.

    Returns:
        By the names of the scores.

    Raises:
        ValueError: there are no samples, or the shapes differ.
    """
    first, second = (np.asarray(each, dtype=np.float64) for each in (one, other))
    if first.shape != second.shape or not len(first):
        raise ValueError(f"scores of shape {first.shape} cannot be paired with {second.shape}")
    first, second = (each.reshape(len(each), -1) for each in (first, second))
    label = np.zeros(len(first)) if groups is None else np.asarray(groups)
    swap = first.tobytes() > second.tobytes()
    pair = (second, first) if swap else (first, second)
    cells = _Cells.of(*pair, np.unique(label, return_inverse=True)[1].reshape(-1))
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
    for place, name in enumerate(scores):
        parts = [np.concatenate([part[place] for part in kind]) for kind in (exchanged, drawn)]
        differences[name] = _difference(observed[place], parts[0], parts[1], swap)
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


def rows_of_other(
    one: Sequence[Hashable], other: Sequence[Hashable], what: str = "samples"
) -> Index:
    """int64 [n]: the rows of the other run that belong to those of the first, by their keys. Keys that occur
    more than once are paired in order.

    Raises:
        DataError: the runs have not the same samples; says which one lacks.
    """
    rows: dict[Hashable, list[int]] = defaultdict(list)
    for row, key in enumerate(other):
        rows[key].append(row)
    waiting = {key: iter(found) for key, found in rows.items()}
    order = [next(waiting.get(key, iter(())), -1) for key in one]
    if -1 in order or len(one) != len(other):
        lacking = f": {_named(one[order.index(-1)])}" if -1 in order else ""
        raise DataError(f"the runs have not the same {what}{lacking}.")
    return np.array(order, dtype=np.int64)


def require_same(one: Arrays, other: Arrays, names: Sequence[str], what: str = "samples") -> None:
    """Refuse runs whose samples are not the same, row by row.

    Args:
        one, other: their prediction arrays.
        names: of the arrays that tell samples apart, such as labels.
        what: what a row is, in the plural.

    Raises:
        DataError: an array is missing, or differs; says where.
    """
    for name in names:
        for arrays, which in ((one, "one"), (other, "the other")):
            if name not in arrays:
                raise DataError(
                    f"the predictions of {which} run hold no {name!r}, by which {what} are paired.",
                    "An older version made them: run it again.",
                )
        a, b = one[name], other[name]
        if a.shape != b.shape:
            shapes = f"{list(a.shape)} and {list(b.shape)}"
            raise DataError(f"the runs have not the same {what}: {name} is {shapes}.")
        if not np.array_equal(a, b):
            place = np.argwhere(np.atleast_1d(a != b))[0][0]
            raise DataError(f"the runs have not the same {what}: {name} differs in row {place}.")


def _named(key: Hashable) -> str:
    return " of ".join(map(repr, reversed(key))) if isinstance(key, tuple) else repr(key)
