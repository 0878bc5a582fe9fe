"""The embedded strips: what is in them, and that each description is right of one picture alone.

Descriptions are resolved here by a reader of its own, from words to where things were put in the pictures.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter

import numpy as np
import pytest

from mlzoo_imagecode import digit_strips, strips
from mlzoo_imagecode.dataset_config import DigitStripsOptions
from mlzoo_imagecode.metric_specs import TAGS
from mlzoo_imagecode.strips import Strips, draw_strips
from mlzoo_imagecode.strips.drawing import INKS, UNITS, Layout, draw, layout
from mlzoo_imagecode.strips.statements import KINDS

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
PLURALS = [
    "zeros",
    "ones",
    "twos",
    "threes",
    "fours",
    "fives",
    "sixes",
    "sevens",
    "eights",
    "nines",
]
COLOURS = ["red", "green", "blue", "orange"]


@pytest.fixture(scope="module")
def drawn() -> Strips:
    return draw_strips(600, 3, writers="test")


class Reader:
    """What ten pictures show, in units of where things were put; and what a description means there."""

    def __init__(self, made: Strips, where: Layout, strip: int) -> None:
        rows = slice(10 * strip, 10 * strip + 10)
        self.digit = made.scenes.of("digit")[strip]
        self.colour = made.scenes.of("colour")[strip]
        self.size, self.ground = where.size[rows], where.ground[rows]
        self.top, self.left = where.top[rows], where.left[rows]
        self.hidden, self.two = where.hidden[rows], where.second_top[rows] >= 0
        self.second = np.stack([where.second_top[rows], where.second_left[rows]])

    def beside(self, axis: int, edge: int) -> list[np.ndarray]:
        """Whether the first and the second digit are at the top or bottom (left or right)."""
        found = []
        for start in ((self.top, self.left)[axis], self.second[axis]):
            off = 2 * start + self.size - UNITS  # of the middle, in halves
            found.append((start >= 0) & ((off < -4) if edge == 0 else (off > 4)))
        return found

    def place(self, words: str) -> np.ndarray:
        """bool [10]: where a digit is there, in either of two."""
        if "middle" in words:
            return ~(self.beside(0, 0)[0] | self.beside(0, 1)[0] | self.beside(1, 0)[0])
        so = [np.ones(10, bool), self.two]
        for axis, edges in enumerate((("top", "bottom"), ("left", "right"))):
            for edge, word in enumerate(edges):
                if word in words:
                    so = [
                        one & there for one, there in zip(so, self.beside(axis, edge), strict=True)
                    ]
        return so[0] | so[1]

    def so(self, phrase: str) -> np.ndarray:
        """bool [10]: where everything holds that a phrase says."""
        words = phrase.split()
        holds = np.ones(10, bool)
        if place := re.search(
            r"(at|in|to) the (top|bottom|left|right|middle)( left| right)?", phrase
        ):
            holds &= self.place(place[0])
        many = [PLURALS.index(word) for word in words if word in PLURALS]
        if many or "digits" in words or "a second digit" in phrase:
            holds &= self.two
        elif "a single" in phrase or "the second digit goes" in phrase:
            holds &= ~self.two
        single = [
            NAMES.index(word) for word in words if word in NAMES and not (many and word == "two")
        ]
        for digit in [*many, *([] if "digits" in words else single)]:
            holds &= self.digit == digit
        for index, word in enumerate(COLOURS):
            if word in words:
                holds &= self.colour == index
        for word, meant in (
            ("small", self.size <= 10),
            ("large", self.size >= 16),
            ("dark", self.ground <= 50),
            ("bright", self.ground >= 200),
            ("half hidden", self.hidden),
            ("fully visible", ~self.hidden),
        ):
            if f" {word} " in f" {phrase} ":
                holds &= meant
        return holds

    def by_grade(self, text: str) -> np.ndarray | None:
        """Places in the order of grades, the meant end first; None if grades are not meant."""
        ends = {
            "smaller|smallest": (self.size, 1),
            "larger|largest": (self.size, -1),
            "darker|darkest": (self.ground, 1),
            "brighter|brightest": (self.ground, -1),
            "further|furthest left": (self.left, 1),
            "further|furthest right": (self.left, -1),
            "further|furthest top": (self.top, 1),
            "further|furthest bottom": (self.top, -1),
        }
        for pattern, (value, sign) in ends.items():
            forms, _, side = pattern.partition(" ")
            if re.search(rf"\b({forms})\b" + (f" to the {side}" if side else ""), text):
                order = np.argsort(sign * value, kind="stable")
                assert len(set(value[order[:3]])) == 3 or "second" not in text
                assert value[order[0]] != value[order[1]]
                return order
        return None

    def turn(self, text: str) -> int:
        """The last frame before a grade changes in the said direction for the first time."""
        value, sign = {
            "gets smaller": (self.size, -1), "gets larger": (self.size, 1),
            "gets darker": (self.ground, -1), "gets brighter": (self.ground, 1),
            "moves to the left": (self.left, -1), "moves to the right": (self.left, 1),
            "moves up": (self.top, -1), "moves down": (self.top, 1),
        }[re.search(r"(gets|moves) .*", text)[0]]  # fmt: skip
        return int(np.flatnonzero(np.diff(sign * value) > 0)[0])

    def odd(self, text: str) -> np.ndarray:
        """Where a value is that no other picture has, while all others agree."""
        values = {
            "colour": self.colour, "size": self.size, "ground": self.ground // 100,
            "digit": self.digit, "digits": self.digit,
            "place": sum(3 ** (2 * axis + edge) * self.beside(axis, edge)[0]
                         for axis in range(2) for edge in range(2)),
        }  # fmt: skip
        of = [word for word in text.split() if word in values]
        # "the digit of another colour": the last word tells what is odd.
        counts = Counter(values[of[-1]].tolist())
        assert sorted(counts.values()) == [1, 9]
        return np.array([counts[value] == 1 for value in values[of[-1]].tolist()])

    def meant(self, text: str, graded: bool) -> np.ndarray:
        """bool [10]: the pictures that a description is right of."""
        if re.search(r"odd one out|another|unlike", text):
            return self.odd(text)
        if said := re.search(r"all others are (.*) but this one is not", text):
            return ~self.so(said[1])
        if re.match("the only", text):
            return ~self.so(re.search(r"is not (.*)", text)[1])
        if graded:
            if "before" in text:
                return self.at(self.turn(text))
            return self.at(self.by_grade(text)[1 if "second" in text else 0])
        return self.in_time(text)

    def in_time(self, text: str) -> np.ndarray:
        """The same, of temporal and absolute descriptions."""
        if said := re.search(r"before (.*)", text):
            return self.at(np.flatnonzero(self.so(said[1]))[0] - 1)
        if said := re.search(r"just after the last picture in which (.*)", text):
            return self.at(np.flatnonzero(self.so(said[1]))[-1] + 1)
        if said := re.search(r"no longer (.*)", text):
            return self.at(np.flatnonzero(self.so(said[1].replace("two digits", "digits")))[-1] + 1)
        if said := re.match(r"here (.*)", text):
            start = np.flatnonzero(self.so(said[1]))[0]
            assert start > 0, "nothing has turned"
            return self.at(start)
        if said := re.match(r"the (first|second|last) (picture |one |of the )?(.*)", text):
            phrase = said[3].removesuffix(" ones") if said[2] == "of the " else said[3]
            there = np.flatnonzero(self.so(phrase))
            assert (np.diff(there) == 1).all()
            return self.at(there[{"first": 0, "second": 1, "last": -1}[said[1]]])
        return self.so(text.replace("a picture of", ""))

    def at(self, position: int) -> np.ndarray:
        return np.arange(10) == position


def test_every_description_is_right_of_its_target_alone(drawn):
    where = layout(drawn.scenes, np.random.RandomState(1))
    graded = drawn.scenes.graded >= 0
    for strip, target, text in zip(drawn.strip, drawn.target, drawn.texts, strict=True):
        meant = Reader(drawn, where, strip).meant(text, bool(graded[strip]))
        assert np.flatnonzero(meant).tolist() == [target], (strip, target, text)


def test_pictures_show_what_the_scenes_say():
    """Measured in pictures whose digits are full squares: grounds, colours, squares and bars."""
    made = draw_strips(60, 5)
    where = layout(made.scenes, np.random.RandomState(2))
    glyphs = np.full((600, 8, 8), 16, dtype=np.uint8)
    colour = made.scenes.of("colour").reshape(-1)
    pixels = draw(where, glyphs, colour, 64, np.random.RandomState(3)).astype(int)
    for row, picture in enumerate(pixels):
        vivid = np.ptp(picture, axis=2) > 60  # [64, 64], ink
        inked = picture[vivid].mean(axis=0)
        assert np.abs(np.array(INKS) - inked).sum(axis=1).argmin() == colour[row]
        bar = ~vivid & (np.abs(picture[..., 0] - 125) <= 8) & (abs(where.ground[row] - 125) > 40)
        assert (bar.sum() > 20) == where.hidden[row]
        free = ~vivid & ~bar
        assert abs(picture[..., 0][free].mean() - where.ground[row]) < 4
        down, across = np.nonzero(vivid | bar)
        size, top, left = (2 * int(of[row]) for of in (where.size, where.top, where.left))
        if where.second_top[row] < 0:
            assert (down.min(), down.max() + 1) == (top, top + size)
            assert (across.min(), across.max() + 1) == (left, left + size)
        else:
            assert abs((vivid | bar).sum() - 2 * size**2) <= size**2 // 8


def test_handwriting_of_parts_is_disjoint(monkeypatch):
    """With a mark in every digit of the later writers, no picture of an earlier part has one."""
    import sklearn.datasets

    found = sklearn.datasets.load_digits()
    used: list[np.ndarray] = []
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda: found)
    found.images[:] = np.arange(len(found.images))[:, None, None] // 100
    monkeypatch.setattr(
        strips, "draw", lambda where, glyphs, colour, side, random: used.append(glyphs) or glyphs
    )
    for writers in ("train", "val", "test"):
        monkeypatch.setattr(np, "uint8", np.int16)
        with pytest.raises(ValueError, match="reshape"):
            draw_strips(200, 0, writers=writers)
    train, val, test = ({int(value) for value in np.unique(rows)} for rows in used)
    assert (train, val, test) == (set(range(10)), {10, 11}, set(range(12, 18)))


def test_a_strip_shows_a_digit_in_one_handwriting(drawn):
    """Pictures of a video resemble their neighbours more than frames further off, and other strips."""
    pixels = drawn.pixels.astype(np.int16)
    video = pixels[drawn.video]

    def apart(one, other):
        return np.abs(one - other).mean()

    next_to = apart(video[:, 1:], video[:, :-1])
    assert next_to < 0.7 * apart(video[:, 5:], video[:, :5])
    assert next_to < 0.9 * apart(pixels[:, 1:], pixels[:, :-1])
    assert apart(pixels[:, 1:], pixels[:, :-1]) < 0.6 * apart(pixels[1:], pixels[:-1])


def test_frames_of_videos_have_gaps_and_those_of_others_none(drawn):
    assert 0.4 < drawn.video.mean() < 0.6
    assert (drawn.frame[~drawn.video] == np.arange(10)).all()
    steps = np.diff(drawn.frame[drawn.video], axis=1)
    assert (steps.min(), steps.max()) == (1, 8)


def test_targets_are_spread_evenly(drawn):
    for chosen in (drawn.video, ~drawn.video):
        share = (
            np.bincount(drawn.target[chosen[drawn.strip]], minlength=10) / chosen[drawn.strip].sum()
        )
        assert 0.05 < share.min() < share.max() < 0.15
    pairs = set(zip(drawn.strip.tolist(), drawn.target.tolist(), strict=True))
    assert len(pairs) == len(drawn.texts)
    counts = np.bincount(drawn.strip, minlength=600)
    assert (counts.min(), counts.max()) == (1, 3)


def test_tags_are_what_the_words_show(drawn):
    by_word = {
        "col": r"\b(red|green|blue|orange|colour)\b",
        "img": r"\b(dark|bright|darker|brighter|darkest|brightest|ground)\b",
        "v": r"\b(hidden|visible)\b",
        "neg": r"\b(not|no)\b",
        "cor": r"\bit\b",
        "s": r"\b(left|right|top|bottom|middle|place|moves)\b",
        "q": rf"\b(single|second digit|two (\w+ )*({'|'.join(PLURALS)}|digits))\b",
    }
    for text, tags in zip(drawn.texts, drawn.tag, strict=True):
        shown = {tag for tag, there in zip(TAGS, tags, strict=True) if there}
        for tag, words in by_word.items():
            assert (tag in shown) == bool(re.search(words, text)), (tag, text)
    kind, tag = np.array(drawn.kind), dict(zip(TAGS, drawn.tag.T, strict=True))
    assert (tag["con"] == (kind != "absolute")).all()
    assert (tag["t"] == (kind == "temporal")).all()
    assert (tag["n"] == np.isin(kind, ["superlative", "second"])).all()
    assert drawn.tag.any(axis=0).all()
    assert set(kind) == set(KINDS)
    assert not drawn.video[drawn.strip][kind == "odd"].all()
    assert drawn.video[drawn.strip][kind == "temporal"].all()


def test_the_seed_decides_everything_and_more_strips_begin_alike():
    some, more = draw_strips(20, 0), draw_strips(50, 0)
    few = int((more.strip < 20).sum())
    np.testing.assert_array_equal(some.pixels, more.pixels[:20])
    assert some.texts == more.texts[:few]
    np.testing.assert_array_equal(some.target, more.target[:few])
    other = draw_strips(20, 1)
    assert other.texts != some.texts
    assert (other.pixels != some.pixels).any()
    digest = hashlib.sha256(some.pixels.tobytes() + "\n".join(some.texts).encode()).hexdigest()
    assert digest[:16] == DIGEST, "not the same as on other machines"


DIGEST = "a54e34a7a15781b8"


def test_pictures_may_be_larger():
    large = draw_strips(3, 0, side=96)
    assert large.pixels.shape == (3, 10, 96, 96, 3)
    assert large.texts == draw_strips(3, 0).texts


def test_the_dataset_has_all_parts_and_its_ceilings(monkeypatch):
    monkeypatch.setattr(digit_strips, "COUNTS", {"val": 20, "test": 60})
    data = digit_strips.load(None, DigitStripsOptions(strips=30))
    counts = {name: len(data.part(name).sets) for name in ("train", "val", "test")}
    assert counts == {"train": 30, "val": 20, "test": 60}
    assert (data.choices, data.splits, data.hidden) == (10, ("val", "test"), ())
    test = data.parts["test"]
    made = draw_strips(60, 0, writers="test")
    shown = test.images.crops(test.candidates[5], 32)
    np.testing.assert_array_equal(shown, made.pixels[made.strip[5]])
    assert test.images.names[12] == f"{test.sets[1]}/img{test.frame[12]}.jpg"
    np.testing.assert_array_equal(test.is_video, made.video[made.strip])
    assert test.annotated.all()
    references = data.references()
    for name in ("accuracy", "accuracy_video", "accuracy_static", "accuracy_con", "accuracy_t"):
        assert (references[name]["chance"], references[name]["ceiling"]) == (10.0, 100.0)
    assert data.describe()["data_seed"] == 0
    assert (
        data.fingerprint() == digit_strips.load(None, DigitStripsOptions(strips=30)).fingerprint()
    )
    assert (
        data.fingerprint() != digit_strips.load(None, DigitStripsOptions(data_seed=1)).fingerprint()
    )


def test_the_published_size_of_the_parts():
    assert digit_strips.COUNTS == {"val": 300, "test": 500}
    assert DigitStripsOptions().strips == 3000


def test_the_vocabulary_is_small(drawn):
    words = {word for text in drawn.texts for word in text.split()}
    assert all(re.fullmatch("[a-z]+", word) for word in words)
    assert 80 < len(words) <= 110
    assert max(len(text.split()) for text in drawn.texts) <= 20
