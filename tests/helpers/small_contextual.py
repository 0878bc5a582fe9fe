"""A small world of the task ``contextual-retrieval`` in memory: sets of plain pictures that differ in their
colour, and descriptions that name the colour of one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from mlzoo_imagecode.contextual import Bytes, ContextualData, Index, Part
from mlzoo_imagecode.metric_specs import TAGS

SIDE = 40
"""Pixels of a picture."""
COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 70, 220),
    "yellow": (230, 220, 50),
    "purple": (150, 50, 170),
    "orange": (240, 140, 30),
    "grey": (128, 128, 128),
    "white": (245, 245, 245),
    "black": (15, 15, 15),
    "pink": (250, 160, 190),
}


@dataclass(frozen=True, eq=False)
class PixelImages:
    """Images of which all pixels are at hand.

    Attributes:
        pixels: uint8 [N, H, W, 3], H = W.
        names: of the images.
    """

    pixels: Bytes
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pixels)

    def crops(self, rows: Index, size: int, *, fast: bool = False) -> Bytes:
        found = np.empty((len(rows), size, size, 3), np.uint8)
        for place, row in enumerate(rows):
            image = Image.fromarray(self.pixels[row])
            found[place] = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))
        return found

    def digest(self) -> str:
        return hashlib.sha256(self.pixels.tobytes()).hexdigest()


def small_part(
    sets: int,
    *,
    seed: int = 0,
    choices: int = 10,
    name: str = "set",
    hidden: bool = False,
    favourite: bool = False,
    annotated: bool = False,
) -> Part:
    """Sets with one to three descriptions each; every second set is a video.

    Args:
        sets: how many.
        seed: of everything that is drawn.
        choices: images of a set, at most 10.
        name: what the names of sets begin with.
        hidden: nobody tells the targets.
        favourite: the described image is the one at position 3 or 5, and darker than the others of its
            set: what a model that reads no text can learn.
        annotated: with made-up phenomena of the first descriptions, and annotators.
    """
    random = np.random.RandomState(seed)
    pixels, names, frames, texts, candidates, targets = [], [], [], [], [], []
    words = list(COLOURS)
    for number in range(sets):
        video = number % 2 == 0
        own = random.permutation(len(words))[:choices]
        described = random.permutation(choices)[: 1 + number % 3]
        if favourite:
            described = random.choice([3, 5], size=1) % choices
        gaps = random.randint(1, 6, size=choices) if video else np.ones(choices, np.int64)
        frames += (np.cumsum(gaps) - gaps[0]).tolist()
        for position, word in enumerate(own):
            noise = random.randint(-12, 13, size=(SIDE, SIDE, 3))
            dark = 70 if favourite and position in described else 0
            colour = np.array(COLOURS[words[word]]) - dark
            pixels.append(np.clip(colour + noise, 0, 255).astype(np.uint8))
            names.append(f"{name}-{number}/img{frames[len(pixels) - 1]}.jpg")
        first = number * choices
        for position in described:
            texts.append(f"the {words[own[position]]} one of {name} {number}")
            candidates.append(np.arange(first, first + choices))
            targets.append(-1 if hidden else int(position))
    count = len(texts)
    notes: dict[str, Any] = {}
    if annotated:
        seen = np.zeros((count, len(TAGS)), bool)
        seen[: count - count // 4, :4] = True
        seen[: count // 2, 4:] = True
        notes["annotated"] = seen
        notes["tag"] = seen & (random.uniform(size=seen.shape) < 0.4)
        notes["annotator"] = random.randint(0, 2, size=count).astype(np.int8)
    return Part(
        images=PixelImages(np.stack(pixels), tuple(names)),
        sets=tuple(f"{name}-{number}" for number in range(sets)),
        set_of_image=np.repeat(np.arange(sets), choices),
        position=np.tile(np.arange(choices), sets),
        frame=np.array(frames, dtype=np.int64),
        video=np.arange(sets) % 2 == 0,
        candidates=np.stack(candidates).astype(np.int64),
        target=np.array(targets, dtype=np.int64),
        texts=tuple(texts),
        **notes,
    )


def small_contextual(
    *,
    train: int = 24,
    val: int = 10,
    test: int = 12,
    choices: int = 10,
    hidden: bool = False,
    favourite: bool = False,
    **options: Any,
) -> ContextualData:
    """The world: so many sets in each part, without train or val if it is 0.

    ``hidden`` is of test; val is annotated; ``options`` are fields of ``ContextualData``.
    """
    given = {"choices": choices, "favourite": favourite}
    parts = {"test": small_part(test, seed=3, name="test", hidden=hidden, **given)}
    if val:
        parts["val"] = small_part(val, seed=2, name="val", annotated=True, **given)
    learnt = small_part(train, seed=1, name="train", **given) if train else None
    return ContextualData(**{"parts": parts, "train": learnt, **options})


def scores_of(part: Part, *, seed: int = 0, right: float = 0.6) -> np.ndarray:
    """float32 [n, k]: random scores in which about so many of the described images are first."""
    random = np.random.RandomState(seed)
    scores = random.uniform(0, 1, size=(len(part), part.choices)).astype(np.float32)
    rows = np.flatnonzero((part.target >= 0) & (random.uniform(size=len(part)) < right))
    scores[rows, part.target[rows]] = 1.5
    return scores
