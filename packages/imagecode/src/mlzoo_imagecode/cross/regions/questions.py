"""Tables of questions as the cross-encoders' program wants them, made of the published descriptions.

A question is a description and one of the ten images of its set. Its id is written number of the description
(from 1, in the order of the file), target, position, one behind the other: 155 asks of description 1, whose
target is 5, whether it means the image at position 5, and is positive as the last two digits agree. Where
targets are hidden, an id is number and position alone, and nothing is positive or negative.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError
from mlzoo.files import atomic_write
from mlzoo_imagecode.contextual import HIDDEN, Floats, Index

MOST = 10
"""Images of a set: positions are one digit."""
STATIC = "openimages"
"""In the keys of images that are no frames."""

_OTHERS = re.compile(r"[^A-Za-z0-9]+")
_KEY = re.compile(r"([A-Za-z0-9]*)img([0-9]+)")


class Described(Protocol):
    """A description: of which set, its target (``contextual.HIDDEN`` if nobody tells) and its text."""

    @property
    def set(self) -> str: ...
    @property
    def target(self) -> int: ...
    @property
    def text(self) -> str: ...


def set_key(name: str) -> str:
    """A set's name with letters and digits alone."""
    return _OTHERS.sub("", name)


def image_key(name: str, frame: int) -> str:
    """What an image of a set is called among region features: ``openimages12ab34img7``."""
    return f"{set_key(name)}img{frame}"


def frames_by_set(
    keys: Iterable[str], sets: Sequence[str], count: int = MOST
) -> dict[str, list[int]]:
    """Which frames sets have, as the keys of their images tell: there is no need of the images.

    Args:
        keys: of images, of other sets as well.
        sets: names of those asked for.
        count: images that each must have.

    Returns:
        Numbers of frames by name, ascending: that at place 0 is at position 0.

    Raises:
        DataError: two sets have one key, or a set has not exactly ``count`` images; names the first.
    """
    found: dict[str, list[int]] = defaultdict(list)
    for key in keys:
        if match := _KEY.fullmatch(key):
            found[match[1]].append(int(match[2]))
    owner: dict[str, str] = {}
    for name in sets:
        if (other := owner.setdefault(set_key(name), name)) != name:
            raise DataError(f"the sets {other!r} and {name!r} have the same key {set_key(name)!r}.")
        frames = found.get(set_key(name), [])
        if len(set(frames)) != count or len(frames) != count:
            raise DataError(
                f"the set {name!r} has regions of {len(frames)} images, expected {count} different ones."
            )
    return {name: sorted(found[key]) for key, name in owner.items()}


@dataclass(frozen=True, eq=False)
class QuestionTable:
    """Questions of n descriptions, description by description and by position: m = n·k rows.

    Attributes:
        question_id: int64 [m], ascending.
        description: int64 [m], from 0.
        position: int64 [m], of the image in its set.
        image: str [m], the keys of the images.
        positive: bool [m], whether the image is meant; None where targets are hidden.
        texts: of the n descriptions.
    """

    question_id: Index
    description: Index
    position: Index
    image: npt.NDArray[np.str_]
    positive: npt.NDArray[np.bool_] | None
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.question_id)

    @property
    def static(self) -> npt.NDArray[np.bool_]:
        """bool [m], whether images are no frames of a video, as their keys tell."""
        return np.char.find(self.image, STATIC) >= 0

    def rows_of(self, question_ids: Index) -> Index:
        """int64 [q]: where questions stand.

        Raises:
            DataError: one does not; names it.
        """
        rows = np.searchsorted(self.question_id, question_ids)
        rows = np.minimum(rows, len(self) - 1)
        if (absent := self.question_id[rows] != question_ids).any():
            raise DataError(f"there is no question {question_ids[absent][0]}.")
        return rows.astype(np.int64)

    @cached_property
    def questions(self) -> list[dict[str, Any]]:
        """Rows of the published ``<split>.json``."""
        columns = (self.question_id.tolist(), self.image.tolist(), self.description.tolist())
        return [
            {"question_id": number, "image_id": image, "question": self.texts[description]}
            for number, image, description in zip(*columns, strict=True)
        ]

    @property
    def targets(self) -> list[dict[str, Any]]:
        """Rows of the published targets, label 1 if the image is meant.

        Raises:
            DataError: they are hidden.
        """
        if self.positive is None:
            raise DataError("these questions have hidden targets.")
        columns = (self.question_id.tolist(), self.image.tolist(), self.positive.tolist())
        return [
            {"image_id": image, "labels": [int(own)], "scores": [1], "question_id": number}
            for number, image, own in zip(*columns, strict=True)
        ]


