"""Strips of ten pictures of handwritten digits, and descriptions of one of the ten each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mlzoo_imagecode.metric_specs import TAGS
from mlzoo_imagecode.strips.drawing import UNITS, Bytes, draw, layout
from mlzoo_imagecode.strips.language import said
from mlzoo_imagecode.strips.statements import Strip, chosen
from mlzoo_imagecode.strips.world import FRAMES, Index, Scenes, draw_scenes

Writers: TypeAlias = Literal["train", "val", "test"]

HANDS = {"train": slice(0, 1000), "val": slice(1000, 1200), "test": slice(1200, None)}
"""Rows of scikit-learn's 1797 digits: a part's handwriting is its own."""


@dataclass(frozen=True, eq=False)
class Strips:
    """S strips with n descriptions, strip by strip and by target.

    Attributes:
        pixels: uint8 [S, 10, H, W, 3].
        scenes: what is in them.
        strip: int64 [n], which strip a description is of.
        target: int64 [n], the position of the picture that it describes.
        texts: the descriptions.
        tag: bool [n, 10], in the order of ``metric_specs.TAGS``.
        kind: of each description, one of :data:`~mlzoo_imagecode.strips.statements.KINDS`.
    """

    pixels: Bytes
    scenes: Scenes
    strip: Index
    target: Index
    texts: tuple[str, ...]
    tag: npt.NDArray[np.bool_]
    kind: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.scenes)

    @property
    def video(self) -> npt.NDArray[np.bool_]:
        """bool [S], whether a strip's pictures are frames of a video."""
        return self.scenes.video

    @property
    def frame(self) -> Index:
        """int64 [S, 10], ascending: 0 to 9, or numbers of a video's frames."""
        return self.scenes.frame

    def kinds(self) -> dict[str, float]:
        """Shares of the descriptions in percent, by kind."""
        counts = Counter(self.kind)
        return {kind: round(100 * counts[kind] / len(self.kind), 1) for kind in sorted(counts)}


def draw_strips(strips: int, seed: int, *, writers: Writers = "train", side: int = UNITS) -> Strips:
    """Strips of a seed: the same on every machine, and the first of more strips are the same.

    Args:
        strips: how many.
        seed: not below 0.
        writers: whose handwriting; the three have no image of a digit in common.
        side: of a picture in pixels, at least 32.
    """
    streams = [
        np.random.RandomState([seed, list(HANDS).index(writers), use])  # type: ignore[arg-type]
        for use in range(4)
    ]
    scenes = draw_scenes(strips, streams[0])
    strip, target, texts, tags, kind = [], [], [], [], []
    for row in range(strips):
        for statement in chosen(Strip.of(scenes, row), streams[1]):
            words = said(statement, streams[1])
            strip.append(row)
            target.append(statement.target)
            texts.append(words.text)
            tags.append([tag in words.tags for tag in TAGS])
            kind.append(statement.kind)
    colour = scenes.of("colour").reshape(-1)
    glyphs = _handwriting(scenes, writers, streams[2])
    pixels = draw(layout(scenes, streams[2]), glyphs, colour, side, streams[3])
    return Strips(
        pixels=pixels.reshape(strips, FRAMES, side, side, 3),
        scenes=scenes,
        strip=np.array(strip, dtype=np.int64),
        target=np.array(target, dtype=np.int64),
        texts=tuple(texts),
        tag=np.array(tags, dtype=bool).reshape(len(texts), len(TAGS)),
        kind=tuple(kind),
    )


def _handwriting(scenes: Scenes, writers: Writers, random: np.random.RandomState) -> Bytes:
    """uint8 [S·10, 8, 8] of 0 to 16; a digit is the same image in all pictures of a strip."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images, labels = found.images[HANDS[writers]], found.target[HANDS[writers]]
    of_digit = [np.flatnonzero(labels == digit) for digit in range(10)]
    draws = random.randint(1 << 20, size=(len(scenes), 10))
    digit = scenes.of("digit")  # [S, 10]
    drawn = np.take_along_axis(draws, digit, axis=1).reshape(-1)
    rows = [
        of_digit[d][n % len(of_digit[d])] for d, n in zip(digit.reshape(-1), drawn, strict=True)
    ]
    return np.asarray(images[rows], dtype=np.uint8)
