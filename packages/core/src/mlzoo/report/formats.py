"""A report in the form that is asked for: tables, and everything as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from mlzoo.report.board import Board, boards_of
from mlzoo.report.claims import claims_or_none
from mlzoo.report.groups import group_runs
from mlzoo.report.leaderboard import claims_table, leaderboard
from mlzoo.report.table import Table, require_scored, summarise
from mlzoo.run_directory import RunRecord

Layout = Literal["metrics", "runs"]

FEW = 4
"""Columns that fit beside each other; more groups become rows."""


def tables_of(
    records: Sequence[RunRecord],
    split: str = "test",
    *,
    layout: Layout | None = None,
    details: bool = False,
) -> list[Table]:
    """The tables of a report: leaderboards, or one of metrics, then the published numbers.

    Args:
        records: runs, finished or not.
        split: to compare.
        layout: ``metrics``, a row for each, or ``runs``, a row for each group of them; else what fits.
        details: with the metrics that their evaluators call details.

    Raises:
        RunError: none of the runs is done.
        UsageError: none of them scored that split.
    """
    require_scored(group_runs(records), split)
    boards = boards_of(records, split)
    if layout is None:
        one = len({(board.task, board.dataset) for board in boards}) == 1
        layout = "metrics" if one and sum(len(b.rows) for b in boards) <= FEW else "runs"
    if layout == "metrics":
        tables = [summarise(records, split, details=details)]
    else:
        tables = [leaderboard(board, details=details) for board in boards if board.rows]
    claims = claims_table(boards)
    return [*tables, claims] if claims.rows else tables


def json_of(records: Sequence[RunRecord], split: str = "test") -> list[dict[str, Any]]:
    """Every group with its runs, its published numbers judged, and its marks on the leaderboard.

    Raises:
        RunError, UsageError: as :func:`tables_of`.
    """
    groups = group_runs(records)
    require_scored(groups, split)
    rows = [(str(board.rows[number].group.first.directory), _row_json(board, number))
            for board in boards_of(records, split)
            for number in range(len(board.rows))]  # fmt: skip
    found = []
    for group in groups:
        claims, hindered = claims_or_none(group)
        directories = {str(run.directory) for run in group.runs}
        found.append(
            {
                "label": group.label,
                "seeds": group.seeds,
                "repeats": group.repeats,
                "config": group.first.config,
                "runs": [{"directory": str(r.directory), **r.results} for r in group.runs],
                "rows": [row for first, row in rows if first in directories],
                "claims": [claim.to_json() for claim in claims],
                "not_judged": hindered,
            }
        )
    return found


def _row_json(board: Board, number: int) -> dict[str, Any]:
    row = board.rows[number]
    return {
        "rank": number + 1,
        "task": board.task,
        "dataset": board.dataset,
        "split": row.reading.split,
        "label": row.label,
        "selection": row.rule,
        "protocol": row.protocol,
        "mark": row.mark,
        "metrics": {
            name: {"n": value.n, "mean": value.mean, "sd": value.sd, "interval": value.interval}
            for name, value in row.values.items()
        },
        "selection_inflation": {name: value.mean for name, value in row.inflation.items()},
        "warnings": list(board.warnings),
    }