def question_table(rows: Sequence[Described], frames: Mapping[str, Sequence[int]]) -> QuestionTable:
    """The questions of some descriptions.

    Args:
        rows: in the order of their file.
        frames: numbers of a set's frames by name, ascending.

    Raises:
        DataError: a set is not known, sets differ in their number of images or have more than ten, a target
            is outside its set, or known of some descriptions alone.
    """
    if not rows:
        raise DataError("there are no descriptions to ask about.")
    if unknown := next((row.set for row in rows if row.set not in frames), None):
        raise DataError(f"the images of the set {unknown!r} are not known.")
    choices = len(frames[rows[0].set])
    target = np.array([row.target for row in rows], np.int64)
    other = next((row.set for row in rows if len(frames[row.set]) != choices), None)
    if other is not None or not 0 < choices <= MOST:
        raise DataError(
            f"the set {other or rows[0].set!r} has {len(frames[other or rows[0].set])} images, expected "
            + (f"{choices}." if other else f"1 to {MOST}.")
        )
    hidden = target == HIDDEN
    if hidden.any() and not hidden.all():
        raise DataError("the targets of some descriptions are hidden, and those of others are not.")
    if not HIDDEN <= target.min() <= target.max() < choices:
        raise DataError(f"a target is outside 0 to {choices - 1}.")
    description = np.repeat(np.arange(len(rows)), choices)
    position = np.tile(np.arange(choices), len(rows))
    group = np.arange(1, len(rows) + 1)
    if not hidden.any():
        group = 10 * group + target
    keys = {name: [image_key(name, frame) for frame in own] for name, own in frames.items()}
    return QuestionTable(
        question_id=10 * group[description] + position,
        description=description,
        position=position,
        image=np.array([key for row in rows for key in keys[row.set]]),
        positive=None if hidden.any() else position == target[description],
        texts=tuple(row.text for row in rows),
    )


def chosen(question_ids: Index, scores: Floats) -> tuple[Index, Index]:
    """What each description's questions choose: the highest score, the lowest id of several.

    Args:
        question_ids: int64 [m], in any order.
        scores: [m], of these.

    Returns:
        The ids of the chosen questions, int64 [n], ascending by description; and the positions in them.

    Raises:
        DataError: an id occurs twice, descriptions differ in their number of questions, or a score is NaN.
    """
    if question_ids.shape != scores.shape or question_ids.ndim != 1 or not len(scores):
        raise DataError(
            f"scores are {list(scores.shape)}, question ids {list(question_ids.shape)}."
        )
    if np.isnan(scores).any():
        raise DataError(f"the score of question {question_ids[np.isnan(scores)][0]} is NaN.")
    order = np.argsort(question_ids)
    ids = question_ids[order]
    if (same := ids[1:] == ids[:-1]).any():
        raise DataError(f"the question {ids[1:][same][0]} occurs twice.")
    _, starts, counts = np.unique(ids // 10, return_index=True, return_counts=True)
    if len(set(counts.tolist())) != 1:
        odd = int(np.flatnonzero(counts != counts[0])[0])
        raise DataError(
            f"the questions like {ids[starts[odd]]} are {counts[odd]}, others {counts[0]} a description."
        )
    best = scores[order].reshape(len(starts), -1).argmax(axis=1)  # the first of several
    picked = ids[starts + best]
    return picked, picked % 10


def grouped_accuracy(question_ids: Index, scores: Floats) -> float:
    """Share of descriptions whose chosen question is positive, from ids and scores alone.

    Args:
        question_ids: int64 [m] with targets in them.
        scores: [m].

    Raises:
        DataError: as :func:`chosen`.
    """
    picked, position = chosen(question_ids, scores)
    return float(np.mean(picked // 10 % 10 == position))


def write_questions(folder: Path, split: str, table: QuestionTable) -> None:
    """Write ``<split>.json``, and ``<split>_target.json`` where targets are known.

    They hold what the published program reads from ``<split>.json`` and a pickle of targets.

    Raises:
        RunError: a file cannot be written.
    """
    with atomic_write(folder / f"{split}.json") as file:
        file.write(json.dumps({"questions": table.questions}, ensure_ascii=False).encode())
    if table.positive is not None:
        with atomic_write(folder / f"{split}_target.json") as file:
            file.write(json.dumps(table.targets).encode())
