"""A zero-shot world whose densities are known, and the best accuracies that are possible in it.

Class c has the mean mu_c = b + a_c W, where a_c are its attributes scaled to length 1; its samples are
x = max(0, mu_c + sigma e), e ~ N(0, I): rectified, so that they are non-negative and sometimes exactly
0, as pooled features are. Unseen classes follow from their attributes by the same map.

The best rule takes the class under which a sample is likeliest, every class equally likely before. It
maximises the mean of the classes' expected accuracies, not the harmonic mean, and test samples are
finitely many: a method can come out above a ceiling by luck or by favouring the unseen, not by much.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mlzoo_tfvaegan.zero_shot import Index

Matrix = npt.NDArray[np.float64]

CLASSES, FEATURES, ATTRIBUTES = 30, 64, 16
SAMPLES = (40, 70)
"""Fewest and most samples of a class."""
DISTANCE = 4
"""In how many attributes any two classes differ at least."""
NOISE = 2.4
"""sigma, where the means of the classes have standard deviation 1 in every feature."""
OFFSET = 1.5
"""Mean of a feature before it is rectified, in its standard deviations: about 7 % become 0."""


@dataclass(frozen=True, eq=False)
class World:
    """Samples and where they come from.

    Attributes:
        present: bool [C, A], the attributes as yes or no.
        strength: float64 [C, A], the same as strengths, 0 to 1.
        weight: W, float64 [A, R].
        offset: b, float64 [R].
        label: int64 [N], from 0.
        features: float64 [N, R], at least 0.
    """

    present: npt.NDArray[np.bool_]
    strength: Matrix
    weight: Matrix
    offset: Matrix
    label: Index
    features: Matrix

    @cached_property
    def attributes(self) -> Matrix:
        """a, float64 [C, A], rows of length 1."""
        return unit_rows(self.strength)

    def log_likelihood(self, rows: Index) -> Matrix:
        """[n, C], of samples under classes, up to a constant of each sample.

        A zero has the probability that the normal distribution gives to all values below 0.
        """
        from scipy.special import log_ndtr

        mean = (self.offset + self.attributes @ self.weight) / NOISE  # [C, R]
        x = self.features[rows, None, :] / NOISE  # [n, 1, R]
        total: Matrix = np.where(x > 0, -((x - mean) ** 2) / 2, log_ndtr(-mean)).sum(axis=2)
        return total


def draw_world(random: np.random.Generator, *, graded: bool = True) -> World:
    """Classes, the map, and samples in random order.

    Args:
        random: where all comes from.
        graded: attributes have strengths (0.6 to 1, or 0 to 0.4), not just 1 and 0.
    """
    present = _distinct_codes(random)
    strength = present.astype(np.float64)
    if graded:
        strength = 0.6 * strength + 0.4 * random.random(strength.shape)
    weight = random.standard_normal((ATTRIBUTES, FEATURES))
    weight /= (unit_rows(strength) @ weight).std(axis=0)
    centre = (unit_rows(strength) @ weight).mean(axis=0)
    offset = OFFSET * np.sqrt(1 + NOISE**2) - centre
    counts = random.integers(*SAMPLES, size=CLASSES, endpoint=True)
    label = random.permutation(np.repeat(np.arange(CLASSES), counts))
    mean = offset + unit_rows(strength) @ weight  # [C, R]
    noise = random.standard_normal((len(label), FEATURES))
    features = np.maximum(0, mean[label] + NOISE * noise)
    return World(present, strength, weight, offset, label, features)


def best_accuracies(world: World, test_seen: Index, test_unseen: Index) -> dict[str, float]:
    """Accuracy of the best rule on these rows by metric, means over classes in percent.

    ``zsl_top1`` among the unseen classes alone; ``gzsl_seen``, ``gzsl_unseen`` and their harmonic mean
    ``gzsl_h`` among all.
    """
    unseen = np.unique(world.label[test_unseen])
    of_seen, of_unseen = world.log_likelihood(test_seen), world.log_likelihood(test_unseen)
    among_unseen = unseen[of_unseen[:, unseen].argmax(axis=1)]
    seen_share = _class_mean(of_seen.argmax(axis=1), world.label[test_seen])
    unseen_share = _class_mean(of_unseen.argmax(axis=1), world.label[test_unseen])
    return {
        "zsl_top1": _class_mean(among_unseen, world.label[test_unseen]),
        "gzsl_seen": seen_share,
        "gzsl_unseen": unseen_share,
        "gzsl_h": 2 * seen_share * unseen_share / (seen_share + unseen_share),
    }


def unit_rows(matrix: Matrix) -> Matrix:
    """Rows of length 1."""
    unit: Matrix = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return unit


def _distinct_codes(random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """bool [C, A]: drawn one after the other, those too close to an earlier one drawn again."""
    codes = np.empty((0, ATTRIBUTES), dtype=bool)
    while len(codes) < CLASSES:
        code = random.random(ATTRIBUTES) < 0.5
        if code.any() and ((codes != code).sum(axis=1) >= DISTANCE).all():
            codes = np.vstack([codes, code])
    return codes


def _class_mean(predicted: Index, label: Index) -> float:
    """Mean over classes of the share of its samples that is right, in percent."""
    right = [(predicted[label == c] == c).mean() for c in np.unique(label)]
    return float(100 * np.mean(right))
