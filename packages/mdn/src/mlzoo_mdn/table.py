"""A user's table of images: reading the csv, and turning its columns into numbers.

Text is UTF-8 with or without a byte order mark, separated by commas, semicolons or tabs, with a
header. Every complaint names the file, the line and the column.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError, did_you_mean

Float64 = npt.NDArray[np.float64]
DELIMITERS = (",", ";", "\t")
MISSING = {"", "nan", "na", "n/a", "null"}
MOST_LEVELS = 20
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True)
class Table:
    """The cells of a csv file without surrounding blanks.

    Attributes:
        path: the file.
        columns: cells by heading, in the order of the file.
        lines: the line in which each row ends.
    """

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, name: str) -> list[str]:
        """The cells of a column.

        Raises:
            DataError: there is none of that name.
        """
        if name not in self.columns:
            raise DataError(
                f"{self.path} has no column {name!r}", fix=did_you_mean(name, self.columns)
            )
        return self.columns[name]

    def where(self, rows: Sequence[int]) -> str:
        """``line 7``, or ``line 7 and 3 more``, for the first of some rows."""
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        return f"line {self.lines[rows[0]]}{more}"

    def require_whole(self, name: str, fix: str = "") -> None:
        """Raises DataError if a cell of the column is empty or stands for a missing value."""
        rows = [row for row, cell in enumerate(self[name]) if cell.lower() in MISSING]
        if rows:
            found = self[name][rows[0]] or "nothing"
            raise DataError(
                f"{self.path}: column {name!r} holds {found} in {self.where(rows)}", fix=fix
            )


def read_table(path: Path) -> Table:
    """The cells of a csv file, all as text.

    Raises:
        DataError: missing, not UTF-8, without rows, a heading twice, or a row of another length.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text", fix="Save it as CSV UTF-8.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    # Not str.splitlines, which also parts lines at characters that a cell may hold.
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}") from error
    rows = [(line, row) for line, row in rows if any(row)]
    if len(rows) < 2:
        raise DataError(f"{path} holds no rows; expected a header and a row for each image")
    return _table(path, rows[0][1], rows[1:])


def _table(path: Path, header: list[str], rows: list[tuple[int, list[str]]]) -> Table:
    twice = sorted({name for name in header if header.count(name) > 1 and name})
    if twice:
        raise DataError(f"{path}: the header names {', '.join(map(repr, twice))} twice")
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(
                f"{path}: line {line} has {len(row)} cells; "
                f"expected {len(header)} as in the header {', '.join(header)}"
            )
    cells = zip(*(row for _, row in rows), strict=True)
    columns = {name: list(column) for name, column in zip(header, cells, strict=True) if name}
    return Table(path, columns, [line for line, _ in rows])


@dataclass(frozen=True)
class MetadataColumn:
    """One column of metadata: a number, or text that becomes indicators of 0 and 1.

    Attributes:
        name: its heading.
        levels: the texts admitted, sorted; all but the first have an indicator. Empty for numbers.
    """

    name: str
    levels: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each encoded column: ``age``; ``site=B``, ``site=C``."""
        return tuple(f"{self.name}={level}" for level in self.levels[1:]) or (self.name,)

    def encode(self, table: Table) -> Float64:
        """The table's cells as numbers, float64 [N, len(names)].

        Raises:
            DataError: no such column, an empty cell, no finite number, or an unknown text.
        """
        table.require_whole(self.name, "Fill it in, or leave out the row or the column.")
        return self._indicators(table) if self.levels else self._numbers(table)

    def _numbers(self, table: Table) -> Float64:
        numbers = [_number(cell) for cell in table[self.name]]
        bad = [row for row, number in enumerate(numbers) if number is None or not _finite(number)]
        if bad:
            raise DataError(
                f"{table.path}: column {self.name!r} holds {table[self.name][bad[0]]!r} in "
                f"{table.where(bad)}; expected a finite number, with a decimal point"
            )
        return np.array(numbers, dtype=np.float64)[:, None]

    def _indicators(self, table: Table) -> Float64:
        cells = table[self.name]
        unknown = [row for row, cell in enumerate(cells) if cell not in self.levels]
        if unknown:
            raise DataError(
                f"{table.path}: column {self.name!r} holds {cells[unknown[0]]!r} in "
                f"{table.where(unknown)}, which the training set does not have",
                fix=f"It knows: {', '.join(self.levels)}.",
            )
        return np.array([[float(cell == level) for level in self.levels[1:]] for cell in cells])


def infer_column(table: Table, name: str, train: Iterable[int]) -> MetadataColumn:
    """What a column holds: numbers, or the texts found in the rows ``train``.

    Raises:
        DataError: empty cells, numbers mixed with text, decimal commas, or text with a single
            value or more than 20.
    """
    table.require_whole(
        name, "Fill it in, leave out the row, or name the other columns with --metadata."
    )
    cells = table[name]
    text = [row for row, cell in enumerate(cells) if _number(cell) is None]
    if not text:
        return MetadataColumn(name)
    if _DECIMAL_COMMA.fullmatch(cells[text[0]]) or len(text) < len(cells):
        raise DataError(
            f"{table.path}: column {name!r} holds {cells[text[0]]!r} in {table.where(text)}; "
            "expected a number, with a decimal point"
        )
    levels = sorted({cells[row] for row in train})
    if not 2 <= len(levels) <= MOST_LEVELS:
        raise DataError(
            f"{table.path}: column {name!r} holds text with {len(levels)} different values in the "
            f"training set; expected 2 to {MOST_LEVELS} groups",
            fix="Choose the columns of metadata with --metadata, e.g. --metadata age,sex.",
        )
    return MetadataColumn(name, tuple(levels))


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _finite(number: float) -> bool:
    return bool(np.isfinite(number))
