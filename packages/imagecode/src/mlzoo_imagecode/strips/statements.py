"""What may be said of one picture of a strip so that it can be no other.

Statements are found in the scenes, so that each is true of its target alone. Their kinds:

    absolute     what is there: a small red three at the top left
    superlative  one end of the grades: the largest seven
    second       next to an end: the second darkest picture
    odd          a value that no other picture has: the odd one out in colour
    negation     all others are so: the only one that is not green
    temporal     by the order of frames: the last picture before it turns red
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mlzoo_imagecode.strips.world import (
    CORNERS,
    FRAMES,
    GRADED,
    PROPERTIES,
    STORIES,
    UNGRADED,
    Scenes,
    weighted,
)

KINDS = ("absolute", "superlative", "second", "odd", "negation", "temporal")
MOST_CONDITIONS = 5
"""Of an absolute statement."""
DESCRIPTIONS = (18, 37, 45)
"""Strips of a hundred with one, two and three descriptions, as far as so many can be told."""


class Condition(NamedTuple):
    """A property, or ``row`` or ``column`` of the place (0 top or left, 1 bottom or right), and its value."""

    name: str
    value: int


@dataclass(frozen=True)
class Statement:
    """What singles out a picture.

    Attributes:
        kind: of :data:`KINDS`.
        target: position of the picture.
        conditions: what is so; one alone but for absolute statements.
        when: of temporal statements: first, second, third, last, before, after or turn.
        graded: of :data:`~mlzoo_imagecode.strips.world.GRADED`, where grades are told.
        high: whether the upper end of the grades is meant, and of a turn whether grades rise after it.
        digit: which digit is in all pictures; None if they differ.
        begins: whether the condition, of a temporal statement, is not so at the start.
    """

    kind: str
    target: int
    conditions: tuple[Condition, ...] = ()
    when: str = ""
    graded: str = ""
    high: bool = False
    digit: int | None = None
    begins: bool = False


@dataclass(frozen=True, eq=False)
class Strip:
    """One strip of :class:`~mlzoo_imagecode.strips.world.Scenes`, by property.

    Plain lists and sets: for ten pictures they are faster than arrays.
    """

    values: dict[str, list[int]]  # ten each
    graded: str
    grade: list[int]
    story: str

    @classmethod
    def of(cls, scenes: Scenes, strip: int) -> Strip:
        columns = scenes.values[strip].T.tolist()
        graded = int(scenes.graded[strip])
        return cls(
            values=dict(zip(PROPERTIES, columns, strict=True)),
            graded="" if graded == UNGRADED else GRADED[graded],
            grade=scenes.grade[strip].tolist(),
            story=STORIES[scenes.story[strip]],
        )

    @property
    def digit(self) -> int | None:
        """Which is in all pictures, if one is."""
        return None if "digit" in self.varying else self.values["digit"][0]

    @cached_property
    def varying(self) -> list[str]:
        """Properties in which pictures differ."""
        return [name for name, values in self.values.items() if len(set(values)) > 1]

    def holding(self, condition: Condition) -> set[int]:
        """Positions where it is so; of places of two digits, where it is so of either."""
        name, value = condition
        if name not in ("place", "row", "column"):
            return {at for at, own in enumerate(self.values[name]) if own == value}
        found = set()
        for at, (place, count) in enumerate(
            zip(self.values["place"], self.values["count"], strict=True)
        ):
            corner = 0 <= place < CORNERS
            places = (place, CORNERS - 1 - place) if corner and count == 1 else (place,)
            if name == "row":
                places = tuple(one // 2 for one in places) if corner else ()
            elif name == "column":
                places = tuple(one % 2 for one in places) if corner else ()
            if value in places:
                found.add(at)
        return found


def chosen(strip: Strip, random: np.random.RandomState) -> list[Statement]:
    """One to three statements of different targets, by target."""
    found = list(statements(strip, random))
    wanted = 1 + weighted(random, DESCRIPTIONS)
    taken: list[Statement] = []
    while found and len(taken) < wanted:
        kinds = [kind for kind in KINDS if any(one.kind == kind for one in found)]
        kind = kinds[weighted(random, [_WEIGHTS[name] for name in kinds])]
        options = [one for one in found if one.kind == kind]
        one = options[random.randint(len(options))]
        if kind == "absolute":
            one = replace(one, conditions=_telling(strip, one.target, random))
            if not one.conditions:
                found = [
                    other for other in found if (other.kind, other.target) != (kind, one.target)
                ]
                continue
        taken.append(one)
        found = [other for other in found if other.target != one.target]
    return sorted(taken, key=lambda one: one.target)


_WEIGHTS = {"absolute": 3, "superlative": 3, "second": 2, "odd": 3, "negation": 2, "temporal": 6}
"""How often a kind is taken where several may be."""


def statements(strip: Strip, random: np.random.RandomState) -> Iterator[Statement]:
    """All that may be said. The conditions of absolute statements are left open."""
    if strip.graded:
        yield from _by_grade(strip)
        return
    whole = list(zip(*(strip.values[name] for name in strip.varying), strict=True))
    counts = Counter(whole)
    for target in range(FRAMES):
        if counts[whole[target]] == 1:
            yield Statement("absolute", target)
    for name in strip.varying:
        yield from _by_others(strip, name)
        if strip.story == "change":
            yield from _by_order(strip, name, random)


def _telling(strip: Strip, target: int, random: np.random.RandomState) -> tuple[Condition, ...]:
    """Conditions that only the target meets, and often one more than needed; none if it takes too many."""
    two = strip.values["count"][target] == 1
    unclear = ("place", "hidden") if two else ()  # which of the two would be there, or hidden?
    names = [name for name in PROPERTIES if name not in unclear]
    varying = [name for name in names if name in strip.varying]
    meets, told = set(range(FRAMES)), []
    for at in random.permutation(len(varying)):
        condition = _condition(strip, varying[at], target, random)
        holding = strip.holding(condition)
        if len(meets) > 1 and not meets <= holding:
            meets, told = meets & holding, [*told, condition]
    if len(meets) != 1 or len(told) > MOST_CONDITIONS:
        return ()
    already = {property_of(one) for one in told} | {"count", "hidden"}
    spare = [name for name in names if name not in already]
    if spare and len(told) < MOST_CONDITIONS and random.randint(3):
        told.append(_condition(strip, spare[random.randint(len(spare))], target, random))
    return tuple(told)


def property_of(condition: Condition) -> str:
    """What a condition is about."""
    return "place" if condition.name in ("row", "column") else condition.name


def _condition(strip: Strip, name: str, target: int, random: np.random.RandomState) -> Condition:
    """A property's value in a picture; of corners sometimes the row or the column alone."""
    value = strip.values[name][target]
    if name == "place" and value < CORNERS:
        part = random.randint(4)
        if part < 2:
            return Condition("row", value // 2) if part else Condition("column", value % 2)
    return Condition(name, value)


def _by_others(strip: Strip, name: str) -> Iterator[Statement]:
    """Negation, and the odd one out."""
    values = strip.values[name]
    counts = Counter(values)
    common, often = counts.most_common(1)[0]
    if often != FRAMES - 1 or name == "count":
        return
    target = next(at for at, value in enumerate(values) if value != common)
    condition = Condition(name, common)
    if len(strip.holding(condition)) == FRAMES - 1:
        yield Statement("negation", target, (condition,), digit=strip.digit)
    if name != "hidden":
        yield Statement("odd", target, (condition,), digit=strip.digit)


def _by_order(strip: Strip, name: str, random: np.random.RandomState) -> Iterator[Statement]:
    """Where a change starts and ends."""
    values = strip.values[name]
    rare = Counter(values).most_common()[-1][0]
    condition = _condition(strip, name, values.index(rare), random)
    if len(strip.holding(condition)) == FRAMES:  # a row or column that stays the same
        condition = Condition(name, rare)
    there = sorted(strip.holding(condition))
    start, end = there[0], there[-1]
    if len(there) == FRAMES or end - start >= len(there):
        return
    targets = {"first": start, "last": end}
    if len(there) > 2:
        targets["second"] = start + 1
    if len(there) > 3:
        targets["third"] = start + 2
    if start > 0:
        targets["before"] = start - 1
    if end < FRAMES - 1:
        targets["after"] = end + 1
    for when, target in targets.items():
        yield Statement("temporal", target, (condition,), when, digit=strip.digit, begins=start > 0)


def _by_grade(strip: Strip) -> Iterator[Statement]:
    """Both ends of the grades and what is next to them, and where a video's grades turn."""
    for high in (False, True):
        ordered = sorted(range(FRAMES), key=lambda at: strip.grade[at], reverse=high)
        one, two, three = (strip.grade[at] for at in ordered[:3])
        common = Statement(
            "superlative", ordered[0], graded=strip.graded, high=high, digit=strip.digit
        )
        if one != two:
            yield common
            if two != three:
                yield replace(common, kind="second", target=ordered[1])
        steps = [after - before for before, after in pairwise(strip.grade)]
        turns = [at for at, step in enumerate(steps) if (step > 0 if high else step < 0)]
        if strip.story == "peak" and turns and turns[0] > 0:
            yield replace(common, kind="temporal", target=turns[0], when="turn")
