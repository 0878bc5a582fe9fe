"""Tables of NUS-WIDE's concepts that circulate as zipped csv: a header, then one image a line.

Their ids were cut out of the paths of the image list by splitting at ``_`` and taking the second piece.
That is the Flickr id only if the folder's name holds no ``_``: ``administrative_assistant\\0002_258.jpg``
became ``assistant\\0002``. As the rows are in the order of the image list, every id can be held against
it, and the list says what the image is. One row of the training table has a damaged label, too.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlzoo.data.checks import existing, readable
from mlzoo.errors import DataError
from mlzoo_biam.nus_wide.bits import CORRUPT, MOST_CORRUPT, Bits
from mlzoo_biam.nus_wide.files import path_of


@dataclass(frozen=True, eq=False)
class Table:
    """A table as it stands.

    Attributes:
        ids: of the N rows, mangled or not.
        bits: uint8 [N, concepts] of 0, 1 and, for a few damaged values, 2.
        damaged: row and value of these.
    """

    ids: list[str]
    bits: Bits
    damaged: list[tuple[int, str]]

    @property
    def not_ids(self) -> int:
        """How many ids are no numbers, as ids of Flickr are."""
        return sum(not each.isdigit() for each in self.ids)


def read_table(
    path: Path, names: Sequence[str], concepts: Sequence[str], repaired: list[str]
) -> Bits:
    """The labels of a table whose rows are in the order of ``names``.

    Args:
        path: ``.csv``, or a ``.zip`` that holds one.
        names: of the part's images, in the order of the image list.
        concepts: the columns to return, in this order.
        repaired: gets a sentence for what was mended.

    Returns:
        uint8 [N, concepts] of 0, 1 and, for a few damaged values, 2.

    Raises:
        DataError: damaged, a concept or rows missing, or rows in another order.
    """
    table = parse_table(path, concepts)
    if len(table.ids) != len(names):
        raise DataError(f"{path} has {len(table.ids)} rows, the image list {len(names)} images.")
    mangled = sum(
        _check_id(path, row, given, name)
        for row, (given, name) in enumerate(zip(table.ids, names, strict=True))
    )
    if mangled:
        repaired.append(f"{path.name}: {mangled:,} mangled ids, named by the image list")
    for row, value in table.damaged:
        repaired.append(f"{path.name}: row {row:,} is {names[row]}, and holds {value!r}")
    return table.bits


def parse_table(path: Path, concepts: Sequence[str]) -> Table:
    """A table without an image list to hold it against; raises as :func:`read_table`."""
    ids: list[str] = []
    digits = bytearray()
    damaged: list[tuple[int, str]] = []
    with _opened(path) as file:
        rows = csv.reader(file)
        columns = _columns(path, next(rows, []), concepts)
        for row in rows:
            digits += _digits(path, len(ids), row, len(concepts), damaged)
            ids.append(row[0])
    bits = np.frombuffer(bytes(digits), np.uint8).reshape(len(ids), len(concepts)) - ord("0")
    return Table(ids, bits[:, columns], damaged)


def mangled_id(name: str) -> str:
    """What the table's maker made of an image's path."""
    piece = path_of(name).replace("/", "\\").split("_")[1]
    return piece.removesuffix(".jpg")


def _check_id(path: Path, row: int, given: str, name: str) -> bool:
    """Whether the row's id is mangled; raises if it is of another image."""
    if given == name.rpartition("_")[2].removesuffix(".jpg"):
        return False
    if given == mangled_id(name):
        return True
    raise DataError(
        f"{path}: row {row} (from 0) is of {given!r}, the image list has {name} there.",
        "Use the image list of the same part, in its official order.",
    )


def _digits(
    path: Path, row: int, found: list[str], width: int, damaged: list[tuple[int, str]]
) -> bytes:
    """A row's labels as ``b"0110…"``, with 2 for a damaged one."""
    values = found[1:]
    joined = "".join(values)
    if len(values) != width:
        raise DataError(f"{path}: row {row} (from 0) has {len(values)} labels, expected {width}.")
    if len(joined) == width and not joined.strip("01"):
        return joined.encode()
    bad = [value for value in values if value not in ("0", "1")]
    damaged += [(row, value) for value in bad]
    if len(damaged) > MOST_CORRUPT:
        raise DataError(f"{path}: row {row} (from 0) holds {bad[0]!r}, expected 0 and 1.")
    return "".join(value if value in ("0", "1") else str(CORRUPT) for value in values).encode()


def _columns(path: Path, header: list[str], concepts: Sequence[str]) -> list[int]:
    place = {name: column for column, name in enumerate(header[1:])}
    missing = [name for name in concepts if name not in place]
    if missing or len(header) != len(concepts) + 1:
        what = f"no column {missing[0]!r}" if missing else f"{len(header) - 1} columns of labels"
        raise DataError(f"{path} has {what}; expected the {len(concepts)} concepts.")
    return [place[name] for name in concepts]


@contextmanager
def _opened(path: Path) -> Iterator[io.TextIOBase]:
    """The text of a csv file, or of the only one in a zip archive."""
    existing(path)
    try:
        with readable(path, "a whole table of labels"):
            if path.suffix != ".zip":
                with path.open(encoding="utf-8-sig", newline="") as file:
                    yield file
                return
            with zipfile.ZipFile(path) as archive:
                members = [name for name in archive.namelist() if name.endswith(".csv")]
                if len(members) != 1:
                    raise DataError(f"{path} holds {len(members)} csv files, expected one.")
                with archive.open(members[0]) as packed:
                    yield io.TextIOWrapper(packed, encoding="utf-8-sig", newline="")
    except csv.Error as error:
        raise DataError(f"{path} is no csv: {error}.", "Fetch the file again.") from error
