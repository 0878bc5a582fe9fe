"""McNemar's test, of two models that are right or wrong about the same samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlzoo.paired_tests.pairing import LEVEL, Facts


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
    def of(cls, one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> McNemar:
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
