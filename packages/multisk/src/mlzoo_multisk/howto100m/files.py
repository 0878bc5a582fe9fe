"""Where the published files of HowTo100M lie, and how one video is read from them.

videos.csv                        one column is ``path``: ``<category>/<...>/<id>``, perhaps behind ``None/``
captions.pickle                   {id: {"start": seconds, "end": seconds, "text": sentences}}
features/<path>/<id>_2d.npz       or features/<path>_2d.npz: ``features`` [r2, D2], a row a second
features/<path>/<id>_3d.npz       or features/<path>_3d.npz, or without ``_3d``: [r3, D3], 1.5 a second
audio/<path>/<id>_spec.npz        or audio/<path>_spec.npz: ``arr_0`` [40, T], log-mel, 100 frames a second
word_vectors.*                    see :mod:`mlzoo_multisk.views.word_vectors`
shards/                           made of all of them by ``mlzoo data prepare howto100m --shards``
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from mlzoo.data.checks import existing, readable
from mlzoo.data.readers import ArraySpec, read_npz
from mlzoo.errors import DataError, did_you_mean
from mlzoo_multisk.clips import MEL_BANDS
from mlzoo_multisk.shards.layout import PARTS, Array

VIDEOS, CAPTIONS, FEATURES, AUDIO, SHARDS = (
    "videos.csv",
    "captions.pickle",
    "features",
    "audio",
    "shards",
)
COLUMN = "path"
_ENDINGS = {"2d": ("_2d",), "3d": ("_3d", ""), "audio": ("_spec",)}
_KEYS = {"2d": "features", "3d": "features", "audio": "arr_0"}


class Video(NamedTuple):
    """A video of the list: its id, and where its files lie below ``features`` and ``audio``."""

    id: str
    path: str


def read_videos(path: Path) -> list[Video]:
    """The videos of ``videos.csv`` in their order.

    Raises:
        DataError: missing, no table in UTF-8, no column ``path``, a path that leads outside, or an id
            that occurs twice.
    """
    existing(path)
    known: dict[str, int] = {}
    videos = []
    for line, text in _column(path):
        name = text.strip().removeprefix("None/").strip("/")
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or "\\" in name or "\0" in name:
            raise DataError(f"{path}, line {line}: {text!r} is no path of a video.")
        if parts[-1] in known:
            raise DataError(
                f"{path}: the video {parts[-1]!r} stands in lines {known[parts[-1]]} and {line}.",
                "Leave one out.",
            )
        known[parts[-1]] = line
        videos.append(Video(parts[-1], "/".join(parts)))
    if not videos:
        raise DataError(f"{path} lists no videos.")
    return videos


def _column(path: Path) -> Iterator[tuple[int, str]]:
    """The cells of the column, each with the number of its line."""
    try:
        with (
            readable(path, "a table in UTF-8"),
            path.open(encoding="utf-8-sig", newline="") as file,
        ):
            reader = csv.reader(file, strict=True)
            head = [cell.strip() for cell in next(reader, [])]
            if head.count(COLUMN) != 1:
                there = "twice" if COLUMN in head else "not"
                raise DataError(
                    f"{path}: expected one column {COLUMN!r}, it is there {there}.",
                    did_you_mean(COLUMN, head),
                )
            place = head.index(COLUMN)
            for row in reader:
                if not row:
                    continue
                if len(row) != len(head):
                    raise DataError(
                        f"{path}, line {reader.line_num}: {len(row)} cells, the first line has {len(head)}."
                    )
                yield reader.line_num, row[place]
    except csv.Error as error:
        raise DataError(f"{path} is no whole table: {error}.") from error


def places_of(video: Video, part: str, features: Path, audio: Path) -> Iterator[Path]:
    """Where the file of a part (``2d``, ``3d`` or ``audio``) may be, in the order of looking."""
    folder = (audio if part == "audio" else features) / video.path
    for ending in _ENDINGS[part]:
        yield folder / f"{video.id}{ending}.npz"
        yield folder.with_name(f"{video.id}{ending}.npz")


def find(video: Video, part: str, features: Path, audio: Path) -> Path | None:
    """The file of a part; None where there is none."""
    return next((p for p in places_of(video, part, features, audio) if p.is_file()), None)


def read_part(path: Path, part: str, width: int | None = None) -> Array:
    """The array of one file: float16 or float32.

    Args:
        path: the file.
        part: ``2d``, ``3d`` or ``audio``.
        width: numbers of a row, if they are known.

    Raises:
        DataError: damaged, under another key, of another shape, or with values that are not finite.
    """
    shape = (MEL_BANDS, None) if part == "audio" else (None, width)
    key = _KEYS[part]
    array = read_npz(path, {key: ArraySpec(shape=shape, kinds="f")})[key]
    return array if array.dtype.itemsize <= 4 else array.astype(np.float32)


def read_arrays(
    video: Video, features: Path, audio: Path, widths: Mapping[str, int]
) -> dict[str, Array]:
    """What there is of a video, by part; a file that is not there is left out.

    Raises:
        DataError: as :func:`read_part`.
    """
    found = {part: find(video, part, features, audio) for part in PARTS}
    return {
        part: read_part(path, part, widths.get(part))
        for part, path in found.items()
        if path is not None
    }


def evenly(count: int, most: int) -> Sequence[int]:
    """At most so many of ``count`` places, evenly spaced."""
    return [int(place) for place in np.unique(np.linspace(0, count - 1, min(count, most)).round())]
