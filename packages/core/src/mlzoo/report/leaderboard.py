"""Leaderboards and published numbers as tables of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlzoo.estimate import Estimate
from mlzoo.report.board import Board, Row
from mlzoo.report.claims import Claim
from mlzoo.report.table import Table
from mlzoo.specs import Metric

WIDTH = 6
"""Metrics of a leaderboard, if not all are asked for."""


def leaderboard(board: Board, *, details: bool = False, width: int = WIDTH) -> Table:
    """A board as a table: a row a group, a column a metric, the published number and its verdict beside it.

    Args:
        details: with the metrics that are details.
        width: so many metrics at most, unless ``details``.
    """
    every = board.columns(details=details)
    shown = dict(list(every.items())[: None if details else width])
    published = [name for name in shown if any(row.claims_on(name) for row in board.rows)]
    columns = ["model", "selection", "n"]
    for name, spec in shown.items():
        columns += [f"{name} {spec.unit}".strip(), *(["published"] if name in published else [])]
    rows = [_cells(row, board, shown, published) for row in board.rows]
    notes = [*board.warnings]
    if len(shown) < len(board.metrics):
        notes.append(f"{len(board.metrics) - len(shown)} more metrics in detail: --all")
    if any(row.mark for row in board.rows):
        notes.append(
            f"* best in {board.main}; = not distinguishable from it over the runs (Welch, Holm, 5 %)"
        )
    return Table(board.title, columns, rows, notes)


def _cells(
    row: Row, board: Board, shown: Mapping[str, Metric], published: Sequence[str]
) -> list[str]:
    mark = {"best": " *", "not distinguishable": " ="}.get(row.mark, "")
    cells = [row.label + mark, row.protocol, row.group.size]
    for name, spec in shown.items():
        cells.append(mean_and_spread(row.values.get(name), spec.unit))
        if name in published:
            cells.append(_claims_text(row.claims_on(name), board.split))
    return cells


def _claims_text(claims: Sequence[Claim], split: str) -> str:
    """``20.9, 22 (test) below``: numbers with one split and verdict together."""
    values: dict[tuple[str, str], list[str]] = {}
    for claim in claims:
        other = "" if claim.number.split == split else f" ({claim.number.split})"
        values.setdefault((other, claim.verdict), []).append(f"{claim.number.value:g}")
    texts = (f"{', '.join(v)}{other} {verdict}" for (other, verdict), v in values.items())
    return "; ".join(texts) or "-"


def mean_and_spread(value: Estimate | None, unit: str) -> str:
    """``61.0 ± 2.0``; a dash for what is not there."""
    if value is None:
        return "-"
    digits = 1 if unit == "%" else 4
    mean = f"{value.mean:.{digits}f}"
    return mean if value.sd is None else f"{mean} ± {value.sd:.{digits}f}"


def claims_table(boards: Sequence[Board]) -> Table:
    """Every published number that speaks of some row, with its verdict and reason."""
    rows = [
        [
            f"{row.label}, {board.dataset}",
            claim.number.metric,
            claim.number.split,
            f"{claim.number.value:g}",
            "verified" if claim.number.verified else "unverified",
            mean_and_spread(claim.ours, board.metrics[claim.number.metric].unit)
            if claim.number.metric in board.metrics
            else "-",
            str(claim.ours.n if claim.ours else 0),
            claim.verdict,
            claim.reason,
        ]
        for board in boards
        for row in board.rows
        for claim in row.claims
    ]
    columns = ["model", "metric", "split", "published", "source", "ours", "n", "verdict", "reason"]
    return Table("published numbers", columns, rows)
