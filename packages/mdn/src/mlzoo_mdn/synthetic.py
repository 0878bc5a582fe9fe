"""The synthetic experiment of Metadata Normalization (Lu et al., CVPR 2021, synthetic data).

Every image shows one number that belongs to the label (the *main effect*, two blocks on the
diagonal) and one number that only travels with it (the *confounder*, one block off the diagonal).
Both are uniform on [1, 4] for label 0 and on [3, 6] for label 1, so that either of them alone
separates the labels in 5 of 6 cases, and both together in 17 of 18.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Streams = Literal["published", "independent"]
Random = np.random.RandomState | np.random.Generator

SIZE = 32
BLOCK = SIZE // 2
KERNEL_SIGMAS = 5
NOISE = 0.01
RANGES = ((1.0, 4.0), (3.0, 6.0))
"""The interval of the main effect and of the confounders, by label."""

CEILING_TRUE_EFFECT = 5 / 6
"""Best accuracy from the main effect alone: it is ambiguous on [3, 4], a third of either label."""
CEILING_WITH_CONFOUNDER = 17 / 18
"""Best accuracy from both: a ninth of either label is ambiguous, half of it won by luck."""

SPLIT_SEED_OFFSETS = {"train": 0, "val": 1, "test": 3}


@dataclass(frozen=True, eq=False)
class SyntheticGroups:
    """Two groups of N images; the first N samples have label 0, the others label 1.

    Attributes:
        images: float64 [2N, 1, 32, 32]; a view whose last two axes are swapped in memory.
        labels: int64 [2N].
        confounder: float64 [2N], shown in the images and handed to the method.
        second_confounder: float64 [2N], drawn and shown nowhere.
        main_effect: float64 [2N], what truly belongs to the label.
    """

    images: Float64
    labels: npt.NDArray[np.int64]
    confounder: Float64
    second_confounder: Float64
    main_effect: Float64


def gaussian_kernel(length: int, sigmas: float) -> Float64:
    """A Gaussian bump, float64 [length, length], that sums to 1.

    The one-dimensional profile is the normal probability of ``length`` equal intervals that reach
    ``sigmas`` standard deviations (and half an interval) to either side.
    """
    from scipy.special import ndtr  # numpy has no normal distribution function

    interval = (2 * sigmas + 1) / length
    edges = np.linspace(-sigmas - interval / 2, sigmas + interval / 2, length + 1)
    profile = np.diff(ndtr(edges))  # [length]
    kernel = np.sqrt(np.outer(profile, profile))  # [length, length]
    result: Float64 = kernel / kernel.sum()
    return result


def generate(group_size: int, seed: int = 4201) -> SyntheticGroups:
    """The published data of one split, bit for bit.

    The confounders come from the legacy stream ``seed``, the main effect and the noise from
    ``seed + 1``. Hence the splits of neighbouring seeds share numbers: see :func:`generate_splits`.

    Args:
        group_size: N, the number of images of each label.
        seed: of the confounders, 0 to 2**32 - 2.
    """
    random = np.random.RandomState(seed)
    confounder = _uniform_by_label(random, group_size)
    second_confounder = _uniform_by_label(random, group_size)
    random = np.random.RandomState(seed + 1)
    main_effect = _uniform_by_label(random, group_size)
    return _groups(confounder, second_confounder, main_effect, random)


def generate_independent(group_size: int, seed: np.random.SeedSequence) -> SyntheticGroups:
    """The same distribution as :func:`generate` with a stream of its own for every quantity."""
    *streams, noise = (np.random.default_rng(child) for child in seed.spawn(4))
    confounder, second, main_effect = (_uniform_by_label(each, group_size) for each in streams)
    return _groups(confounder, second, main_effect, noise)


def generate_splits(
    group_size: int, seed: int = 1234, streams: Streams = "published"
) -> dict[str, SyntheticGroups]:
    """The splits ``train``, ``val`` and ``test``, each with ``group_size`` images of each label.

    ``published`` seeds them with seed, seed + 1 and seed + 3. As every split uses two neighbouring
    seeds, the confounder of val is then bit-identical to the main effect of train.
    ``independent`` gives every split and every quantity a stream of its own.
    """
    if streams == "published":
        return {
            split: generate(group_size, seed + offset)
            for split, offset in SPLIT_SEED_OFFSETS.items()
        }
    children = np.random.SeedSequence(seed).spawn(len(SPLIT_SEED_OFFSETS))
    return {
        split: generate_independent(group_size, child)
        for split, child in zip(SPLIT_SEED_OFFSETS, children, strict=True)
    }


def _uniform_by_label(random: Random, group_size: int) -> Float64:
    """One number for each sample, float64 [2N], uniform on the interval of its label."""
    return np.concatenate([random.uniform(low, high, group_size) for low, high in RANGES])


def _groups(
    confounder: Float64, second_confounder: Float64, main_effect: Float64, noise: Random
) -> SyntheticGroups:
    count = len(confounder)
    kernel = gaussian_kernel(BLOCK, KERNEL_SIGMAS)  # [16, 16]
    main_block = main_effect[:, None, None] * kernel  # [2N, 16, 16]
    # One call draws the same stream as a call for each image, and the blocks are added in place.
    images = noise.normal(0, NOISE, size=(count, SIZE, SIZE))  # [2N, row, column]
    images[:, :BLOCK, :BLOCK] += main_block
    images[:, BLOCK:, :BLOCK] += confounder[:, None, None] * kernel
    images[:, BLOCK:, BLOCK:] += main_block
    return SyntheticGroups(
        # The published code swaps the trailing channel axis with the rows: a transposed image.
        images=images[..., None].swapaxes(1, 3),  # [2N, 1, column, row]
        labels=np.repeat(np.arange(2, dtype=np.int64), count // 2),
        confounder=confounder,
        second_confounder=second_confounder,
        main_effect=main_effect,
    )
