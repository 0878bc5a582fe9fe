"""What is in the pictures of strips: scenes that resemble each other and differ in one property each.

A scene is a handwritten digit with a colour, a size and a place on a ground; perhaps there are two of it,
perhaps a bar hides half of it. Ten scenes are a strip, of one of five stories:

    still  mixed    a scene, and nine that differ from it in one property each
    still  graded   one property comes in grades: sizes, places along a line, shades of the ground
    still  odd      one of the ten differs in one property; another differs everywhere
    video  change   one property, or two, change for some frames
    video  peak     a property's grade rises and falls again, or falls and rises

Every draw is of a ``RandomState`` and integers alone: a seed gives the same strips on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Index: TypeAlias = npt.NDArray[np.int64]

FRAMES = 10
"""Pictures of a strip."""

COLOURS = ("red", "green", "blue", "orange", "purple")
PLACES = ("top left", "top right", "bottom left", "bottom right", "middle")
CORNERS = 4
VALUES = {
    "digit": 10,
    "colour": len(COLOURS),
    "size": 2,  # small, large
    "place": len(PLACES),
    "ground": 2,  # dark, bright
    "count": 2,  # one, two
    "hidden": 2,  # no, half
}
"""Properties and how many values each has."""
PROPERTIES = tuple(VALUES)
GRADED = ("size", "across", "down", "shade")
"""What may come in grades."""
UNGRADED = -1
GRADES = 7
"""From 0: the smallest, the furthest to the left, the furthest up, the darkest."""
STORIES = ("mixed", "graded", "odd", "change", "peak")
VIDEOS = ("change", "peak")
NO_VALUE = -1
"""Of a property whose grades are told instead."""


@dataclass(frozen=True, eq=False)
class Scenes:
    """Of S strips of ten pictures.

    Attributes:
        values: int64 [S, 10, 7], of :data:`PROPERTIES`; :data:`NO_VALUE` where they come in grades.
        graded: int64 [S], which of :data:`GRADED` comes in grades, or :data:`UNGRADED`.
        grade: int64 [S, 10], from 0 to 6; 0 where nothing does.
        line: int64 [S], 0 to 2, which row or column grades across or down run along.
        story: int64 [S], of :data:`STORIES`.
        frame: int64 [S, 10], ascending: 0 to 9, or numbers of a video's frames.
    """

    values: Index
    graded: Index
    grade: Index
    line: Index
    story: Index
    frame: Index

    def __len__(self) -> int:
        return len(self.values)

    @property
    def video(self) -> npt.NDArray[np.bool_]:
        """bool [S]."""
        return np.isin(self.story, [STORIES.index(name) for name in VIDEOS])

    def of(self, name: str) -> Index:
        """int64 [S, 10], a property's values."""
        return self.values[:, :, PROPERTIES.index(name)]


SHARES = {"mixed": 24, "graded": 14, "odd": 12, "change": 38, "peak": 12}
"""Strips of a hundred, by story."""


def draw_scenes(count: int, random: np.random.RandomState) -> Scenes:
    """``count`` strips; the first of more are the same."""
    scenes = Scenes(
        values=np.empty((count, FRAMES, len(PROPERTIES)), dtype=np.int64),
        graded=np.full(count, UNGRADED, dtype=np.int64),
        grade=np.zeros((count, FRAMES), dtype=np.int64),
        line=np.zeros(count, dtype=np.int64),
        story=np.empty(count, dtype=np.int64),
        frame=np.tile(np.arange(FRAMES, dtype=np.int64), (count, 1)),
    )
    for strip in range(count):
        _draw(scenes, strip, random)
    return scenes


def _draw(scenes: Scenes, strip: int, random: np.random.RandomState) -> None:
    story = STORIES[weighted(random, list(SHARES.values()))]
    scenes.story[strip] = STORIES.index(story)
    values = scenes.values[strip]  # [10, 7]
    values[:] = _base(random)
    if story == "mixed":
        _mix(values, random)
    elif story == "odd":
        _single_out(values, random)
    elif story == "change":
        _change(values, random)
    else:
        graded = random.randint(len(GRADED))
        scenes.graded[strip], scenes.line[strip] = graded, random.randint(3)
        grade = _peak(random) if story == "peak" else _scattered_grades(random)
        scenes.grade[strip] = grade
        values[:, PROPERTIES.index(_HIDES[GRADED[graded]])] = NO_VALUE
    if story in VIDEOS:
        steps = random.randint(1, 9, size=FRAMES)
        scenes.frame[strip] = random.randint(20) + np.cumsum(steps) - steps[0]


_HIDES = {"size": "size", "across": "place", "down": "place", "shade": "ground"}
"""Whose values are told as grades."""


