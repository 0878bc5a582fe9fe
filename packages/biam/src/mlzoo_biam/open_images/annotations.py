"""Image-level annotations of Open Images: who looked at an image said that a class is there, or is not.

A csv with the columns ``ImageID``, ``Source``, ``LabelName``, ``Confidence`` (1 present, 0 absent), some
ten rows an image and 28 million in the training set. It is read line by line: an entry takes 5 bytes
and an image some 30, and no row is ever looked at twice.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import existing, readable
from mlzoo.errors import DataError
from mlzoo_biam.labels import Labels

COLUMNS = ("ImageID", "LabelName", "Confidence")
ROWS = 1 << 16
"""Read at once."""

MAX_NAME = 200
"""Characters of an image's id."""


@dataclass(frozen=True, eq=False)
class Annotated:
    """Images with the labels that were given to them.

    Attributes:
        images: ids of N images, ascending: also those whose labels are all of other classes.
        labels: [N, C]; what nobody looked at is 0.
        other: rows about other classes.
        repeated: rows that say again what another one says.
        contradictory: pairs of which one row says present and another absent; they count as not
            annotated, since neither can be trusted.
    """

    images: list[str]
    labels: Labels
    other: int = 0
    repeated: int = 0
    contradictory: int = 0


def read_annotations(path: Path, classes: Sequence[str]) -> Annotated:
    """The annotations of a csv, grouped by image wherever its rows stand.

    Args:
        path: the csv.
        classes: ids of the C classes, in the order of the columns.

    Raises:
        DataError: missing, not UTF-8, without one of the columns, without a row, with a row cut
            short, or a confidence other than 0 and 1 (as of labels that a machine gave).
    """
    column = {each: number for number, each in enumerate(classes)}
    runs = _Runs()
    other = 0
    with (
        readable(existing(path), "text in UTF-8"),
        path.open(encoding="utf-8-sig", newline="") as f,
    ):
        try:
            for images, names, values in _blocks(f, path):
                numbers = np.array([column.get(name, -1) for name in names], dtype=np.int32)
                known = numbers >= 0
                other += len(numbers) - int(known.sum())
                runs.add(images, numbers, values, known)
        except csv.Error as error:
            raise DataError(f"{path} is not a whole csv: {error}.", "Fetch it again.") from error
    if not runs.starts:
        raise DataError(f"{path} has no rows.", "Fetch it again.")
    return _grouped(runs, len(classes), other)


class _Runs:
    """Neighbouring rows of one image are a run; its id is kept once."""

    def __init__(self) -> None:
        self.images: list[npt.NDArray[np.bytes_]] = []  # of each run
        self.starts: list[npt.NDArray[np.int64]] = []  # its first kept entry
        self.tags: list[npt.NDArray[np.int32]] = []
        self.values: list[npt.NDArray[np.int8]] = []
        self.entries = 0

    def add(
        self,
        images: Sequence[str],
        tags: npt.NDArray[np.int32],
        values: npt.NDArray[np.int8],
        known: npt.NDArray[np.bool_],
    ) -> None:
        pairs = pairwise(images)
        first = [0, *(i for i, (one, other) in enumerate(pairs, 1) if one != other)]
        kept_before = np.concatenate([[0], np.cumsum(known)])
        self.images.append(np.array([images[i].encode() for i in first]))
        self.starts.append(self.entries + kept_before[first])
        self.tags.append(tags[known])
        self.values.append(values[known])
        self.entries += int(known.sum())


def _blocks(
    file: TextIO, path: Path
) -> Iterator[tuple[Sequence[str], Sequence[str], npt.NDArray[np.int8]]]:
    """Columns of some rows at a time: image, class, +1 or -1."""
    rows = csv.reader(file)
    head = [cell.strip() for cell in next(rows, [])]
    lacking = [name for name in COLUMNS if name not in head]
    if lacking:
        raise DataError(
            f"{path} has no column {lacking[0]}; its first line is {','.join(head)[:80]!r}.",
            f"Expected {', '.join(COLUMNS)}.",
        )
    image, name, confidence = (head.index(column) for column in COLUMNS)
    before = 2
    while block := list(islice(rows, ROWS)):
        if set(map(len, block)) != {len(head)}:
            short = next(i for i, row in enumerate(block) if len(row) != len(head))
            raise DataError(
                f"{path}, row {before + short}: {len(block[short])} cells, the first line has "
                f"{len(head)}.",
                "Fetch the file again.",
            )
        columns = list(zip(*block, strict=True))
        values = np.array([_VALUES.get(cell, 0) for cell in columns[confidence]], dtype=np.int8)
        if not values.all():
            row = int(np.flatnonzero(values == 0)[0])
            raise DataError(
                f"{path}, row {before + row}: expected a confidence of 0 or 1, found "
                f"{block[row][confidence]!r:.60}.",
                "Labels that a machine gave are not read: use those that people verified.",
            )
        lengths = list(map(len, columns[image]))
        if not 0 < min(lengths) <= max(lengths) <= MAX_NAME:
            bad = next(i for i, length in enumerate(lengths) if not 0 < length <= MAX_NAME)
            raise DataError(
                f"{path}, row {before + bad}: {columns[image][bad]!r:.60} is no image's id."
            )
        yield columns[image], columns[name], values
        before += len(block)


_VALUES = {"1": 1, "0": -1, "1.0": 1, "0.0": -1}


def _grouped(runs: _Runs, classes: int, other: int) -> Annotated:
    """Entries sorted by image, then class; what is said twice is said once."""
    images, image_of_run = np.unique(np.concatenate(runs.images), return_inverse=True)
    starts = np.concatenate([*runs.starts, [runs.entries]])
    image = np.repeat(image_of_run.astype(np.int64), np.diff(starts))
    tags, values = np.concatenate(runs.tags), np.concatenate(runs.values)
    key = image * classes + tags
    order = np.argsort(key, kind="stable")
    key, values = key[order], values[order]
    del image, tags, order
    first = np.concatenate([[True], key[1:] != key[:-1]]) if len(key) else np.zeros(0, bool)
    pair = np.cumsum(first) - 1
    sums = np.bincount(pair, weights=values, minlength=int(first.sum()))
    counts = np.bincount(pair, minlength=len(sums))
    agreed = np.abs(sums) == counts
    key, sign = key[first][agreed], np.sign(sums[agreed]).astype(np.int8)
    per_image = np.bincount(key // classes, minlength=len(images))
    labels = Labels(
        np.zeros(classes, dtype=np.int8),
        np.concatenate([[0], np.cumsum(per_image)]).astype(np.int64),
        (key % classes).astype(np.int32),
        sign,
    )
    names = [image.decode() for image in images.tolist()]
    repeated = int((counts[agreed] - 1).sum())
    return Annotated(names, labels, other, repeated, int((~agreed).sum()))
