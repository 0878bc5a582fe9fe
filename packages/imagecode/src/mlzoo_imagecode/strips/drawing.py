"""Draws scenes: handwritten digits of 8×8 pixels, enlarged, inked and placed on grounds.

All is done in integers, so that a seed gives the same pixels on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mlzoo_imagecode.strips.world import GRADED, GRADES, PLACES, Index, Scenes

Bytes: TypeAlias = npt.NDArray[np.uint8]

UNITS = 32
"""A picture's side; sizes and places are told in these units."""
SIZES = (10, 16)  # small, large
GRADED_SIZES = (8, 10, 12, 14, 17, 20, 23)
GROUNDS = (24, 226)  # dark, bright
GRADED_GROUNDS = (16, 52, 88, 124, 160, 196, 232)
INKS = ((235, 40, 40), (30, 175, 50), (60, 100, 248), (248, 150, 8), (185, 50, 225))
BAR = (125, 125, 125)
GROUND_SPREAD, NOISE = 8, 8
"""Grey levels up and down: of a strip's ground, and of a pixel. No ground and no ink is so near 0 or 255
that a pixel would have to be clipped."""
BLOCK = 250
"""Pictures that are drawn at once; changes memory, not results."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Where things are in N pictures, in units.

    Attributes:
        size, top, left: int64 [N], of the digit's square.
        second_top, second_left: int64 [N], of the second digit's; -1 without one.
        ground: int64 [N], grey level.
        hidden: bool [N], whether a bar hides the square's right half.
    """

    size: Index
    top: Index
    left: Index
    second_top: Index
    second_left: Index
    ground: Index
    hidden: npt.NDArray[np.bool_]


def layout(scenes: Scenes, random: np.random.RandomState) -> Layout:
    """Of all pictures, strip by strip; places tremble by a unit."""
    graded = scenes.graded[:, None]  # [S, 1]
    size = np.where(
        graded == GRADED.index("size"),
        np.array(GRADED_SIZES)[scenes.grade],
        np.array(SIZES)[np.maximum(scenes.of("size"), 0)],
    )  # [S, 10]
    room = UNITS - size
    tremble = random.randint(2, size=(2, *size.shape))
    near = 1 + tremble  # of the top and of the left edge
    far, middle = room - 1 - tremble, room // 2 - tremble
    place = np.maximum(scenes.of("place"), 0)
    is_middle = place == PLACES.index("middle")
    top = np.where(is_middle, middle[0], np.where(place < 2, near[0], far[0]))
    left = np.where(is_middle, middle[1], np.where(place % 2 == 0, near[1], far[1]))
    along = 1 + scenes.grade * (room - 2) // (GRADES - 1)
    line = scenes.line[:, None]
    beside = [np.choose(line, [near[axis], middle[axis], far[axis]]) for axis in range(2)]
    across, down = (graded == GRADED.index(name) for name in ("across", "down"))
    top = np.where(across, beside[0], np.where(down, along, top))
    left = np.where(across, along, np.where(down, beside[1], left))
    shift = random.randint(-GROUND_SPREAD, GROUND_SPREAD + 1, size=(len(scenes), 1))
    ground = shift + np.where(
        graded == GRADED.index("shade"),
        np.array(GRADED_GROUNDS)[scenes.grade],
        np.array(GROUNDS)[np.maximum(scenes.of("ground"), 0)],
    )
    two = scenes.of("count") == 1
    parts = (size, top, left, np.where(two, room - top, -1), np.where(two, room - left, -1), ground)
    return Layout(*(part.reshape(-1) for part in parts), hidden=scenes.of("hidden").ravel() == 1)


def draw(
    where: Layout, glyphs: Bytes, colour: Index, side: int, random: np.random.RandomState
) -> Bytes:
    """Pictures.

    Args:
        where: of N pictures.
        glyphs: uint8 [N, 8, 8], ink from 0 to 16.
        colour: int64 [N], of :data:`INKS`.
        side: of a picture, at least 32.
        random: of the noise.

    Returns:
        uint8 [N, side, side, 3].
    """
    pixels = np.empty((len(glyphs), side, side, 3), dtype=np.uint8)
    for start in range(0, len(glyphs), BLOCK):
        rows = slice(start, start + BLOCK)
        pixels[rows] = _block(where, rows, glyphs[rows], colour[rows], side, random)
    return pixels


def _block(
    where: Layout,
    rows: slice,
    glyphs: Bytes,
    colour: Index,
    side: int,
    random: np.random.RandomState,
) -> Bytes:
    count = len(glyphs)
    alpha = np.zeros((count, side, side), dtype=np.int16)
    bar = np.zeros((count, side, side), dtype=bool)
    size = where.size[rows]
    for units in np.unique(size):
        own = np.flatnonzero(size == units)
        width = int(units) * side // UNITS
        inked = _enlarged(glyphs[own], width)  # [m, w, w]
        for tops, lefts in ((where.top, where.left), (where.second_top, where.second_left)):
            there = tops[rows][own] >= 0
            index = _square(own[there], tops[rows], lefts[rows], width, side)
            alpha[index] = np.maximum(alpha[index], inked[there])
        covered = own[where.hidden[rows][own]]
        picture, down, across = _square(covered, where.top[rows], where.left[rows], width, side)
        bar[picture, down, across[:, :, width // 2 :]] = True
    ground = where.ground[rows].astype(np.int16)[:, None, None, None]  # [n, 1, 1, 1]
    ink = np.array(INKS, dtype=np.int16)[colour][:, None, None]  # [n, 1, 1, 3]
    mixed = ((ink - ground) * alpha[..., None] >> 7) + ground  # [n, side, side, 3]
    mixed[bar] = BAR
    noise = random.randint(2 * NOISE, size=(count, side, side), dtype=np.uint8)
    mixed += noise[..., None].astype(np.int16) - NOISE
    return mixed.astype(np.uint8)


def _square(
    pictures: Index, tops: Index, lefts: Index, width: int, side: int
) -> tuple[Index, Index, Index]:
    """Indices of squares: [m, 1, 1], [m, width, 1] and [m, 1, width]."""
    steps = np.arange(width)
    down = tops[pictures, None] * side // UNITS + steps
    across = lefts[pictures, None] * side // UNITS + steps
    return pictures[:, None, None], down[:, :, None], across[:, None, :]


def _enlarged(glyphs: Bytes, width: int) -> npt.NDArray[np.int16]:
    """[m, 8, 8] of 0 to 16 → [m, width, width] of 0 to 128, bilinear, with stronger edges."""
    weights = _bilinear(width)  # [width, 8], rows sum to 2·width
    found = weights @ glyphs.astype(np.int64) @ weights.T  # [m, width, width]
    return np.minimum(found * 180 // (16 * (2 * width) ** 2), 128).astype(np.int16)


@cache
def _bilinear(width: int) -> Index:
    """int64 [width, 8], weights of pixel centres, times 2·width."""
    weights = np.zeros((width, 8), dtype=np.int64)
    for row in range(width):
        place = (2 * row + 1) * 8 - width  # of the centre, times 2·width
        low, share = divmod(place, 2 * width)
        weights[row, min(max(low, 0), 7)] += 2 * width - share
        weights[row, min(max(low + 1, 0), 7)] += share
    return weights