def weighted(random: np.random.RandomState, weights: Sequence[int]) -> int:
    """A position, as likely as its weight."""
    drawn = random.randint(sum(weights))
    for position, weight in enumerate(weights):
        if drawn < weight:
            return position
        drawn -= weight
    raise AssertionError("unreachable")


def _base(random: np.random.RandomState) -> Index:
    """int64 [7], one whole digit."""
    drawn = [random.randint(count) for count in VALUES.values()]
    scene = dict(zip(PROPERTIES, drawn, strict=True)) | {"count": 0, "hidden": 0}
    return np.array([scene[name] for name in PROPERTIES], dtype=np.int64)


def _other(random: np.random.RandomState, name: str, value: int, corners: bool = False) -> int:
    """A value but this one; of places perhaps corners alone."""
    count = CORNERS if corners and name == "place" else VALUES[name]
    options = [option for option in range(count) if option != value]
    return options[random.randint(len(options))]


_MIXED = {"digit": 5, "colour": 5, "size": 2, "place": 5, "ground": 2, "count": 2, "hidden": 2}
"""How often a property is what differs in a mixed strip."""


def _mix(values: Index, random: np.random.RandomState) -> None:
    """One picture stays, each of the others gets one other value, no two the same."""
    place = PROPERTIES.index("place")
    values[:, place] = random.randint(CORNERS)  # two of a digit are in opposite corners
    taken: set[tuple[str, int]] = set()
    for row in random.permutation(FRAMES)[1:]:
        while True:
            name = PROPERTIES[weighted(random, list(_MIXED.values()))]
            column = PROPERTIES.index(name)
            value = _other(random, name, int(values[row, column]))
            if (name, value) not in taken:
                break
        taken.add((name, value))
        values[row, column] = value


def _scattered_grades(random: np.random.RandomState) -> Index:
    """int64 [10]: the two lowest and the two highest grades occur once, the others lie between."""
    lowest = random.randint(2)
    highest = GRADES - 1 - random.randint(2 - lowest)
    between = random.randint(lowest + 2, highest - 1, size=FRAMES - 4)
    ends = [lowest, lowest + 1, highest - 1, highest]
    return np.asarray(random.permutation(np.concatenate([ends, between])), dtype=np.int64)


def _single_out(values: Index, random: np.random.RandomState) -> None:
    """Two pictures differ in a property each; another property is mixed everywhere, no value occurs once."""
    names = ("digit", "colour", "size", "place", "ground", "hidden")
    mixed = names[random.randint(len(names) - 1)]
    count, column = VALUES[mixed], PROPERTIES.index(mixed)
    some = random.permutation(count)[: FRAMES // 2]
    values[:, column] = random.permutation(some[np.arange(FRAMES) % len(some)])
    odd = random.permutation([name for name in names if name != mixed])[:2]
    for name, row in zip(odd, random.permutation(FRAMES)[:2], strict=True):
        at = PROPERTIES.index(name)
        values[:, at] = random.randint(VALUES[name])
        values[row, at] = _other(random, name, int(values[row, at]))


_CHANGING = {"digit": 2, "colour": 5, "size": 3, "place": 5, "ground": 3, "count": 3, "hidden": 2}


def _change(values: Index, random: np.random.RandomState) -> None:
    """A property has another value for some frames on end; half the time a second one has so, too, and
    the two meet in one frame."""
    first = weighted(random, list(_CHANGING.values()))
    second = weighted(random, list(_CHANGING.values()))
    values[:, PROPERTIES.index("place")] %= CORNERS
    start, end = _run(random)
    _alter(values, first, start, end, random)
    together = {PROPERTIES[first], PROPERTIES[second]}
    clear = "count" not in together or not together & {"place", "hidden"}  # of which of the two?
    if len(together) == 2 and clear and random.randint(2):
        length = 2 + random.randint(4)
        if random.randint(2):
            other = (end - 1, min(end - 1 + length, FRAMES))
        else:
            other = (max(start + 1 - length, 0), start + 1)
        _alter(values, second, *other, random)


def _run(random: np.random.RandomState) -> tuple[int, int]:
    """Where a change starts and ends: two to five frames, sometimes one."""
    length = 1 if random.randint(6) == 0 else 2 + random.randint(4)
    start = random.randint(FRAMES + 1 - length)
    return start, start + length


def _alter(values: Index, column: int, start: int, end: int, random: np.random.RandomState) -> None:
    value = int(values[0, column])
    values[start:end, column] = _other(random, PROPERTIES[column], value, corners=True)


def _peak(random: np.random.RandomState) -> Index:
    """int64 [10]: highest in one frame and falling to both sides; or the opposite."""
    away = np.abs(np.arange(FRAMES) - random.randint(FRAMES))
    grade = np.maximum(GRADES - 1 - away, 0)
    return np.asarray(grade if random.randint(2) else GRADES - 1 - grade, dtype=np.int64)
