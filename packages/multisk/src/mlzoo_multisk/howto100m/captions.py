"""What is said in videos, from the published pickle, which is read as data and never run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.data.readers import read_pickle
from mlzoo.errors import DataError

MAX_BYTES = 2**36
"""Of the file, 64 GiB."""
FIELDS = ("start", "end", "text")

Facts = dict[str, list[Any]]
"""``start`` and ``end`` in seconds, and ``text``, by caption in the order of ``start``; JSON values."""


def read_captions(path: Path) -> Mapping[str, Any]:
    """The captions by id, as the file has them; :func:`facts_of` reads those of a video.

    Raises:
        DataError: missing, damaged, hostile, or no dict of dicts with start, end and text.
    """
    found = read_pickle(path, encoding="latin1", max_bytes=MAX_BYTES)
    if not isinstance(found, dict) or not found:
        raise DataError(f"{path}: expected a dict of captions by video, found {_told(found)}.")
    for key, value in found.items():
        if not isinstance(key, str):
            raise DataError(f"{path}: expected ids as text, found {key!r}.")
        if not isinstance(value, dict) or any(field not in value for field in FIELDS):
            raise DataError(
                f"{path}: the captions of {key!r} are {_told(value)}, expected a dict with "
                f"{', '.join(FIELDS)}."
            )
    return found


def facts_of(raw: Mapping[str, Any] | None, what: str) -> Facts:
    """The captions of one video as facts; none where there are none.

    Args:
        raw: lists or arrays ``start``, ``end`` and ``text`` of one length.
        what: the video, for messages.

    Raises:
        DataError: of different lengths, times that are no finite numbers, an end before its start, or
            the three are not all there.
    """
    if raw is None:
        return {field: [] for field in FIELDS}
    if any(field not in raw for field in FIELDS):
        raise DataError(f"{what}: expected captions with {', '.join(FIELDS)}, found {list(raw)}.")
    start, end = (_times(raw[field], f"{what}: {field} of the captions") for field in FIELDS[:2])
    text = _several(raw["text"], f"{what}: text of the captions")
    if not len(start) == len(end) == len(text):
        raise DataError(
            f"{what}: {len(start)} captions begin, {len(end)} end and {len(text)} have text."
        )
    for begins, ends in zip(start, end, strict=True):
        if ends < begins:
            raise DataError(f"{what}: a caption begins at {begins:g} s and ends at {ends:g} s.")
    order = sorted(range(len(start)), key=start.__getitem__)  # equal ones stay as they are
    return {
        "start": [start[place] for place in order],
        "end": [end[place] for place in order],
        "text": [str(text[place]) for place in order],
    }


def _times(values: Any, what: str) -> list[float]:
    found = []
    for value in _several(values, what):
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise DataError(f"{what}: expected finite seconds, found {value!r:.40}.")
        found.append(float(value))
    return found


def _several(values: Any, what: str) -> Sequence[Any]:
    if isinstance(values, np.ndarray) and values.ndim == 1:
        return list(values.tolist())
    if isinstance(values, list | tuple):
        return values
    raise DataError(f"{what}: expected a list or an array [n], found {_told(values)}.")


def _told(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array {value.shape}"
    if isinstance(value, list | dict | str | tuple) and not value:
        return f"an empty {type(value).__name__}"
    return f"a {type(value).__name__}"
