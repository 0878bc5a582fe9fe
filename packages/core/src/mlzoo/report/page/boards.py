"""A leaderboard as its section of the page shows it: cells ready to be written, numbers to sort by."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from mlzoo.estimate import Estimate
from mlzoo.report.board import Board, Row
from mlzoo.report.claims import Claim
from mlzoo.report.colours import COLOURS
from mlzoo.report.leaderboard import WIDTH, mean_and_spread
from mlzoo.report.numbers import format_metric
from mlzoo.report.page.axis import Axis, Tick, axis_of
from mlzoo.report.page.curves import Series
from mlzoo.specs import Metric

FOREST = 170
"""Width of the drawing in each row."""


@dataclass(frozen=True)
class Column:
    """A metric.

    Attributes:
        extra: hidden until all are asked for.
        published: some row has a published number of it, which gets a column of its own.
    """

    name: str
    spec: Metric
    extra: bool
    published: bool


@dataclass(frozen=True)
class Cell:
    """One number of a row; ``value`` sorts, and is None where there is none."""

    text: str = "-"
    value: float | None = None
    interval: str = ""
    short: str = ""
    claims: Sequence[Claim] = ()


@dataclass(frozen=True)
class Drawn:
    """The runs of a row in the main metric: a dot each, their mean, and its 95 % interval."""

    dots: Sequence[float]
    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Line:
    """A row as it is shown."""

    row: Row
    rank: int | None
    style: str
    cells: Sequence[Cell]
    drawn: Drawn | None


@dataclass(frozen=True)
class Part:
    """Rows that may be ranked against each other, under a heading where there are others."""

    heading: str
    lines: Sequence[Line]


@dataclass(frozen=True)
class Reference:
    """A chance level or a ceiling in every metric that has it.

    Attributes:
        place: on the axis of the main metric.
        extra: no metric that has it is shown at first.
    """

    label: str
    cells: Sequence[Cell]
    place: float | None
    extra: bool


@dataclass(frozen=True)
class Choice:
    """One metric of a group: selected on test data, honestly selected, and the difference."""

    label: str
    metric: str
    selected: str
    honest: str
    inflation: str
    inflation_value: float | None


@dataclass(frozen=True)
class BoardView:
    """All that the template of a leaderboard needs."""

    board: Board
    columns: Sequence[Column]
    parts: Sequence[Part]
    references: Sequence[Reference]
    ticks: Sequence[Tick]
    series: Sequence[Series]
    choices: Sequence[Choice]
    extra: int = field(default=0)

    @property
    def lines(self) -> list[Line]:
        """Of all parts."""
        return [line for part in self.parts for line in part.lines]

    @property
    def best(self) -> Line | None:
        """The first of those that were not selected on test data."""
        honest = [line for line in self.lines if line.row.rule != "test" and line.drawn]
        return honest[0] if honest else None

    @property
    def runs(self) -> int:
        """How many count."""
        return sum(len(each.group.runs) for each in self.series)


def series_of(board: Board) -> list[Series]:
    """The groups in the order of the rows, each with its colour."""
    groups = {id(row.group): row for row in reversed(board.rows) if "@" not in row.reading.split}
    rows = sorted(groups.values(), key=lambda row: list(board.rows).index(row))
    return [
        Series(row.label, f"c{n % len(COLOURS)} d{n // len(COLOURS) % 3}", row.group)
        for n, row in enumerate(rows)
    ]


def view_of(board: Board) -> BoardView:
    """A board with its numbers written and drawn."""
    columns = _columns(board)
    axis = _axis(board)
    series = series_of(board)
    styles = {id(each.group): each.style for each in series}
    parts = [
        Part(
            heading,
            [_line(r, n, board, columns, axis, styles) for n, r in enumerate(rows, start=1)],
        )
        for heading, rows in _parts(board)
    ]
    return BoardView(
        board=board,
        columns=columns,
        parts=parts,
        references=_references(board, columns, axis),
        ticks=axis.ticks(4),
        series=series,
        choices=_choices(board, columns),
        extra=sum(column.extra for column in columns),
    )


def _columns(board: Board) -> list[Column]:
    shown = list(board.columns())[:WIDTH]
    claimed = {claim.number.metric for row in board.rows for claim in row.claims}
    return [
        Column(name, spec, name not in shown, name in claimed)
        for name, spec in board.columns(details=True).items()
    ]


def _parts(board: Board) -> list[tuple[str, list[Row]]]:
    tested = any(row.rule == "test" for row in board.rows)
    return [(_heading(*key, tested), list(rows)) for key, rows in groupby(board.rows, key=_part)]


def _part(row: Row) -> tuple[bool, str]:
    return row.rule == "test", row.reading.split.partition("@")[2]


def _heading(on_test: bool, view: str, tested: bool) -> str:
    words = "selected on test data: no estimate of what new data would give"
    rule = words if on_test else "selected honestly" if tested else ""
    return ", ".join(filter(None, (f"evaluated as {view}" if view else "", rule)))


def _line(
    row: Row,
    rank: int,
    board: Board,
    columns: Sequence[Column],
    axis: Axis,
    styles: Mapping[int, str],
) -> Line:
    main = row.values.get(board.main)
    drawn = None
    if main:
        values = row.group.values(row.reading, board.main)
        drawn = Drawn(
            dots=[axis.place(value) for value in values if value == value],
            mean=axis.place(main.mean),
            interval=main.interval and (axis.place(main.interval[0]), axis.place(main.interval[1])),
        )
    cells = [_cell(row, column) for column in columns]
    return Line(row, rank if main else None, styles.get(id(row.group), ""), cells, drawn)


def _cell(row: Row, column: Column) -> Cell:
    value, runs = row.values.get(column.name), len(row.group.runs)
    claims = row.claims_on(column.name)
    if value is None:
        return Cell(claims=claims)
    return Cell(
        text=mean_and_spread(value, column.spec.unit),
        value=value.mean,
        interval=interval_text(value, column.spec.unit),
        short=f"{value.n} of {runs} runs" if value.n < runs else "",
        claims=claims,
    )


def interval_text(value: Estimate | None, unit: str) -> str:
    """``58.9 to 63.1``; empty for a single run."""
    if value is None or value.interval is None:
        return ""
    low, high = value.interval
    return f"{format_metric(low, unit)} to {format_metric(high, unit)}"


def _axis(board: Board) -> Axis:
    """Of the main metric: all runs and references fit; intervals may end at the edge."""
    values = [
        value
        for row in board.rows
        for value in row.group.values(row.reading, board.main)
        if board.main in row.values
    ]
    values += [row.values[board.main].mean for row in board.rows if board.main in row.values]
    values += list(board.references.get(board.main, {}).values())
    return axis_of(values, 4, FOREST - 4, margin=0.1)


def _references(board: Board, columns: Sequence[Column], axis: Axis) -> list[Reference]:
    labels = dict.fromkeys(
        label for column in columns for label in board.references.get(column.name, {})
    )
    found = []
    for label in labels:
        values = [board.references.get(column.name, {}).get(label) for column in columns]
        cells = [
            Cell() if value is None else Cell(format_metric(value, column.spec.unit), value)
            for column, value in zip(columns, values, strict=True)
        ]
        main = board.references.get(board.main, {}).get(label)
        hidden = all(c.extra or v is None for c, v in zip(columns, values, strict=True))
        found.append(Reference(label, cells, None if main is None else axis.place(main), hidden))
    return found


def _choices(board: Board, columns: Sequence[Column]) -> list[Choice]:
    """Both protocols side by side, for the metrics that are shown."""
    honest = {
        (id(row.group), row.reading.split): row
        for row in board.rows
        if row.reading.protocol == "honest"
    }
    found = []
    for row in board.rows:
        other = honest.get((id(row.group), row.reading.split))
        if not row.inflation or other is None:
            continue
        for column in columns:
            gain, unit = row.inflation.get(column.name), column.spec.unit
            if column.extra or gain is None:
                continue
            found.append(
                Choice(
                    label=row.label,
                    metric=f"{column.name} {unit}".strip(),
                    selected=mean_and_spread(row.values.get(column.name), unit),
                    honest=mean_and_spread(other.values.get(column.name), unit),
                    inflation=_signed(gain, unit),
                    inflation_value=gain.mean,
                )
            )
    return found


def _signed(value: Estimate, unit: str) -> str:
    text = mean_and_spread(value, unit)
    return text if text.startswith("-") else f"+{text}"


def shared_chance(board: Board) -> str:
    """The references of the main metric, in words."""
    unit = board.metrics[board.main].unit if board.main in board.metrics else ""
    values = board.references.get(board.main, {})
    return ", ".join(f"{label} {format_metric(value, unit)}" for label, value in values.items())


def seconds_text(seconds: Sequence[float]) -> str:
    """The middle one of several durations: ``12 s``, ``3 min``, ``2.5 h``."""
    if not seconds:
        return "-"
    middle = statistics.median(seconds)
    if middle < 10:
        return f"{middle:.1f} s"
    if middle < 100:
        return f"{middle:.0f} s"
    return f"{middle / 60:.0f} min" if middle < 5400 else f"{middle / 3600:.1f} h"
