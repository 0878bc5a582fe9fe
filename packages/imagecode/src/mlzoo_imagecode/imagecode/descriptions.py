"""Readers of ImageCoDe's descriptions: ``{set: {"3": text}}``, or ``{set: [text]}`` of hidden targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import HIDDEN
from mlzoo_imagecode.imagecode.files import CHOICES, PUBLISHED, read_json

TARGETS = {str(place): place for place in range(CHOICES)}


@dataclass(frozen=True)
class Description:
    """One text.

    Attributes:
        set: name of the image set.
        target: position of the described image in it, from 0; :data:`HIDDEN` where nobody tells.
        text: as published, blanks at its ends included.
    """

    set: str
    target: int
    text: str


@dataclass(frozen=True)
class Descriptions:
    """What a file holds, in its order: the descriptions of a set stand together.

    Attributes:
        path: the file.
        sha256: of its bytes.
        rows: the descriptions.
    """

    path: Path
    sha256: str
    rows: tuple[Description, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def sets(self) -> tuple[str, ...]:
        """Names of the sets in the order of the file."""
        return tuple(dict.fromkeys(row.set for row in self.rows))

    @cached_property
    def per_set(self) -> Counter[str]:
        """How many descriptions each set has."""
        return Counter(row.set for row in self.rows)

    @property
    def published(self) -> bool:
        """Whether it is the published file of this name, byte by byte."""
        return PUBLISHED.get(self.path.name) == self.sha256

    def of_sets(self, names: frozenset[str]) -> Descriptions:
        """Those of some sets alone."""
        return replace(self, rows=tuple(row for row in self.rows if row.set in names))


def read_labelled(path: Path) -> Descriptions:
    """Descriptions with the positions of their images.

    Raises:
        DataError: missing, damaged, a file that leaks, or a set, target or text that cannot be one;
            names the file, the set and the key.
    """
    value, digest = read_json(path)
    return _described(path, digest, list(_labelled(path, value)))


def read_unlabelled(path: Path) -> Descriptions:
    """Descriptions whose targets are hidden, :data:`HIDDEN`; their order tells nothing of them.

    Raises:
        DataError: as :func:`read_labelled`, or it tells targets.
    """
    value, digest = read_json(path)
    return _described(path, digest, list(_unlabelled(path, value)))


class OfSets(Protocol):
    """What a file says of some image sets."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def sets(self) -> tuple[str, ...]:
        """Their names."""


def require_disjoint(*parts: OfSets) -> None:
    """Refuse image sets that several files describe.

    Raises:
        DataError: names the first and its files.
    """
    owner: dict[str, Path] = {}
    for part in parts:
        for name in part.sets:
            if name in owner:
                raise DataError(
                    f"the set {name!r} is in {owner[name].name} and in {part.path.name}: what is tested must "
                    "not be learnt from.",
                    "Fetch both files again.",
                )
            owner[name] = part.path


def check_set(path: Path, name: str) -> None:
    """Refuse a name that is not one folder's.

    Raises:
        DataError: names it.
    """
    inside = not ({"/", "\\", ":"} & set(name)) and not name.startswith(".")
    if not (name and inside and name.isprintable() and name == name.strip()):
        raise DataError(f"{path}: {name!r} cannot be the name of an image set's folder.")


def check_text(path: Path, name: str, key: str, text: Any) -> str:
    """A description that says something.

    Raises:
        DataError: names the set and the key.
    """
    if not isinstance(text, str) or not text.strip():
        found = "blank" if isinstance(text, str) else type(text).__name__
        raise DataError(f"{path}: set {name!r}, {key}: the description is {found}, expected text.")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise DataError(f"{path}: set {name!r}, {key}: the description holds half a character.")
    return text


def _described(path: Path, digest: str, rows: list[Description]) -> Descriptions:
    if not rows:
        raise DataError(f"{path} holds no descriptions.", "Fetch it again.")
    return Descriptions(path, digest, tuple(rows))


def _sets(path: Path, value: Any, kind: type, expected: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected an object of image sets, found {type(value).__name__}.")
    for name, own in value.items():
        check_set(path, name)
        if not isinstance(own, kind):
            raise DataError(
                f"{path}: set {name!r}: expected {expected}, found {type(own).__name__}."
            )
        if not own:
            raise DataError(f"{path}: set {name!r} has no description.")
        yield name, own


def _labelled(path: Path, value: Any) -> Iterator[Description]:
    for name, own in _sets(path, value, dict, "an object of targets and descriptions"):
        for key, text in own.items():
            if key not in TARGETS:
                raise DataError(
                    f"{path}: set {name!r}: the target {key!r} is none of '0' to '{CHOICES - 1}'."
                )
            yield Description(name, TARGETS[key], check_text(path, name, f"target {key!r}", text))


def _unlabelled(path: Path, value: Any) -> Iterator[Description]:
    expected = "a list of descriptions without targets"
    for name, own in _sets(path, value, list, expected):
        for place, text in enumerate(own):
            yield Description(name, HIDDEN, check_text(path, name, f"description {place}", text))
