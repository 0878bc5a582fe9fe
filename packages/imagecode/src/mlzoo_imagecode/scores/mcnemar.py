"""McNemar's test (Psychometrika, 1947): do two models that answer the same questions differ by more than
chance?

Of n questions only those count that one model alone gets right, b by the first and c by the second. If both
models are equally good, b is binomial among b + c with probability 1/2. The test takes descriptions for
independent; those of one set share its images, so that a p-value close to the level proves little.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError
from mlzoo_imagecode.scores.choices import Bool, chosen, share

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class McNemar:
    """How often which of two models is right.

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
    def discordant(self) -> int:
        """b + c."""
        return self.only_one + self.only_other

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


def paired(one: Arrays, other: Arrays) -> dict[str, float | str]:
    """The test of two runs' predictions of one split, paired by set and description.

    Args:
        one, other: arrays of :mod:`mlzoo_imagecode.contextual`, in any order of descriptions.

    Returns:
        ``test`` and ``p``, of the exact test; ``descriptions``, both accuracies in percent and their
        difference, the four counts, and the p-values of the mid-p and the chi-square test.

    Raises:
        DataError: targets are hidden or differ, or the runs have not the same descriptions.
    """
    order = _order(one, other)
    target, same = one["target"], other["target"][order]
    if (target < 0).any() or (same < 0).any():
        raise DataError(
            "the targets of this split are hidden: nobody knows who is right.", "Take --split val."
        )
    first, second = (
        each["position"][np.arange(len(goal)), goal]
        for each, goal in ((one, target), (other, other["target"]))
    )
    if not np.array_equal(first, second[order]):
        row = int(np.flatnonzero(first != second[order])[0])
        raise DataError(f"the runs disagree on what {str(one['text'][row])!r} describes.")
    right = chosen(one["scores"]) == target, (chosen(other["scores"]) == other["target"])[order]
    found = McNemar.of(*right)
    accuracy = [share(each) for each in right]
    return {
        "test": "McNemar's exact test, paired by description",
        "p": found.exact,
        "descriptions": len(target),
        "accuracy_one": accuracy[0],
        "accuracy_other": accuracy[1],
        "difference": accuracy[1] - accuracy[0],
        "both_right": found.both,
        "only_one_right": found.only_one,
        "only_other_right": found.only_other,
        "neither_right": found.neither,
        "p_mid": found.mid_p,
        "p_chi_square": found.asymptotic,
    }


def _order(one: Arrays, other: Arrays) -> npt.NDArray[np.int64]:
    """int64 [n]: the rows of the other run that belong to those of the first. A description that a set has
    twice is paired in order."""
    rows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, key in enumerate(_keys(other)):
        rows[key].append(row)
    waiting = {key: iter(found) for key, found in rows.items()}
    order = [next(waiting.get(key, iter(())), -1) for key in _keys(one)]
    if -1 in order or len(order) != len(other["text"]):
        lacking = order.index(-1) if -1 in order else None
        what = (
            "" if lacking is None else f": {str(one['text'][lacking])!r} of {one['set'][lacking]}"
        )
        raise DataError(f"the runs have not the same descriptions{what}.")
    return np.array(order, dtype=np.int64)


def _keys(arrays: Arrays) -> Iterator[tuple[str, str]]:
    yield from zip(arrays["set"].tolist(), arrays["text"].tolist(), strict=True)
