"""Tables that people write: .csv and .tsv, in UTF-8."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TypeAlias

from mlzoo.data.checks import existing, readable
from mlzoo.errors import DataError

DELIMITERS = {".csv": ",", ".tsv": "\t"}

Line: TypeAlias = tuple[int, list[str]]
"""Its number in the file, from 1, and its cells."""


def read_csv(
    path: Path, *, without_lines: str = "has no lines below its first", hint: str = ""
) -> tuple[list[str], list[Line]]:
    """The first line of a table, and the others; cells without blanks around them, blank lines left out.

    Args:
        path: the file.
        without_lines: what is said of a table of nothing but a first line.
        hint: how a cell is written that has a comma in it; said of a .csv line with too many or few cells.

    Raises:
        DataError: missing, not UTF-8, no whole table, without lines, or a line with another number of cells
            than the first.
    """
    delimiter = DELIMITERS.get(path.suffix.lower())
    if delimiter is None:
        raise DataError(f"{path}: expected a table that ends in {' or '.join(DELIMITERS)}.")
    with (
        readable(existing(path), "a table in UTF-8"),
        path.open(encoding="utf-8-sig", newline="") as file,
    ):
        try:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            lines = [
                (reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)
            ]
        except csv.Error as error:
            raise DataError(
                f"{path} is no whole table: {error}.", "Quotes within a quoted cell are doubled."
            ) from error
    if len(lines) < 2:
        raise DataError(f"{path} {without_lines}.")
    head = lines[0][1]
    for number, row in lines[1:]:
        if len(row) != len(head):
            raise DataError(
                f"{path}, line {number}: {len(row)} cells, the first line has {len(head)}.",
                hint if delimiter == "," else "",
            )
    return head, lines[1:]
