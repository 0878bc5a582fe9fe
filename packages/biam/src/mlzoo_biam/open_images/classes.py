"""The classes of Open Images in the split of the multi-label zero-shot literature.

    classes-trainable.txt    one machine id (/m/...) a line: the seen classes, in their order
    unseen_labels.pkl        a pickled array of ids: what is annotated and not trainable
    top_400_unseen.csv       one number a line: which of those are the unseen classes, in their order
    class-descriptions.csv   id,description, without a header: what the ids mean

Release 2018_04 has 7186 seen classes, 2594 other labels and 400 of them chosen. Numbers count from 0.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mlzoo.data.checks import existing, readable
from mlzoo.data.readers import read_pickle
from mlzoo.errors import DataError, did_you_mean
from mlzoo_biam.multilabel import Index

SEEN, OTHERS, CHOSEN, DESCRIPTIONS = (
    "classes-trainable.txt",
    "unseen_labels.pkl",
    "top_400_unseen.csv",
    "class-descriptions.csv",
)
PUBLISHED = (7186, 2594, 400)
"""Seen classes, other labels, unseen classes of the release."""

_ID = re.compile(r"/[a-z]/[\w\-]+")


@dataclass(frozen=True, eq=False)
class Classes:
    """Classes by id.

    Attributes:
        seen: ids of the seen classes, S of them.
        others: ids of all labels that are not trainable, L of them.
        chosen: int64 [U], which of the others are the unseen classes.
        names: descriptions by id, of all of these.
    """

    seen: tuple[str, ...]
    others: tuple[str, ...]
    chosen: Index
    names: dict[str, str]

    @cached_property
    def unseen(self) -> tuple[str, ...]:
        """Ids of the unseen classes."""
        return tuple(self.others[place] for place in self.chosen)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Ids of all C classes, seen then unseen: the columns of labels and scores."""
        return self.seen + self.unseen

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """A name for each of ``ids``: its description, with the id behind it where two share one."""
        words = [self.names[each] for each in self.ids]
        count = Counter(words)
        return tuple(
            word if count[word] == 1 else f"{word} ({each})"
            for word, each in zip(words, self.ids, strict=True)
        )

    def digest(self) -> str:
        """SHA-256 of ``ids`` and how many are seen: labels packed for others do not fit."""
        text = "\n".join([str(len(self.seen)), *self.ids])
        return hashlib.sha256(text.encode()).hexdigest()


def read_classes(folder: Path) -> Classes:
    """The classes that the four files in ``folder`` describe.

    Raises:
        DataError: a file is missing or damaged; an id is malformed, stands twice, is both seen and
            not trainable, or has no description; a number is outside the list.
    """
    seen = _read_seen(folder / SEEN)
    others = _read_others(folder / OTHERS)
    both = sorted(set(seen) & set(others))
    if both:
        raise DataError(f"{folder / OTHERS}: {both[0]} is also in {SEEN}; expected no id in both.")
    chosen = _read_chosen(folder / CHOSEN, len(others))
    names = read_descriptions(folder / DESCRIPTIONS)
    wanted = (*seen, *others)
    lacking = [each for each in wanted if each not in names]
    if lacking:
        raise DataError(
            f"{folder / DESCRIPTIONS} does not describe {lacking[0]}"
            + (f" and {len(lacking) - 1} other ids." if lacking[1:] else "."),
            did_you_mean(lacking[0], names) if len(names) < 1000 else "Fetch the file again.",
        )
    return Classes(seen, others, chosen, {each: names[each] for each in wanted})


def read_descriptions(path: Path) -> dict[str, str]:
    """Descriptions by id. A line is cut at its first comma: a description may hold others.

    Raises:
        DataError: missing, not UTF-8, a line without a comma or an id, or an id described twice in
            different words.
    """
    found: dict[str, str] = {}
    for number, line in _lines(path):
        each, comma, text = line.partition(",")
        each = each.strip()
        if not comma or not _ID.fullmatch(each):
            if number == 1 and comma and "/" not in each:
                continue  # later releases begin with a header
            raise DataError(f"{path}, line {number}: expected id,description, found {line[:60]!r}.")
        words = _unquoted(text)
        if found.setdefault(each, words) != words:
            raise DataError(f"{path}, line {number}: {each} is described twice.")
    return found


def _unquoted(text: str) -> str:
    """A csv cell, or text that looks like one: ``"a ""b"", c"`` is ``a "b", c``."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        cells = next(csv.reader([text]))
        text = cells[0] if len(cells) == 1 else text
    return text.strip()


def _read_seen(path: Path) -> tuple[str, ...]:
    return _checked([line.strip() for _, line in _lines(path)], path)


def _read_others(path: Path) -> tuple[str, ...]:
    """The ids of a pickled array or list of texts, whatever Python wrote it."""
    found = read_pickle(path, encoding="latin1")
    if isinstance(found, np.ndarray) and found.ndim == 1:
        found = found.tolist()
    if not isinstance(found, list | tuple):
        raise DataError(f"{path}: expected a list of ids, found {type(found).__name__}.")
    return _checked(found, path)


def _checked(ids: Sequence[object], path: Path) -> tuple[str, ...]:
    if not ids:
        raise DataError(f"{path} is empty.")
    texts = [each.decode("ascii", "replace") if isinstance(each, bytes) else each for each in ids]
    known: set[str] = set()
    for number, each in enumerate(texts, 1):
        if not isinstance(each, str) or not _ID.fullmatch(each):
            raise DataError(f"{path}: entry {number} is {each!r:.60}, expected an id like /m/0abc.")
        if each in known:
            raise DataError(f"{path}: {each} stands twice.")
        known.add(each)
    return tuple(str(each) for each in texts)


def _read_chosen(path: Path, count: int) -> Index:
    """Numbers in the order of the file, which starts with a byte order mark."""
    places: dict[int, None] = {}
    for number, line in _lines(path):
        text = line.strip().rstrip(",")
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise DataError(f"{path}, line {number}: expected a number, found {text[:60]!r}.")
        if not int(text) < count:
            raise DataError(f"{path}, line {number}: {text} is outside the {count} labels, from 0.")
        if int(text) in places:
            raise DataError(f"{path}, line {number}: {text} stands twice.")
        places[int(text)] = None
    return np.array(list(places), dtype=np.int64)


def _lines(path: Path) -> list[tuple[int, str]]:
    """Numbered lines that are not empty; without a byte order mark, whatever ends them."""
    with readable(existing(path), "text in UTF-8"):
        text = path.read_text(encoding="utf-8-sig")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise DataError(f"{path} is empty.")
    return lines
