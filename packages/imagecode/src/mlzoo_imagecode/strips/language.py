"""Puts statements into words: a small closed vocabulary, several ways to say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlzoo_imagecode.strips.statements import Condition, Statement, property_of
from mlzoo_imagecode.strips.world import COLOURS, PLACES

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIZE_WORDS = ("small", "large")
GROUND_WORDS = ("dark", "bright")
HIDDEN_WORDS = ("fully visible", "half hidden")
ROW_WORDS = ("top", "bottom")
COLUMN_WORDS = ("left", "right")

TAG_OF = {
    "colour": "col",
    "place": "s",
    "across": "s",
    "down": "s",
    "ground": "img",
    "shade": "img",
    "count": "q",
    "hidden": "v",
}
"""What a description shows that speaks of a property."""


@dataclass(frozen=True)
class Said:
    """A statement in words, and which tags fit it."""

    text: str
    tags: frozenset[str]


def said(statement: Statement, random: np.random.RandomState) -> Said:
    """One of the ways to say it."""
    told = {property_of(condition) for condition in statement.conditions} | {statement.graded}
    tags = {TAG_OF[name] for name in told if name in TAG_OF}
    if statement.kind != "absolute":
        tags.add("con")
    if statement.kind in ("superlative", "second"):
        tags.add("n")
    if statement.kind == "temporal":
        tags.add("t")
    text = _WAYS[statement.kind](statement, random)
    words = text.split()
    if "it" in words:
        tags.add("cor")
    if "not" in words or "no" in words:
        tags.add("neg")
    return Said(text, frozenset(tags))


def pick(random: np.random.RandomState, options: Sequence[str]) -> str:
    """Any of them."""
    return options[random.randint(len(options))]


def _a(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" and not words.startswith("one") else f"a {words}"


def _plural(noun: str) -> str:
    return noun + ("es" if noun.endswith("x") else "s")


def _noun(digit: int | None, random: np.random.RandomState) -> str:
    """The digit's name where it is the same in all pictures, or just: digit."""
    return "digit" if digit is None or random.randint(2) else DIGITS[digit]


def _where(condition: Condition) -> str:
    """``at the top left``, ``at the left``, ``in the middle``."""
    name, value = condition
    if name == "place" and PLACES[value] == "middle":
        return "in the middle"
    words = {"place": PLACES, "row": ROW_WORDS, "column": COLUMN_WORDS}[name]
    return f"at the {words[value]}"


def _quality(condition: Condition) -> str:
    """What a digit or a ground *is*: ``red``, ``at the left``, ``a three``."""
    name, value = condition
    if property_of(condition) == "place":
        return _where(condition)
    if name == "digit":
        return _a(DIGITS[value])
    return {
        "colour": COLOURS, "size": SIZE_WORDS, "ground": GROUND_WORDS, "hidden": HIDDEN_WORDS
    }[name][value]  # fmt: skip


def _absolute(statement: Statement, random: np.random.RandomState) -> str:
    told = {property_of(condition): condition for condition in statement.conditions}
    digit = told.pop("digit", None)
    noun = "digit" if digit is None else DIGITS[digit.value]
    two = "count" in told and told["count"].value == 1
    noun = _plural(noun) if two else noun
    where = f" {_where(told.pop('place'))}" if "place" in told else ""
    ground = GROUND_WORDS[told.pop("ground").value] if "ground" in told else ""
    way = random.randint(4)
    if way == 3 and not two and (where or "colour" in told):
        it = COLOURS[told.pop("colour").value] if "colour" in told else where.strip()
        where = "" if it == where.strip() else where
        it = f" and it is {it}{where}"
        where = ""
    else:
        it = ""
    qualities = [_quality(told[name]) for name in ("hidden", "size", "colour") if name in told]
    phrase = " ".join([*qualities, noun])
    if "count" in told:
        phrase = f"two {phrase}" if two else f"a single {phrase}"
    else:
        phrase = _a(phrase)
    if way == 2:
        return f"{_a(ground + ' picture') if ground else 'a picture'} of {phrase}{where}"
    opening = "there are " if two else "there is "
    opening = opening if way == 1 or it else ""
    return f"{opening}{phrase}{where}{f' on a {ground} ground' if ground else ''}{it}"


def _clause(statement: Statement, noun: str, is_: str = "is") -> str:
    """A whole sentence of a condition: ``the three is red``, ``there are two digits``."""
    (condition,) = statement.conditions
    name, value = condition
    if name == "count":
        return f"there are two {_plural(noun)}" if value else f"there {is_} a single {noun}"
    subject = {"ground": "the ground", "digit": "the digit"}.get(name, f"the {noun}")
    return f"{subject} {is_} {_quality(condition)}"


def _becoming(condition: Condition, subject: str) -> str:
    """How it begins: ``the three turns red``."""
    name, value = condition
    if name == "count":
        return "a second digit comes" if value else "the second digit goes"
    if name == "ground":
        return f"the ground turns {GROUND_WORDS[value]}"
    if property_of(condition) == "place":
        where = _where(condition)
        return f"{subject} moves {where.replace('at the', 'to the').replace('in the', 'to the')}"
    if name == "digit":
        return f"{subject} turns into {_quality(condition)}"
    return f"{subject} turns {_quality(condition)}"


