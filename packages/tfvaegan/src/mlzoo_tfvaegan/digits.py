"""The dataset ``digits``: two-digit numbers 00..99 of real handwritten digits; needs no files.

A picture is two of scikit-learn's 8 x 8 handwritten digits side by side, a class is a number, its
embedding says which of the 14 segments of a two-digit display are lit. 20 numbers are unseen: two
permutations of the digits, so that every digit is unseen twice and seen eight times at each place.
No handwritten digit of a test picture occurs in a training picture.

What is to be learned is to put seen parts together anew, which is easier than unseen classes in general.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo_tfvaegan.digits_config import DigitsOptions
from mlzoo_tfvaegan.zero_shot import Index, Split, ZeroShotData

SEGMENTS = np.array(
    [  # a (top), b, c, d, e, f (clockwise), g (middle)
        [1, 1, 1, 1, 1, 1, 0],
        [0, 1, 1, 0, 0, 0, 0],
        [1, 1, 0, 1, 1, 0, 1],
        [1, 1, 1, 1, 0, 0, 1],
        [0, 1, 1, 0, 0, 1, 1],
        [1, 0, 1, 1, 0, 1, 1],
        [1, 0, 1, 1, 1, 1, 1],
        [1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 0, 1, 1],
    ]
)
PERMUTATIONS = 2
"""Of the digits, that become unseen classes."""
TRAIN_SHARE = 2 / 3
"""Of the handwritten images of every digit; the rest is for test."""

Pools = list[Index]
"""Rows of the handwritten images of each digit."""


def load_digits_world(root: Path, options: DigitsOptions) -> ZeroShotData:
    """80 seen and 20 unseen numbers, features [N, 128] or of ``random_width``; reads no file.

    The split for validation is made by the same recipe from the training images alone: 20 of the 80
    seen numbers act as unseen, and no handwritten digit of its test pictures occurs in its training
    pictures. It has pictures of its own, which are not in ``split.train``.
    """
    from sklearn.datasets import load_digits

    images, digit = load_digits(return_X_y=True)  # [1797, 64], 0..16
    random = np.random.default_rng(options.data_seed)
    left, right = random.permutation(10), random.permutation(10)
    # Class ids on ten disjoint diagonals: row k pairs every digit at the left with another at the right.
    diagonals = np.stack([10 * left + np.roll(right, -shift) for shift in range(10)])
    train, test = _divide([np.flatnonzero(digit == d) for d in range(10)], random)
    fitted, held_out = _divide(train, random)
    unseen, acting, others = np.split(diagonals, [PERMUTATIONS, 2 * PERMUTATIONS])
    composed = [
        *_compose(np.append(acting, others), unseen.ravel(), train, test, options, random),
        *_compose(others.ravel(), acting.ravel(), fitted, held_out, options, random),
    ]
    pictures = np.concatenate([pair for _, pair in composed])  # [N, 2], rows of images
    bounds = np.cumsum([len(label) for label, _ in composed])
    parts = np.split(np.arange(len(pictures)), bounds[:-1])
    pixels = images[pictures].reshape(-1, 2, 8, 8).transpose(0, 2, 1, 3).reshape(-1, 128) / 16
    return ZeroShotData(
        features=_features(pixels, options),
        label=np.concatenate([label for label, _ in composed]),
        attributes=_attributes(options),
        class_names=tuple(f"{number:02}" for number in range(100)),
        split=Split(*parts[:3]),
        validation_split=Split(*parts[3:]),
        facts={
            "images": "pairs of handwritten digits, 8 x 16; those of test are not in training",
            "unseen": sorted(f"{number:02}" for number in unseen.ravel()),
            "validation": "20 of the seen numbers act as unseen; its pictures are its own, made of "
            "the handwritten digits for training",
        },
    )


def _divide(pools: Pools, random: np.random.Generator) -> tuple[Pools, Pools]:
    """Every digit's images in two disjoint parts."""
    shuffled = [random.permutation(pool) for pool in pools]
    cuts = [round(TRAIN_SHARE * len(pool)) for pool in pools]
    return (
        [pool[:cut] for pool, cut in zip(shuffled, cuts, strict=True)],
        [pool[cut:] for pool, cut in zip(shuffled, cuts, strict=True)],
    )


def _compose(
    seen: Index,
    unseen: Index,
    train: Pools,
    test: Pools,
    options: DigitsOptions,
    random: np.random.Generator,
) -> list[tuple[Index, Index]]:
    """Train, test_seen and test_unseen of one world: class ids [n] and pairs of images [n, 2]."""
    return [
        _draw(np.sort(seen), train, options.train_images, random),
        _draw(np.sort(seen), test, options.seen_images, random),
        _draw(np.sort(unseen), test, options.unseen_images, random),
    ]


def _draw(
    numbers: Index, pools: Pools, count: int, random: np.random.Generator
) -> tuple[Index, Index]:
    label = np.repeat(numbers, count)
    pairs = [
        np.stack([random.choice(pools[place], count) for place in divmod(number, 10)], axis=1)
        for number in numbers.tolist()
    ]
    return label, np.concatenate(pairs)


def _features(pixels: npt.NDArray[Any], options: DigitsOptions) -> npt.NDArray[np.float32]:
    """[N, 128] as they are, or max(0, x W + b) with W, b ~ N(0, 1)."""
    if options.features == "random":
        random = np.random.default_rng([options.data_seed, 1])
        weight = random.standard_normal((pixels.shape[1], options.random_width))
        pixels = np.maximum(0, pixels @ weight + random.standard_normal(options.random_width))
    return pixels.astype(np.float32)


def _attributes(options: DigitsOptions) -> npt.NDArray[np.float32]:
    """[100, 14] or [100, 20], rows of length 1: the code of the left digit, then of the right one."""
    code = SEGMENTS if options.attributes == "segments" else np.eye(10)
    both = np.concatenate([np.repeat(code, 10, axis=0), np.tile(code, (10, 1))], axis=1)
    unit: npt.NDArray[np.float32] = (both / np.linalg.norm(both, axis=1, keepdims=True)).astype(
        np.float32
    )
    return unit
