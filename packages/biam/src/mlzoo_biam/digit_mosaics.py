"""Mosaics of handwritten digits: the embedded dataset of the task ``multilabel-zero-shot``.

A picture is a grid of cells of 8×8 pixels, some of which hold a real handwritten digit in one of four
styles. A tag is a digit in a style, such as "3 striped": 40 tags, of which 8 are unseen: two digits of
each style, every digit at most once. Training pictures hold seen tags alone. A tag's vector tells its
digit and its style, so that an unseen tag is a known digit in a known style, put together anew.

Train and test are made of different handwriting: the first 1200 of scikit-learn's 1797 digits, and the
rest; val of the last 200 of the former.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlzoo_biam.dataset_config import MosaicOptions
from mlzoo_biam.labels import Labels
from mlzoo_biam.multilabel import Images, MultiLabelData
from mlzoo_biam.packed.store import ArrayFeatures

Floats = npt.NDArray[np.float32]

SIDE = 3  # cells of a mosaic
CELL = 8  # pixels of a cell
STYLES = ("plain", "negative", "striped", "framed")
"""Each can be told whatever the digit. Turned digits cannot: a 6 upside down is a 9."""
SEGMENTS = ("1110111", "0010010", "1011101", "1011011", "0111010",
            "1101011", "1101111", "1010010", "1111111", "1111011")  # fmt: skip
"""Of a seven-segment display, by digit: what the vectors tell of a digit."""
COUNTS = {"train": 3000, "val": 500, "test": 1000}
FEWEST, MOST = 2, 5  # digits in a mosaic
NOISE = 0.05


@dataclass(frozen=True)
class _Tags:
    """The 40 tags as (digit, style), seen then unseen."""

    pairs: npt.NDArray[np.int64]  # [40, 2]
    seen: int

    @classmethod
    def drawn(cls, random: np.random.Generator) -> _Tags:
        """Two unseen digits a style, no digit twice."""
        digits = random.permutation(10)[: 2 * len(STYLES)].reshape(len(STYLES), 2)
        every = [(digit, style) for style in range(len(STYLES)) for digit in range(10)]
        unseen = [(digit, style) for digit, style in every if digit in digits[style]]
        seen = [pair for pair in every if pair not in unseen]
        return cls(np.array(seen + unseen), len(seen))

    def names(self) -> tuple[str, ...]:
        return tuple(f"{digit} {STYLES[style]}" for digit, style in self.pairs)

    def vectors(self) -> Floats:
        """[40, 12]: seven segments, the style twice as strong, and 1; of length 1."""
        segments = np.array([[float(bit) for bit in row] for row in SEGMENTS])  # [10, 7]
        parts = [
            segments[self.pairs[:, 0]],
            2 * np.eye(len(STYLES))[self.pairs[:, 1]],
            np.ones((len(self.pairs), 1)),
        ]
        vectors = np.concatenate(parts, axis=1)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors, dtype=np.float32)


def load(root: Path, options: MosaicOptions) -> MultiLabelData:
    """The mosaics of a seed; no file is read."""
    random = np.random.default_rng(options.data_seed)
    tags = _Tags.drawn(random)
    digits, label = _handwriting()
    seen, every = tags.pairs[: tags.seen], tags.pairs
    train = _mosaics(random, seen, digits[:1000], label[:1000], COUNTS["train"])
    val = _mosaics(random, seen, digits[1000:1200], label[1000:1200], COUNTS["val"])
    test = _mosaics(random, every, digits[1200:], label[1200:], COUNTS["test"])
    cells, labels = (np.concatenate([a, b]) for a, b in zip(train, val, strict=True))
    training, count = _images("training", cells, labels, len(every)), COUNTS["train"]
    return MultiLabelData(
        tags=tags.names(),
        seen_count=tags.seen,
        vectors=tags.vectors(),
        train=training.only(training.rows[:count]),
        val=training.only(training.rows[count:]),
        test=_images("test", *test, len(every)),
        facts={"data_seed": options.data_seed, "styles": list(STYLES)},
        picture=picture,
    )


def picture(regions: Floats) -> Floats:
    """The mosaic [24, 24] of its regions [64, 9]."""
    cells = regions.T.reshape(SIDE, SIDE, CELL, CELL)  # [row, column, y, x]
    pixels: Floats = cells.transpose(0, 2, 1, 3).reshape(SIDE * CELL, SIDE * CELL).clip(0, 1)
    return pixels


def _handwriting() -> tuple[Floats, npt.NDArray[np.int64]]:
    """scikit-learn's digits [1797, 8, 8] from 0 to 1, and which they are."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.images / 16).astype(np.float32), found.target.astype(np.int64)


_STRIPES = np.tile(np.array([[0.5], [0.0]], dtype=np.float32), (CELL // 2, CELL))  # [8, 8]
_FRAME = np.pad(np.zeros((CELL - 2, CELL - 2), dtype=np.float32), 1, constant_values=1)  # [8, 8]


def styled(digit: Floats, style: int) -> Floats:
    """A digit [8, 8] in a style."""
    if style == 1:
        return 1 - digit
    if style == 2:
        striped: Floats = np.abs(digit - _STRIPES)
        return striped
    if style == 3:
        digit = np.where(_FRAME > 0, _FRAME, digit)
    return digit


def _mosaics(
    random: np.random.Generator,
    pairs: npt.NDArray[np.int64],
    digits: Floats,
    label: npt.NDArray[np.int64],
    count: int,
) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Cells [count, 9, 8, 8] and labels [count, tags] of -1 and +1."""
    cells = np.zeros((count, SIDE * SIDE, CELL, CELL), dtype=np.float32)
    labels = np.full((count, len(pairs)), -1, dtype=np.int8)
    of_digit = [np.flatnonzero(label == digit) for digit in range(10)]
    for picture in range(count):
        places = random.permutation(SIDE * SIDE)[: random.integers(FEWEST, MOST + 1)]
        for place, tag in zip(places, random.integers(len(pairs), size=len(places)), strict=True):
            digit, style = pairs[tag]
            cells[picture, place] = styled(digits[random.choice(of_digit[digit])], style)
            labels[picture, tag] = 1
    cells += NOISE * random.standard_normal(cells.shape, dtype=np.float32)
    return cells, labels


def _images(part: str, cells: Floats, labels: npt.NDArray[np.int8], width: int) -> Images:
    """A cell's pixels are a region's channels; the scene is the picture at half its resolution."""
    count = len(cells)
    regions = cells.reshape(count, SIDE * SIDE, CELL * CELL).transpose(0, 2, 1)  # [n, 64, 9]
    halved = cells.reshape(count, SIDE * SIDE, CELL // 2, 2, CELL // 2, 2).mean(axis=(3, 5))
    whole = np.full((count, width), -1, dtype=np.int8)
    whole[:, : labels.shape[1]] = labels
    return Images(
        ArrayFeatures(np.ascontiguousarray(regions), (SIDE, SIDE), halved.reshape(count, -1)),
        Labels.from_dense(whole, -1),
        [f"{part} {number}" for number in range(count)],
        np.arange(count),
    )
