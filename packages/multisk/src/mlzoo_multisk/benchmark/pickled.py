"""The published pickles: a list of dicts, one for each clip, with arrays and captions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.data.readers import read_pickle
from mlzoo.errors import DataError, did_you_mean
from mlzoo_multisk.benchmark.captions import sentences
from mlzoo_multisk.benchmark.part import CAPTIONS, VIDEO
from mlzoo_multisk.benchmark.stored import feature_rows, spectrogram
from mlzoo_multisk.clips import Item

MAX_BYTES = 2**36
"""Of a file, 64 GiB; that of MSR-VTT's training videos takes some gigabytes."""


@dataclass(frozen=True)
class PickleKeys:
    """Under which keys a file has what.

    Attributes:
        video_2d: key of the 2D rows.
        video_3d: key of the 3D rows.
        caption: key of the caption, or of a list of them.
        needed: keys without which an item is passed over.
    """

    video_2d: str
    video_3d: str
    caption: str
    needed: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class PickledItems:
    """What a file holds.

    Attributes:
        items: with the facts ``captions`` and ``video``; arrays are those of the file, not copied.
        passed_over: ids of items that lack what is needed.
    """

    items: list[Item]
    passed_over: list[str]


def read_items(path: Path, keys: PickleKeys) -> PickledItems:
    """All items of a published pickle; it is read as data, nothing of it is run.

    An item whose 3D rows or audio are missing, None or of no rows lacks that modality.

    Raises:
        DataError: missing, damaged or hostile; no list of dicts; a key that every item must have is
            missing; an empty caption list; an array of the wrong shape or with values that are not
            finite; widths that differ among items.
    """
    found = read_pickle(path, encoding="latin1", max_bytes=MAX_BYTES)
    if not isinstance(found, list) or not found:
        raise DataError(f"{path}: expected a list of clips, found {_told(found)}.")
    made = PickledItems([], [])
    widths: dict[str, int] = {}
    for number, raw in enumerate(found):
        if not isinstance(raw, dict):
            raise DataError(f"{path}, item {number}: expected a dict, found {_told(raw)}.")
        found[number] = None  # an item is let go as soon as it is read
        _read_item(raw, number, path, keys, widths, made)
    if not made.items:
        raise DataError(f"{path}: all {len(found)} items lack {' and '.join(keys.needed)}.")
    return made


def _read_item(
    raw: dict[Any, Any],
    number: int,
    path: Path,
    keys: PickleKeys,
    widths: dict[str, int],
    made: PickledItems,
) -> None:
    name = _id(raw, number, path)
    what = f"{name!r} in {path.name}"
    arrays = {}
    for kind in (keys.video_2d, keys.video_3d):
        rows = feature_rows(raw.get(kind), f"{kind} of {what}", widths.get(kind))
        if rows is not None:
            widths.setdefault(kind, rows.shape[1])
        arrays[kind] = rows
    arrays["audio"] = spectrogram(raw.get("audio"), f"audio of {what}")
    if any(arrays[needed] is None for needed in keys.needed):
        made.passed_over.append(name)
        return
    if keys.caption not in raw:
        hint = did_you_mean(keys.caption, map(str, raw))
        raise DataError(f"{what} has no {keys.caption!r}.", hint)
    captions = sentences(raw[keys.caption], what)
    facts = {CAPTIONS: list(captions), VIDEO: name}
    made.items.append(
        Item(name, arrays[keys.video_2d], arrays[keys.video_3d], arrays["audio"], facts)
    )


def _id(raw: dict[Any, Any], number: int, path: Path) -> str:
    value = raw.get("id")
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, bool) or not isinstance(value, str | int | np.integer) or value == "":
        raise DataError(f"{path}, item {number}: its id is {_told(value)}, expected text.")
    return str(value)


def _told(value: Any) -> str:
    if isinstance(value, list | dict | str) and not value:
        return f"an empty {type(value).__name__}"
    return "None" if value is None else f"a {type(value).__name__}"


def renamed(items: list[Item]) -> Iterator[Item]:
    """Items whose ids differ: the second of an id is ``<id>#2``.

    Raises:
        DataError: two items of one id also have the same captions.
    """
    seen: dict[str, list[Any]] = {}
    for item in items:
        own = seen.setdefault(item.key, [])
        if item.facts[CAPTIONS] in own:
            raise DataError(
                f"the id {item.key!r} occurs twice with the same caption.", "Leave one out."
            )
        own.append(item.facts[CAPTIONS])
        key = item.key if len(own) == 1 else f"{item.key}#{len(own)}"
        yield Item(key, item.video_2d, item.video_3d, item.audio, item.facts)
