"""The csv files of benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlzoo.data.csv_files import read_csv
from mlzoo.errors import DataError, did_you_mean

Line = tuple[int, dict[str, str]]
"""Its number in the file and its cells by column."""


def read_table(path: Path, columns: Sequence[str]) -> list[Line]:
    """The lines of a csv in UTF-8, cells without blanks around them.

    Args:
        path: the file.
        columns: that are read; others are passed over.

    Raises:
        DataError: missing, no whole table, a column lacks or stands twice, a line with another number of
            cells, or no lines.
    """
    head, lines = read_csv(path, hint="A caption with a comma stands in quotes.")
    for name in columns:
        if head.count(name) != 1:
            how = "twice" if name in head else f"not. {did_you_mean(name, head)}"
            raise DataError(f"{path} has the column {name!r} {how}".rstrip("."), f"Found: {head}")
    places = {name: head.index(name) for name in columns}
    return [(n, {name: row[at] for name, at in places.items()}) for n, row in lines]


def read_names(path: Path, column: str) -> list[str]:
    """One column of different names, such as a list of videos.

    Raises:
        DataError: as :func:`read_table`, or a name is blank or stands twice.
    """
    names: dict[str, int] = {}
    for number, cells in read_table(path, [column]):
        name = cells[column]
        if not name:
            raise DataError(f"{path}, line {number}: {column} is blank.")
        if name in names:
            raise DataError(f"{path}: {name!r} stands in lines {names[name]} and {number}.")
        names[name] = number
    return list(names)
