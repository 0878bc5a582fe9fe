"""What a reproduction found, as tables: verdicts, the published protocol beside the honest one, the board."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from mlzoo.estimate import Estimate, estimate
from mlzoo.report.board import Board, Row
from mlzoo.report.claims import Claim
from mlzoo.report.groups import Reading
from mlzoo.report.leaderboard import leaderboard, mean_and_spread
from mlzoo.report.table import Table
from mlzoo.specs import Metric
from mlzoo.verdict import Verdict

COLUMNS = (
    "metric", "split", "published", "tolerance", "rule", "ours", "n", "95 % interval", "difference",
    "verdict", "reason", "source",
)  # fmt: skip


def tables_of_reproduction(claims: Sequence[Claim], boards: Sequence[Board]) -> list[Table]:
    """The verdicts, the protocols side by side where there are two, and the leaderboards."""
    metrics = {name: spec for board in boards for name, spec in board.metrics.items()}
    tables = [verdict_table(claims, metrics)] if claims else []
    tables += [protocol_table(board) for board in boards if inflations(board)]
    return [*tables, *(leaderboard(board) for board in boards if board.rows)]


def verdict_table(claims: Sequence[Claim], metrics: Mapping[str, Metric]) -> Table:
    """A row a published number."""
    rows = [_cells(claim, metrics.get(claim.number.metric)) for claim in claims]
    return Table("published numbers, judged", list(COLUMNS), rows)


def _cells(claim: Claim, metric: Metric | None) -> list[str]:
    number, ours = claim.number, claim.ours
    unit = metric.unit if metric else ""
    rule = (
        number.selection
        if number.selection == claim.rule
        else f"{number.selection}, ours {claim.rule}"
    )
    return [
        f"{number.metric} {unit}".strip(),
        number.split,
        f"{number.value:g}",
        f"{number.tolerance:g}",
        rule,
        mean_and_spread(ours, unit),
        str(ours.n if ours else 0),
        _interval(ours, unit),
        "-" if claim.difference is None else f"{claim.difference:+.2g}",
        claim.verdict,
        claim.reason,
        number.source + ("" if number.verified else " (unverified)"),
    ]


def _interval(ours: Estimate | None, unit: str) -> str:
    if ours is None or ours.interval is None:
        return "-"
    digits = 1 if unit == "%" else 4
    return " to ".join(f"{end:.{digits}f}" for end in ours.interval)


def inflations(board: Board) -> dict[str, dict[str, tuple[Estimate, Estimate, Estimate]]]:
    """By label of a row and metric: selected on test data, what that adds, and the honest choice."""
    found = {}
    for row in board.rows:
        twin = _honest_twin(row, board)
        if twin is not None:
            found[row.label] = {
                name: (row.values[name], added, twin.values[name])
                for name in row.values
                if name in twin.values and (added := _added(row, name)) is not None
            }
    return {label: values for label, values in found.items() if values}


def _honest_twin(row: Row, board: Board) -> Row | None:
    if row.rule != "test":
        return None
    honest = Reading(row.reading.split, "honest")
    same = [r for r in board.rows if r.group is row.group and r.reading == honest]
    return same[0] if same else None


def _added(row: Row, metric: str) -> Estimate | None:
    """Of each run the difference between its two choices; the board has it for the plain split alone."""
    if metric in row.inflation:
        return row.inflation[metric]
    honest = Reading(row.reading.split, "honest")
    pairs = [(row.reading.value(run, metric), honest.value(run, metric)) for run in row.group.runs]
    known = [a - b for a, b in pairs if a is not None and b is not None and not math.isnan(a - b)]
    return estimate(known) if known else None


def protocol_table(board: Board) -> Table:
    """The published protocol, the inflation and the honest one, beside each other."""
    columns = {name: spec for name, spec in board.columns().items() if _matters(name, board)}
    found = inflations(board)
    rows = [
        [
            f"{name} {columns[name].unit}".strip(),
            *([label] if len(found) > 1 else []),
            *(mean_and_spread(value, columns[name].unit) for value in values[name]),
        ]
        for name in columns
        for label, values in found.items()
        if name in values
    ]
    heads = ["metric", *(["model"] if len(found) > 1 else [])]
    heads += ["selected on test data", "selection inflation", "selected on val"]
    return Table(f"two protocols on {board.title}", heads, rows)


def protocols_json(board: Board) -> dict[str, Any]:
    """The two protocols as JSON values, by row and metric; all metrics, details too."""
    names = ("selected_on_test", "selection_inflation", "honest")
    return {
        "split": board.split,
        "rows": {
            label: {
                metric: {
                    name: {"n": value.n, "mean": value.mean, "sd": value.sd}
                    for name, value in zip(names, values, strict=True)
                }
                for metric, values in metrics.items()
            }
            for label, metrics in inflations(board).items()
        },
    }


def _matters(metric: str, board: Board) -> bool:
    """Whether a protocol table has the metric: those of published numbers, or all if there are none."""
    claimed = {claim.number.metric for row in board.rows for claim in row.claims}
    return not claimed or metric == board.main or metric in claimed


def counted(claims: Sequence[Claim]) -> dict[Verdict, int]:
    """How many claims have each verdict, all verdicts named."""
    counts = Counter(claim.verdict for claim in claims)
    return {verdict: counts[verdict] for verdict in get_args(Verdict)}


def summary(claims: Sequence[Claim]) -> str:
    """``3 of 4 published numbers compared: 2 match, 1 below``."""
    counts = counted(claims)
    compared = len(claims) - counts["not comparable"]
    words = {"matches": "match" if counts["matches"] != 1 else "matches"}
    parts = [f"{n} {words.get(v, v)}" for v, n in counts.items() if n and v != "not comparable"]
    plural = "" if len(claims) == 1 else "s"
    line = f"{compared} of {len(claims)} published number{plural} compared"
    return f"{line}: {', '.join(parts)}" if parts else line