def _temporal(statement: Statement, random: np.random.RandomState) -> str:
    noun = _noun(statement.digit, random)
    if statement.when == "turn":
        change = _CHANGES[statement.graded][statement.high]
        subject = "the ground" if statement.graded == "shade" else f"the {noun}"
        return pick(random, [
            f"the last picture before {subject} {change}",
            f"the last one before {subject} {change}",
            f"just before {subject} {change}",
        ])  # fmt: skip
    (condition,) = statement.conditions
    clause = _clause(statement, noun)
    adjective = condition.name in ("colour", "size")
    such = f"{_quality(condition)} {noun}" if adjective else ""
    when = statement.when
    if when == "before":
        becoming = _becoming(condition, f"the {noun}")
        ways = [f"the last picture before {becoming}", f"just before {becoming}"]
        if condition.name not in ("ground", "count"):
            becoming = _becoming(condition, "it")
            ways.append(f"there is a {noun} just before {becoming}".replace("a eight", "an eight"))
    elif when == "after":
        ways = [
            f"the first picture in which {_clause(statement, noun, 'is no longer')}",
            f"just after the last picture in which {clause}",
        ]
        if condition.name == "count" and condition.value:
            ways[0] = f"the first picture in which there are no longer two {_plural(noun)}"
    else:
        ways = [f"the {when} picture in which {clause}", f"the {when} one in which {clause}"]
        if adjective:
            ways.append(f"the {when} {such}" if when != "second" else f"the second of the {such}")
        if when == "first" and statement.begins:
            ways.append(f"here {_becoming(condition, f'the {noun}')}")
    if adjective and when in ("second", "third"):
        ways[-1] = f"the {when} of the {_quality(condition)} ones"
    return pick(random, ways)


_CHANGES = {
    "size": ("gets smaller", "gets larger"),
    "across": ("moves to the left", "moves to the right"),
    "down": ("moves up", "moves down"),
    "shade": ("gets darker", "gets brighter"),
}
"""How grades fall and rise."""


def _negation(statement: Statement, random: np.random.RandomState) -> str:
    noun = _noun(statement.digit, random)
    (condition,) = statement.conditions
    not_so = _clause(statement, noun, "is not")
    quality = _quality(condition)
    ways = [f"the only picture in which {not_so}", f"the only one in which {not_so}"]
    if condition.name in ("colour", "size", "place", "hidden"):
        ways.append(f"the only {noun} that is not {quality}")
        ways.append(
            f"all others are {quality} but it is not".replace("but it is", "but this one is")
        )
    return pick(random, ways)


def _odd(statement: Statement, random: np.random.RandomState) -> str:
    noun = _noun(statement.digit, random)
    name = statement.conditions[0].name
    if name == "digit":
        return pick(
            random, ["the only one that shows another digit", "the odd one out among the digits"]
        )
    if name == "ground":
        return pick(
            random, ["the only picture with another ground", "the odd one out in its ground"]
        )
    return pick(random, [
        f"the only {noun} of another {name}",
        f"the odd one out in {name}",
        f"the {noun} whose {name} is unlike all others",
    ])  # fmt: skip


def _superlative(statement: Statement, random: np.random.RandomState) -> str:
    noun, at = _noun(statement.digit, random), statement.high
    if statement.graded == "shade":
        end = ("darkest", "brightest")[at]
        return pick(random, [
            f"the {end} picture",
            f"the {end} of all pictures",
            f"it is {('darker', 'brighter')[at]} here than in all others".replace("it is", "the ground is"),
        ])  # fmt: skip
    if statement.graded == "size":
        end = ("smallest", "largest")[at]
        return pick(random, [
            f"the {end} {noun}",
            f"the picture with the {end} {noun}",
            f"the {noun} is {('smaller', 'larger')[at]} here than in all others",
        ])  # fmt: skip
    end = (COLUMN_WORDS if statement.graded == "across" else ROW_WORDS)[at]
    return pick(random, [
        f"the {noun} furthest to the {end}",
        f"the picture with the {noun} furthest to the {end}",
        f"the {noun} is further to the {end} here than in all others",
    ])  # fmt: skip


def _second(statement: Statement, random: np.random.RandomState) -> str:
    noun, at = _noun(statement.digit, random), statement.high
    if statement.graded == "shade":
        end = ("darkest", "brightest")[at]
        return pick(random, [f"the second {end} picture", f"the second {end} of all pictures"])
    if statement.graded == "size":
        end = ("smallest", "largest")[at]
        return pick(random, [
            f"the second {end} {noun}", f"the picture with the second {end} {noun}",
        ])  # fmt: skip
    end = (COLUMN_WORDS if statement.graded == "across" else ROW_WORDS)[at]
    return pick(random, [
        f"the {noun} second furthest to the {end}",
        f"the picture with the {noun} second furthest to the {end}",
    ])  # fmt: skip


_WAYS = {
    "absolute": _absolute,
    "superlative": _superlative,
    "second": _second,
    "odd": _odd,
    "negation": _negation,
    "temporal": _temporal,
}
