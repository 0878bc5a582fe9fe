"""Tables of captions, as people keep them: a csv (or .tsv) with a line for each caption and the columns

    video       name of the file below the folder of videos, with or without its ending
    caption     a sentence
    split       train, val or test; of all lines or of none (not needed)
    start, end  seconds, where the caption is of a part of the video; of both or of neither (not needed)

Lines with the same video, start and end are captions of one clip.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from mlzoo.data.csv_files import read_csv
from mlzoo.errors import DataError, did_you_mean

VIDEO, CAPTION, SPLIT, START, END = COLUMNS = ("video", "caption", "split", "start", "end")
PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Clip:
    """A video or a part of it, and what is said of it.

    Attributes:
        video: as the table names it, with ``/``.
        captions: one at least.
        split: ``train``, ``val`` or ``test``; None where the table names none.
        start, end: seconds; None of a whole video.
        line: of the first caption in the file.
    """

    video: str
    captions: tuple[str, ...]
    split: str | None
    start: float | None
    end: float | None
    line: int


@dataclass
class _Gathered:
    split: str | None
    line: int
    captions: list[str] = field(default_factory=list)


def read_captions(path: Path) -> list[Clip]:
    """The clips of a table, in the order in which they first occur.

    Raises:
        DataError: missing, not such a table, or a cell that is not what its column asks for; the line
            and the column are named.
    """
    hint = "A caption with ',' in it stands in quotation marks."
    head, rows = read_csv(path, without_lines="has no captions", hint=hint)
    _check_head(path, head)
    found: dict[tuple[str, float | None, float | None], _Gathered] = {}
    splits: dict[str, tuple[str | None, int]] = {}
    for line, cells in rows:
        row = dict(zip(head, cells, strict=True))
        at = f"{path}, line {line}"
        video = _video(row[VIDEO], at)
        if not row[CAPTION]:
            raise DataError(f"{at}, column {CAPTION!r}: it is empty.")
        start, end = _times(row, at)
        split = _split(row, at)
        former, where = splits.setdefault(video, (split, line))
        if former != split:
            raise DataError(
                f"{at}, column {SPLIT!r}: {video} is in {split!r}, in line {where} in {former!r}.",
                "All parts of a video belong to one split.",
            )
        clip = found.setdefault((video, start, end), _Gathered(split, line))
        clip.captions.append(row[CAPTION])
    return [
        Clip(video, tuple(each.captions), each.split, start, end, each.line)
        for (video, start, end), each in found.items()
    ]


def _check_head(path: Path, head: Sequence[str]) -> None:
    for name in COLUMNS:
        if head.count(name) > 1:
            raise DataError(f"{path} has the column {name!r} twice.")
    for name in (VIDEO, CAPTION):
        if name not in head:
            raise DataError(f"{path} has no column {name!r}.", f"Its first line: {', '.join(head)}")
    if (START in head) != (END in head):
        lacking = END if START in head else START
        raise DataError(f"{path} has no column {lacking!r}, only the other of start and end.")
    unknown = [name for name in head if name not in COLUMNS]
    if unknown:
        raise DataError(
            f"{path} has the unknown column {unknown[0]!r}.", did_you_mean(unknown[0], COLUMNS)
        )


def _video(text: str, at: str) -> str:
    pure = PurePosixPath(text.replace("\\", "/"))
    if not text or pure.is_absolute() or ".." in pure.parts or not pure.name:
        raise DataError(f"{at}, column {VIDEO!r}: {text!r} is no name below the folder of videos.")
    return pure.as_posix()


def _times(row: Mapping[str, str], at: str) -> tuple[float | None, float | None]:
    texts = {name: row.get(name, "") for name in (START, END)}
    if not any(texts.values()):
        return None, None
    values = {}
    for name, text in texts.items():
        try:
            values[name] = float(text)
        except ValueError:
            values[name] = math.nan
        if not math.isfinite(values[name]) or values[name] < 0:
            raise DataError(f"{at}, column {name!r}: {text!r}, expected seconds from 0.")
    if values[END] <= values[START]:
        raise DataError(f"{at}, column {END!r}: {texts[END]} is not after start {texts[START]}.")
    return values[START], values[END]


def _split(row: Mapping[str, str], at: str) -> str | None:
    if SPLIT not in row:
        return None
    if row[SPLIT] not in PARTS:
        raise DataError(f"{at}, column {SPLIT!r}: {row[SPLIT]!r}, expected train, val or test.")
    return row[SPLIT]
