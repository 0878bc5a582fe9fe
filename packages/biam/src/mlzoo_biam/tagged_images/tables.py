"""Tables of images with tags, as people keep them: a csv (or .tsv) with a column ``image``, and

    tags      the tags of an image with ``;`` between them; every other tag is absent
    <tag>     a column for a tag: 1 present; 0 absent, or where -1 stands anywhere among the columns of
              tags, not annotated; -1 absent; an empty cell is not annotated
    split     train or test (not needed)

Both ways go together in one table, for different tags.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import existing, readable
from mlzoo.data.csv_files import read_csv
from mlzoo.errors import DataError, did_you_mean

IMAGE, TAGS, SPLIT = "image", "tags", "split"
PARTS = ("train", "test")
_CELLS = {"1": 1, "1.0": 1, "+1": 1, "0": 0, "0.0": 0, "-1": -1, "-1.0": -1, "": 0}

Dense = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class TagTable:
    """Images and their tags.

    Attributes:
        images: N paths below the folder of images, with ``/``.
        tags: C names: those of columns in their order, then the others in the order of the alphabet,
            or all in the order that was given.
        labels: int8 [N, C] of -1, 0 and +1.
        split: ``train`` or ``test`` of each image; None without such a column.
        zero_is_unknown: among the columns of tags 0 was read as not annotated.
    """

    images: list[str]
    tags: tuple[str, ...]
    labels: Dense
    split: list[str] | None
    zero_is_unknown: bool = False


def read_tag_table(path: Path, known: Sequence[str] | None = None) -> TagTable:
    """The table of a file.

    Args:
        path: ends in .csv or .tsv.
        known: all tags there may be, in their order; without it those that occur.

    Raises:
        DataError: missing, not such a table, an image twice or with a path that leads elsewhere, a
            value that is no label, a tag that is not known or stands both in ``tags`` and in a column.
    """
    hint = "Tags within a cell have ';' between them, not ','."
    head, rows = read_csv(path, without_lines="names no image", hint=hint)
    for name in {IMAGE, TAGS, SPLIT} & set(head):
        if head.count(name) > 1:
            raise DataError(f"{path} has the column {name!r} twice.")
    if IMAGE not in head:
        raise DataError(f"{path} has no column {IMAGE!r}.", f"Its first line: {', '.join(head)}")
    columns = [name for name in head if name not in (IMAGE, TAGS, SPLIT)]
    _require_distinct(columns, f"{path}: the column")
    if TAGS not in head and not columns:
        raise DataError(f"{path} has no tags.", f"Add a column {TAGS!r}, or one for each tag.")
    images = [_image(row[head.index(IMAGE)], path, number) for number, row in rows]
    _require_distinct(images, f"{path}: the image")
    listed = [_listed(row[head.index(TAGS)]) if TAGS in head else [] for _, row in rows]
    tags = _all_tags(path, columns, listed, known)
    labels, unknown = _labels(path, head, rows, columns, listed, tags)
    split = None
    if SPLIT in head:
        split = [_part(row[head.index(SPLIT)], path, number) for number, row in rows]
    return TagTable(images, tags, labels, split, unknown)


def read_tags(path: Path) -> list[str]:
    """One tag a line.

    Raises:
        DataError: missing, empty, not UTF-8, or with a tag twice.
    """
    with readable(existing(path), "text in UTF-8"):
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    tags = [line.strip() for line in lines if line.strip()]
    if not tags:
        raise DataError(f"{path} is empty.")
    _require_distinct(tags, f"{path}: the tag")
    return tags


def _image(text: str, path: Path, number: int) -> str:
    name = text.replace("\\", "/")
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or ".." in pure.parts:
        raise DataError(f"{path}, line {number}: {text!r} is no path below the folder of images.")
    return pure.as_posix()


def _listed(cell: str) -> list[str]:
    return list(dict.fromkeys(tag for each in cell.split(";") if (tag := each.strip())))


def _part(text: str, path: Path, number: int) -> str:
    if text not in PARTS:
        raise DataError(
            f"{path}, line {number}: the split is {text!r}, expected train or test.",
            "Images for validation are held out of train: see --validation of mlzoo run.",
        )
    return text


def _all_tags(
    path: Path, columns: Sequence[str], listed: Sequence[Sequence[str]], known: Sequence[str] | None
) -> tuple[str, ...]:
    occurring = {tag for own in listed for tag in own}
    both = sorted(occurring & set(columns))
    if both:
        raise DataError(f"{path}: the tag {both[0]!r} is a column and stands among {TAGS!r}.")
    found = [*columns, *sorted(occurring)]
    if known is None:
        return tuple(found)
    strange = sorted(set(found) - set(known))
    if strange:
        others = f" and {len(strange) - 1} others" if strange[1:] else ""
        raise DataError(
            f"{path}: the tag {strange[0]!r}{others} is not among the tags given.",
            did_you_mean(strange[0], known) if len(known) < 2000 else "",
        )
    return tuple(known)


def _labels(
    path: Path,
    head: Sequence[str],
    rows: Sequence[tuple[int, Sequence[str]]],
    columns: Sequence[str],
    listed: Sequence[Sequence[str]],
    tags: Sequence[str],
) -> tuple[Dense, bool]:
    place = {tag: number for number, tag in enumerate(tags)}
    labels = np.full((len(rows), len(tags)), -1, dtype=np.int8)
    for row, own in enumerate(listed):
        labels[row, [place[tag] for tag in own]] = 1
    if TAGS not in head:  # a tag that is known and has no column was never asked for
        labels[:] = 0
    empty = np.zeros(labels.shape, dtype=bool)
    for name in columns:
        cell_of = head.index(name)
        for row, (number, cells) in enumerate(rows):
            value = _CELLS.get(cells[cell_of])
            if value is None:
                raise DataError(
                    f"{path}, line {number}: {name!r} is {cells[cell_of]!r}, expected 1, 0 or -1."
                )
            labels[row, place[name]] = value
            empty[row, place[name]] = not cells[cell_of]
    wide = [place[name] for name in columns]
    unknown = bool((labels[:, wide] == -1).any())
    if not unknown:
        part = labels[:, wide]
        part[(part == 0) & ~empty[:, wide]] = -1
        labels[:, wide] = part
    return labels, unknown and bool((labels[:, wide] == 0).any())


def _require_distinct(names: Sequence[str], what: str) -> None:
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{what} {twice!r} occurs twice.", "Leave one out.")
