"""The evaluators' tables of a group of runs, as one table each: means where the runs' rows agree."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from mlzoo.errors import MlzooError
from mlzoo.prediction import Cell
from mlzoo.report.groups import Group
from mlzoo.report.page.boards import Cell as Shown
from mlzoo.tables import FOLDER, Filled, read_table

MOST_ROWS = 60
MOST_COLUMNS = 40
RANGE = "–"


@dataclass(frozen=True)
class Column:
    """A column; numbers stand to the right."""

    name: str
    numeric: bool
    cells: Sequence[Shown]


@dataclass(frozen=True)
class TableView:
    """A table and where its numbers are from."""

    name: str
    split: str
    columns: Sequence[Column]
    notes: Sequence[str]

    @property
    def rows(self) -> list[list[tuple[Column, Shown]]]:
        """Cells with their columns."""
        return [
            [(column, cell) for column, cell in zip(self.columns, row, strict=True)]
            for row in zip(*(column.cells for column in self.columns), strict=True)
        ]


def tables_of(group: Group, split: str) -> tuple[list[TableView], list[str]]:
    """Every table of a split that the first run has, and what could not be read."""
    prefix = f"{split}-"
    folder = group.first.directory / FOLDER
    names = sorted(file.stem.removeprefix(prefix) for file in folder.glob(f"{prefix}*.csv"))
    found, problems = [], []
    for name in names:
        try:
            each = [
                read_table(run.directory, name, split)
                for run in group.runs
                if run is group.first or (run.directory / FOLDER / f"{prefix}{name}.csv").is_file()
            ]
        except MlzooError as error:
            problems.append(error.message)
            continue
        found.append(_merged(name, split, each, group))
    return found, problems


def _merged(name: str, split: str, each: Sequence[Filled], group: Group) -> TableView:
    first = each[0]
    notes = []
    if not _align(each):
        notes.append(f"of seed {group.seeds[0]}: the rows of other runs differ")
        each = each[:1]
    elif len(each) > 1:
        notes.append(f"mean of {len(each)} runs")
    else:
        notes.append("of a single run")
    dropped = [head for head in first if _texts_differ([one[head] for one in each])]
    if dropped:
        notes.append(f"left out, as it differs between runs: {', '.join(dropped)}")
    heads = [head for head in first if head not in dropped]
    rows = len(first[heads[0]])
    if rows > MOST_ROWS:
        notes.append(f"the first {MOST_ROWS} of {rows} rows")
    if len(heads) > MOST_COLUMNS:
        notes.append(f"the first {MOST_COLUMNS} of {len(heads)} columns")
    if rows > MOST_ROWS or len(heads) > MOST_COLUMNS:
        notes.append(f"all of one run: mlzoo report RUN --table {name} --split {split}")
    columns = [
        _column(head, [one[head][:MOST_ROWS] for one in each]) for head in heads[:MOST_COLUMNS]
    ]
    if any(cell.text.count(RANGE) for column in columns if column.numeric for cell in column.cells):
        notes.insert(1, "whole numbers that differ as lowest–highest")
    return TableView(name, split, columns, notes)


def _align(each: Sequence[Filled]) -> bool:
    """Same headings, and the same first column."""
    first = each[0]
    key = next(iter(first))
    return all(list(one) == list(first) and one[key] == first[key] for one in each)


def _texts_differ(columns: Sequence[Sequence[Cell | None]]) -> bool:
    has_text = any(isinstance(cell, str) for column in columns for cell in column)
    return has_text and any(column != columns[0] for column in columns)


def _column(name: str, columns: Sequence[Sequence[Cell | None]]) -> Column:
    rows: list[list[Cell]] = [
        [cell for cell in row if cell is not None] for row in zip(*columns, strict=True)
    ]
    if any(isinstance(cell, str) for row in rows for cell in row):
        return Column(name, False, [Shown(str(row[0])) if row else Shown() for row in rows])
    floats = [float(c) for row in rows for c in row if isinstance(c, float)]
    digits = 1 if any(abs(value) >= 10 for value in floats) else 3
    return Column(name, True, [_number(row, digits, bool(floats)) for row in rows])


def _number(row: Sequence[Cell], digits: int, real: bool) -> Shown:
    values = [value for value in row if not isinstance(value, str)]
    if not values:
        return Shown()
    if real:
        mean = statistics.fmean(values)
        return Shown(f"{mean:.{digits}f}" if abs(mean) < 1e9 else f"{mean:.3g}", mean)
    low, high = min(values), max(values)
    return Shown(str(low) if low == high else f"{low}{RANGE}{high}", low)
