"""A world of tagged images whose answer is known: which regions show which tag, and what can be reached.

Tag c has latent attributes a_c of length 1; its word vector is a multiple of a_c Q, and a region that
shows it has the mean mu_c = b + s a_c M, where Q has orthonormal rows: a linear map, from the word vector
of length 1 to a direction among the features, that holds for unseen tags as for seen ones. A region
shows one tag or none (mu = b); its features are max(0, mu + sigma e), e ~ N(0, I), as after a ReLU, and
stored in sixteenths. Every tag of an image covers a rectangle of regions.

The planted scorer knows all means. It takes the probability of each tag in each region and, as the
model does, averages the logarithms of the highest few over the regions of an image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

CHANNELS, SIDE, WORD_WIDTH = 512, 14, 300
LATENT = 8
"""Attributes; fewer than seen tags, so that these span the space of the unseen ones."""
CLOSEST = 0.7
"""Cosine of the attributes of any two tags, at most."""
STRENGTH, OFFSET, NOISE = 1.0, 0.25, 1.0
"""s for directions whose entries have variance 1/LATENT, b and sigma."""
SIDES = (3, 6)
"""Fewest regions along a side of a tag's rectangle, and one more than most."""
LEAST_REGIONS = 6
"""That a tag keeps when others cover some of its own."""
MOST_TAGS = 9
"""Of an image; more have no room."""
STEP = 16
"""Features are multiples of 1/16: their files pack well."""


@dataclass(frozen=True, eq=False)
class World:
    """Tags and what shows them.

    Attributes:
        attributes: a, float64 [C, LATENT], rows of length 1.
        words: float32 [C, 300], word vectors of many lengths.
        means: mu, float64 [C + 1, 512]; the last is that of no tag.
        frequency: float64 [C], the share of images that have the tag.
    """

    attributes: Matrix
    words: Floats
    means: Matrix
    frequency: Matrix


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images of a world.

    Attributes:
        present: bool [N, C].
        shown: int64 [N, 196], the tag of each region, C for none.
        regions: float32 [N, 512, 196].
    """

    present: Mask
    shown: npt.NDArray[np.int64]
    regions: Floats


def draw_world(random: np.random.Generator, frequency: Matrix) -> World:
    """Tags of given frequencies; all else is drawn."""
    attributes = _distinct(random, len(frequency))
    basis = np.linalg.qr(random.standard_normal((WORD_WIDTH, LATENT)))[0].T  # Q [LATENT, 300]
    lengths = random.uniform(4.4, 8.6, (len(frequency), 1))
    directions = attributes @ random.standard_normal((LATENT, CHANNELS)) / np.sqrt(LATENT)
    means = OFFSET + STRENGTH * np.vstack([directions, np.zeros(CHANNELS)])
    words = (lengths * (attributes @ basis)).astype(np.float32)
    return World(attributes, words, means, frequency)


def draw_pictures(world: World, count: int, random: np.random.Generator) -> Pictures:
    """Images whose tags are drawn independently; every tag is in at least two of them.

    Raises:
        ValueError: there are too few images for that.
    """
    if 2 * len(world.frequency) > count * MOST_TAGS // 2:
        raise ValueError(f"{count} images are too few for {len(world.frequency)} tags")
    present = _tags(random, count, world.frequency)
    shown = np.stack([_regions(random, row) for row in present])
    noise = random.standard_normal((count, CHANNELS, SIDE * SIDE), dtype=np.float32)
    regions = world.means.astype(np.float32)[shown].swapaxes(1, 2) + np.float32(NOISE) * noise
    np.maximum(regions, 0, out=regions)
    np.round(regions * STEP, out=regions)
    regions /= STEP
    return Pictures(present, shown, regions)


def planted_scores(world: World, regions: Floats, top: int = LEAST_REGIONS) -> Floats:
    """float32 [N, C]: what the planted scorer gives images [N, 512, 196]."""
    return np.stack([_score(world, image.T.astype(np.float64), top) for image in regions])


def _score(world: World, image: Matrix, top: int) -> Floats:
    """[C] of one image [196, 512]."""
    log_odds = log_likelihood(world, image) + np.log(_priors(world))  # [196, C + 1]
    highest = log_odds.max(axis=1, keepdims=True)
    log_odds -= highest + np.log(np.exp(log_odds - highest).sum(axis=1, keepdims=True))
    best: Matrix = np.sort(log_odds[:, :-1], axis=0)[-top:]
    scores: Floats = best.mean(axis=0).astype(np.float32)
    return scores


def log_likelihood(world: World, regions: Matrix) -> Matrix:
    """[R, C + 1] of regions [R, 512] under each tag and none, up to a constant of each region.

    A feature of 0 has the probability that the normal distribution gives to all values below 0.
    """
    from scipy.special import log_ndtr

    means, x = world.means / NOISE, regions / NOISE
    positive = (x > 0).astype(np.float64)
    below = log_ndtr(-means)  # [C + 1, 512]
    total: Matrix = x @ means.T - positive @ (means**2 / 2).T + (1 - positive) @ below.T
    return total


def _priors(world: World) -> Matrix:
    """[C + 1]: the share of regions that show a tag, or none."""
    covered = world.frequency * ((SIDES[0] + SIDES[1] - 1) / 2) ** 2 / SIDE**2
    return np.append(covered, max(0.1, 1 - covered.sum()))


def _distinct(random: np.random.Generator, count: int) -> Matrix:
    """[count, LATENT], drawn one after the other, those too close to an earlier one drawn again."""
    found = np.empty((0, LATENT))
    while len(found) < count:
        drawn = random.standard_normal(LATENT)
        drawn /= np.linalg.norm(drawn)
        if (found @ drawn <= CLOSEST).all():
            found = np.vstack([found, drawn])
    return found


def _tags(random: np.random.Generator, count: int, frequency: Matrix) -> Mask:
    """[count, C]; an image has one tag at least and MOST_TAGS at most, a tag two images at least."""
    present: Mask = random.random((count, len(frequency))) < frequency
    for image in np.flatnonzero(~present.any(axis=1)):
        present[image, random.integers(len(frequency))] = True
    for image in np.flatnonzero(present.sum(axis=1) > MOST_TAGS):
        tags = random.permutation(np.flatnonzero(present[image]))
        present[image, tags[MOST_TAGS:]] = False
    for tag in np.flatnonzero(present.sum(axis=0) < 2):
        others = np.flatnonzero(~present[:, tag])
        fewest = others[np.argsort(present.sum(axis=1)[others], kind="stable")]
        present[fewest[: 2 - present[:, tag].sum()], tag] = True
    return present


def _regions(random: np.random.Generator, present: Mask) -> npt.NDArray[np.int64]:
    """[196]: rectangles one after the other, until each tag keeps enough regions."""
    tags = np.flatnonzero(present)
    while True:
        shown = np.full((SIDE, SIDE), len(present), dtype=np.int64)
        for tag in random.permutation(tags):
            height, width = random.integers(*SIDES, size=2)
            top, left = random.integers(SIDE + 1 - height), random.integers(SIDE + 1 - width)
            shown[top : top + height, left : left + width] = tag
        if (np.bincount(shown.ravel(), minlength=len(present))[tags] >= LEAST_REGIONS).all():
            return shown.ravel()
