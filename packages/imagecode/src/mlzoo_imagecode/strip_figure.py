"""Pictures of a description and its candidates: a strip of images with their scores, the chosen and the
described one marked."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mlzoo.report.style import COLOURS
from mlzoo_imagecode.contextual import Bytes

CHOSEN, DESCRIBED = COLOURS[0], COLOURS[2]
SIDE, LARGEST, GAP, MARGIN = 1.0, 1.6, 0.1, 0.15
"""Inches of an image of many, of one of few, between two, and around all."""
LINE, MARKS, VALUES, HEAD = 0.19, 0.2, 0.22, 0.22
"""Inches of a line of text, of the marks above images, of the scores below, of a heading."""
NARROWEST = 4.2
"""Inches of a figure."""
LETTERS = 14
"""That fit into an inch."""
MOST_LINES = 6
FEW = 32
"""Pixels of a side below which they are shown as they are."""


@dataclass(frozen=True, eq=False)
class Strip:
    """A description with its candidates, in the order of their columns.

    Attributes:
        crops: uint8 [k, s, s, 3].
        scores: float [k].
        text: the description.
        chosen: the column of the highest score.
        target: the column of the described one; None where nobody knows.
        heading: a line above; empty for none.
        positions: of the candidates in their set; their columns if not given.
    """

    crops: Bytes
    scores: npt.NDArray[Any]
    text: str
    chosen: int
    target: int | None = None
    heading: str = ""
    positions: Sequence[int] | None = None

    def lines(self, width: float) -> list[str]:
        """The description, wrapped to so many inches."""
        text = " ".join(self.text.split())
        return textwrap.wrap(
            text, int(width * LETTERS), max_lines=MOST_LINES, placeholder=" …"
        ) or [""]

    def height(self, width: float, side: float) -> float:
        """Inches, with images of so many."""
        head = HEAD if self.heading else 0
        return head + LINE * len(self.lines(width)) + MARKS + side + VALUES


def strip_figure(
    crops: Bytes,
    scores: npt.NDArray[Any],
    text: str,
    chosen: int,
    target: int | None = None,
) -> Figure:
    """One strip as a figure of its own; see :class:`Strip`."""
    return strips_figure([Strip(crops, scores, text, chosen, target)])


def strips_figure(strips: Sequence[Strip], title: str = "") -> Figure:
    """Strips below each other; places follow from inches, so that nothing overlaps."""
    most = max(len(strip.crops) for strip in strips)
    side = min(LARGEST, max(SIDE, (NARROWEST + GAP) / most - GAP))
    inside = max(NARROWEST, most * (side + GAP) - GAP)
    width = inside + 2 * MARGIN
    above = 0.35 if title else 0.0
    heights = [strip.height(inside, side) for strip in strips]
    space = 0.25
    height = above + sum(heights) + space * (len(strips) - 1) + 2 * MARGIN
    figure = Figure(figsize=(width, height), facecolor="white")
    if title:
        figure.text(
            MARGIN / width, 1 - MARGIN / height, title, fontsize=10, va="top", parse_math=False
        )
    top = height - MARGIN - above
    for strip, own in zip(strips, heights, strict=True):
        _draw(figure, strip, inside, side, top)
        top -= own + space
    return figure


def _draw(figure: Figure, strip: Strip, inside: float, side: float, top: float) -> None:
    """One strip whose upper edge is so many inches above the lower edge of the figure."""
    width, height = figure.get_size_inches()

    def write(x: float, y: float, words: str, **how: Any) -> None:
        figure.text(x / width, y / height, words, parse_math=False, **how)

    if strip.heading:
        write(MARGIN, top, strip.heading, fontsize=8, va="top", color="0.35")
        top -= HEAD
    for line in strip.lines(inside):
        write(MARGIN, top, line, fontsize=9, va="top")
        top -= LINE
    top -= MARKS
    width_of_all = len(strip.crops) * (side + GAP) - GAP
    ax = figure.add_axes(
        (MARGIN / width, (top - side) / height, width_of_all / width, side / height)
    )
    ax.set_axis_off()
    names = strip.positions if strip.positions is not None else range(len(strip.crops))
    for column, (crop, score, name) in enumerate(
        zip(strip.crops, strip.scores, names, strict=True)
    ):
        left = column * (side + GAP)
        smooth = "nearest" if len(crop) < FEW else "antialiased"
        ax.imshow(crop, extent=(left, left + side, 0, side), interpolation=smooth)
        described, chosen = column == strip.target, column == strip.chosen
        ax.add_patch(_frame(left, side, described, chosen))
        middle = MARGIN + left + side / 2
        if described or chosen:
            mark = ", ".join(["described"] * described + ["chosen"] * chosen)
            colour = DESCRIBED if described else CHOSEN
            write(middle, top + 0.05, mark, fontsize=7.5, ha="center", color=colour)
        weight = "bold" if chosen else "normal"
        below = {"fontsize": 8, "ha": "center", "va": "top", "fontweight": weight}
        write(middle, top - side - 0.05, f"{name}:  {score:.3g}", **below)
    ax.set(xlim=(0, width_of_all), ylim=(0, side))


def _frame(left: float, side: float, described: bool, chosen: bool) -> Rectangle:
    """A thick line around the described image, a dashed one around a chosen one that is not."""
    look: dict[str, Any] = {"edgecolor": "0.8", "linewidth": 0.8}
    if described:
        look = {"edgecolor": DESCRIBED, "linewidth": 3}
    elif chosen:
        look = {"edgecolor": CHOSEN, "linewidth": 2.5, "linestyle": (0, (3, 1.5))}
    return Rectangle((left, 0), side, side, fill=False, clip_on=False, zorder=3, **look)
