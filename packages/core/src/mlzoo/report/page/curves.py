"""Learning curves: what runs logged by epoch, as lines that a template draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mlzoo.errors import MlzooError
from mlzoo.report.board import Board
from mlzoo.report.groups import Group
from mlzoo.report.page.axis import Axis, Tick, axis_of
from mlzoo.run_directory import RunRecord

WIDTH, HEIGHT = 340, 200
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 10, 24
MOST_POINTS = 200
"""Of a line; more are thinned out evenly."""
LAST_EPOCH = 10**9
FIRST = 3
"""Charts that are shown at once; the others unfold."""

Values: TypeAlias = dict[int, float]
"""A number by epoch."""


@dataclass(frozen=True)
class Series:
    """A group of runs with its colour, and its dashes where the colours are used up."""

    label: str
    style: str
    group: Group


@dataclass(frozen=True)
class Line:
    """Points as SVG has them, ``x,y x,y``, and those of them that get a dot."""

    style: str
    mean: bool
    points: str
    dots: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """A panel: one number by epoch, a thin line a run and their mean.

    Attributes:
        title: what is shown.
        description: the same as a sentence, with the last means.
    """

    title: str
    description: str
    lines: Sequence[Line]
    across: Sequence[Tick]
    upward: Sequence[Tick]


@dataclass(frozen=True)
class Curves:
    """The charts of a leaderboard: those shown at once, those that unfold, and what could not be read."""

    shown: Sequence[Chart] = ()
    more: Sequence[Chart] = ()
    problems: Sequence[str] = ()


def curves_of(board: Board, series: Sequence[Series]) -> Curves:
    """The main metric on validation data, then every number that steps logged; losses first."""
    logs: dict[str, list[list[Values]]] = {}  # by name, for each group, for each run
    problems = []
    for place, each in enumerate(series):
        for run in each.group.runs:
            try:
                found = _logged(run, board.main)
            except MlzooError as error:
                problems.append(error.message)
                continue
            for name, values in found.items():
                logs.setdefault(name, [[] for _ in series])[place].append(values)
    main = _scored(board.main)

    def order(name: str) -> tuple[bool, ...]:
        return name != main, "loss" not in name and name != "total", "rate" in name

    names = sorted(logs, key=order)
    charts = [_chart(name, board, series, logs[name]) for name in names]
    return Curves(charts[:FIRST], charts[FIRST:], problems)


def _scored(metric: str) -> str:
    return f"{metric} on validation data"


def _logged(run: RunRecord, main: str) -> dict[str, Values]:
    """Of all that steps logged the mean over each epoch, and the main metric on validation data; where the
    epoch was searched for, that of the search."""
    sums: dict[str, dict[int, list[float]]] = {}
    scored: Values = {}
    for row in _rows(run):
        if "split" in row:
            scored |= _score(row, main)
            continue
        for name, value in _numbers(row):
            sums.setdefault(name, {}).setdefault(row["epoch"], []).append(value)
    if (run.directory / "search").is_dir():
        for row in _rows(RunRecord(run.directory / "search")):
            scored |= _score(row, main)
    means = {
        name: {epoch: math.fsum(each) / len(each) for epoch, each in by_epoch.items()}
        for name, by_epoch in sums.items()
    }
    return {**({_scored(main): scored} if scored else {}), **means}


def _rows(run: RunRecord) -> Iterator[dict[str, Any]]:
    """Those of an epoch that can be drawn."""
    return (row for row in run.rows if 0 <= row["epoch"] < LAST_EPOCH)


def _score(row: Mapping[str, Any], metric: str) -> Values:
    value = dict(_numbers(row)).get(metric) if row.get("split") == "val" else None
    return {} if value is None else {row["epoch"]: value}


def _numbers(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if name in ("epoch", "step") or isinstance(value, bool):
            continue
        if isinstance(value, int | float) and abs(value) < 1e300:  # neither NaN
            yield name, float(value)


def _chart(
    name: str, board: Board, series: Sequence[Series], logs: Sequence[Sequence[Values]]
) -> Chart:
    every = [values for runs in logs for values in runs]
    epochs = [epoch for values in every for epoch in values]
    across = axis_of(epochs, LEFT, WIDTH - RIGHT)
    upward = axis_of(
        (v for each in every for v in each.values()), HEIGHT - BOTTOM, TOP, margin=0.06
    )
    lines, last = [], []
    for each, runs in zip(series, logs, strict=True):
        mean = _mean(runs)
        if len(runs) > 1:
            lines += [_line(each, values, across, upward) for values in runs]
        if mean:
            lines.append(_line(each, mean, across, upward, mean=True))
            epoch = max(mean)
            last.append(f"{each.label} {mean[epoch]:.4g} at epoch {epoch}")
    unit = board.metrics[board.main].unit if board.main in board.metrics else ""
    scored = name == _scored(board.main)
    title = f"{name}, {unit}" if scored and unit else name
    return Chart(
        title=title,
        description=f"Mean over the runs: {'; '.join(last) or 'no epoch that all runs have'}.",
        lines=sorted(lines, key=lambda line: line.mean),
        across=across.ticks(6, whole=True),
        upward=upward.ticks(6),
    )


def _mean(runs: Sequence[Values]) -> Values:
    """At the epochs that all of them have."""
    if not runs:
        return {}
    common = sorted(set.intersection(*map(set, runs)))
    return {epoch: math.fsum(run[epoch] for run in runs) / len(runs) for epoch in common}


def _line(
    series: Series, values: Values, across: Axis, upward: Axis, *, mean: bool = False
) -> Line:
    epochs = sorted(values)
    stride = max(1, math.ceil(len(epochs) / MOST_POINTS))
    kept = epochs[::stride] + ([epochs[-1]] if (len(epochs) - 1) % stride else [])
    points = [(across.place(epoch), upward.place(values[epoch])) for epoch in kept]
    dots = points if len(points) == 1 or (mean and len(points) < 15) else []
    return Line(series.style, mean, " ".join(f"{x:g},{y:g}" for x, y in points), dots)
