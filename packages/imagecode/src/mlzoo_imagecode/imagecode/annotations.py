"""What people noted about the validation descriptions: phenomena that they show, and who wrote them.

A phenomenon was looked for in the first rows of the file alone, four of them in 1000 and six in 200: a tag
that is missing further down says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError
from mlzoo_imagecode.imagecode.descriptions import TARGETS, Description
from mlzoo_imagecode.imagecode.files import read_json, read_text
from mlzoo_imagecode.metric_specs import TAGS

Bools: TypeAlias = npt.NDArray[np.bool_]
Key: TypeAlias = tuple[str, int]
"""A set and a target."""

ANNOTATED_ROWS = {tag: 1000 if tag in ("con", "v", "n", "neg") else 200 for tag in TAGS}
"""In how many rows of the file, from the first, a phenomenon was looked for."""

WRITERS = {"train_worker": 1, "unseen_worker": 0}
"""Whether the writer of a description wrote training descriptions, too."""


@dataclass(frozen=True)
class Annotation:
    """One row of the published annotations.

    Attributes:
        key: the set and the target.
        tags: the phenomena that were noted.
    """

    key: Key
    tags: frozenset[str]


def read_annotations(path: Path) -> list[Annotation]:
    """The rows of ``manual_annotation_valid.yaml`` in the order of the file.

    Raises:
        DataError: missing, damaged, with anything that is neither text nor a mapping of text, or with an
            unknown tag or target; names the file, the set and the target.
    """
    text, _ = read_text(path)
    return list(_annotations(path, _nested_text(path, text)))


def tag_arrays(
    annotations: Sequence[Annotation], descriptions: Sequence[Description]
) -> tuple[Bools, Bools]:
    """Phenomena of descriptions, found by set and target.

    Returns:
        tag: bool [n, 10], whether a description was noted to show a phenomenon.
        annotated: bool [n, 10], whether somebody looked for it there; no tag counts where nobody did.
    """
    order = {annotation.key: row for row, annotation in enumerate(annotations)}
    rows = np.array([order.get((d.set, d.target), -1) for d in descriptions], dtype=np.int64)
    lengths = np.array([ANNOTATED_ROWS[tag] for tag in TAGS])
    annotated = (rows[:, None] >= 0) & (rows[:, None] < lengths)  # [n, 10]
    noted = tag_table(annotations)
    tag = noted[rows] & annotated if len(noted) else np.zeros_like(annotated)
    return tag, annotated


def tag_table(annotations: Sequence[Annotation]) -> Bools:
    """bool [rows, 10], every tag as noted, wherever it stands."""
    noted = [[tag in annotation.tags for tag in TAGS] for annotation in annotations]
    return np.array(noted, dtype=bool).reshape(-1, len(TAGS))


def unmatched(
    annotations: Sequence[Annotation], descriptions: Sequence[Description]
) -> list[Annotation]:
    """Rows of no description."""
    known = {(d.set, d.target) for d in descriptions}
    return [annotation for annotation in annotations if annotation.key not in known]


def read_annotators(path: Path) -> dict[Key, int]:
    """By set and target, 1 if the writer of the description wrote training descriptions, too, else 0.

    Raises:
        DataError: missing, damaged, or with an unknown target or kind of writer.
    """
    value, _ = read_json(path)
    found: dict[Key, int] = {}
    for name, target, kind in _entries(path, value):
        if not isinstance(kind, str) or kind not in WRITERS:
            raise DataError(
                f"{path}: set {name!r}, target {target}: {kind!r} is none of {', '.join(WRITERS)}."
            )
        found[name, target] = WRITERS[kind]
    return found


def annotator_array(
    writers: Mapping[Key, int], descriptions: Sequence[Description]
) -> npt.NDArray[np.int8]:
    """int8 [n]: 1, 0, or -1 where nobody says who wrote a description."""
    found = [writers.get((d.set, d.target), -1) for d in descriptions]
    return np.array(found, dtype=np.int8)


def _entries(path: Path, value: Any) -> Iterator[tuple[str, int, Any]]:
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected an object of image sets, found {type(value).__name__}.")
    for name, own in value.items():
        if not isinstance(own, dict):
            raise DataError(f"{path}: set {name!r}: expected targets, found {type(own).__name__}.")
        for key, entry in own.items():
            if key not in TARGETS:
                raise DataError(f"{path}: set {name!r}: {key!r} is no target.")
            yield name, TARGETS[key], entry


def _annotations(path: Path, value: Any) -> Iterator[Annotation]:
    for name, target, entry in _entries(path, value):
        where = f"{path}: set {name!r}, target {target}"
        noted = entry.get("annotation") if isinstance(entry, dict) else None
        if not isinstance(noted, str):
            raise DataError(f"{where}: there is no annotation.")
        tags = frozenset(tag.strip() for tag in noted.split(",")) - {""}
        if unknown := sorted(tags - set(TAGS)):
            raise DataError(f"{where}: {unknown[0]!r} is none of {', '.join(TAGS)}.")
        yield Annotation((name, target), tags)


def _nested_text(path: Path, text: str) -> Any:
    """What a YAML file of mappings and text holds. Scalars stay text, whatever they look like.

    It is made of the parser's events: nothing is constructed, so that a hostile file has no tags, no
    anchors and no aliases to work with.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times faster
    try:
        events = iter(yaml.parse(text, Loader=loader))
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                return _value(path, events, next(events))
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is no whole YAML file: {reason}.", "Fetch it again.") from error
    return {}


def _value(path: Path, events: Iterator[Any], event: Any) -> Any:
    import yaml

    line = event.start_mark.line + 1
    if isinstance(event, yaml.ScalarEvent) and event.anchor is None:
        return event.value
    if not isinstance(event, yaml.MappingStartEvent) or event.anchor is not None:
        raise DataError(f"{path}, line {line}: expected text, or a mapping of text to it.")
    found: dict[str, Any] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _value(path, events, event)
        if not isinstance(key, str) or key in found:
            how = "stands twice" if isinstance(key, str) else "is no text"
            raise DataError(f"{path}, line {event.start_mark.line + 1}: the key {key!r} {how}.")
        found[key] = _value(path, events, next(events))
    return found
