"""Leaderboards: groups of runs of one task on the same data, ranked within their protocol."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mlzoo.estimate import Estimate, estimate
from mlzoo.report.claims import Claim, claims_or_none
from mlzoo.report.groups import Group, Reading, data_digest, group_runs, told_apart
from mlzoo.report.table import metrics_of
from mlzoo.run_directory import RunRecord
from mlzoo.specs import Metric

Mark = Literal["best", "not distinguishable", "distinguishable", ""]

LEVEL = 0.05
"""Of the tests against the best row, all of them together (Holm)."""


@dataclass(frozen=True)
class Row:
    """A group of runs under one protocol.

    Attributes:
        group: the runs.
        reading: which of their numbers: a split or a view of it, of the selected or the honest weights.
        label: tells the row from the others of its board.
        rule: by which the epoch was selected.
        protocol: the same in words.
        values: by metric.
        inflation: by metric, what selecting on test data adds over the honest choice; None if not known.
        claims: the published numbers that speak of this row, whatever their split.
        hindered: why there are no claims, if something prevents judging them.
        mark: beside the best row of the same rule and view, in the main metric.
    """

    group: Group
    reading: Reading
    label: str
    rule: str
    protocol: str
    values: Mapping[str, Estimate]
    inflation: Mapping[str, Estimate] = field(default_factory=dict)
    claims: Sequence[Claim] = ()
    hindered: str = ""
    mark: Mark = ""

    def claims_on(self, metric: str) -> list[Claim]:
        """Those of one metric: papers give some numbers more than once."""
        return [claim for claim in self.claims if claim.number.metric == metric]


@dataclass(frozen=True)
class Board:
    """Rows that may be ranked against each other: same task, dataset, data and metric versions.

    Attributes:
        task, dataset, split: of all rows.
        data: digest of the data, or of the family of its repetitions.
        versions: of the evaluators.
        main: the metric that ranks.
        metrics: that some row has, with their specs; details, too.
        rows: best first; those selected on test data after the honest ones.
        references: chance levels and ceilings by metric, means over the runs.
        warnings: what a reader must know before comparing.
    """

    task: str
    dataset: str
    split: str
    data: str
    versions: Mapping[str, str]
    main: str
    metrics: Mapping[str, Metric]
    rows: Sequence[Row]
    references: Mapping[str, Mapping[str, float]]
    warnings: Sequence[str]

    @property
    def title(self) -> str:
        """``dataset (task), split``."""
        return f"{self.dataset} ({self.task}), {self.split}"

    def columns(self, *, details: bool = False) -> dict[str, Metric]:
        """The metrics to be shown: the main one first, then those with published numbers."""
        claimed = {claim.number.metric for row in self.rows for claim in row.claims}
        found = [name for name in self.metrics if details or not self.metrics[name].detail]
        found.sort(key=lambda name: (name != self.main, name not in claimed))
        return {name: self.metrics[name] for name in found}


def boards_of(records: Sequence[RunRecord], split: str = "test") -> list[Board]:
    """Boards of all finished runs, by task and dataset; unfinished ones are left out.

    Runs on other data, or scored by other versions of a metric, stand on another board, and both say so.

    Args:
        split: of the columns; a dataset whose labels of it are hidden shows ``val`` instead.
    """
    parts: dict[tuple[Any, ...], list[Group]] = {}
    for group in group_runs(records):
        results = group.first.results
        versions = tuple(sorted(results["evaluators"].items()))
        key = (results["task"], results["dataset"], data_digest(group.first), versions)
        parts.setdefault(key, []).append(group)
    boards = [_board(groups, split) for _, groups in sorted(parts.items())]
    return [_warned(board, boards) for board in boards]


def _board(groups: Sequence[Group], split: str) -> Board:
    results = groups[0].first.results
    shown = "val" if split in results["data"].get("hidden", ()) else split
    rows = [row for group in groups for row in _rows(group, groups, shown)]
    main = results["main_metric"]
    metrics = metrics_of(groups)
    spec = metrics.get(main)
    higher = spec.higher_is_better if spec else True
    return Board(
        task=results["task"],
        dataset=results["dataset"],
        split=shown,
        data=data_digest(groups[0].first),
        versions=results["evaluators"],
        main=main,
        metrics=metrics,
        rows=_ranked(rows, main, higher),
        references=_references(groups),
        warnings=_warnings(groups, split, shown),
    )


def _rows(group: Group, groups: Sequence[Group], split: str) -> list[Row]:
    """One for each view of the split; under the rule ``test`` the honest choice is a row of its own."""
    claims, hindered = claims_or_none(group)
    selection = group.first.results["selection"]
    rows = []
    for reading in group.readings(split):
        if reading.protocol == "inflation":
            continue
        honest = group.first.results["honest"] if reading.protocol == "honest" else selection
        view = reading.split.partition("@")[2]
        inflated = group.honest and reading.protocol == "selected" and not view
        rows.append(
            Row(
                group=group,
                reading=reading,
                label=told_apart(group, groups) + (f" @{view}" if view else ""),
                rule=honest["rule"],
                protocol=honest["label"],
                values=_estimates(group, reading),
                inflation=_estimates(group, Reading(split, "inflation")) if inflated else {},
                claims=[c for c in claims if c.reading.protocol == reading.protocol and not view],
                hindered=hindered,
            )
        )
    return rows


def _estimates(group: Group, reading: Reading) -> dict[str, Estimate]:
    found = {}
    for metric in group.first.results["metrics"].get(reading.split, {}):
        values = [v for v in group.values(reading, metric) if not math.isnan(v)]
        if values:
            found[metric] = estimate(values)
    return found


def _ranked(rows: Sequence[Row], main: str, higher: bool) -> list[Row]:
    """Best first within each rule and view, with marks; what was selected on test data comes last."""
    sign = -1 if higher else 1

    def place(row: Row) -> tuple[bool, str, float]:
        value = row.values.get(main)
        return row.rule == "test", _view(row), sign * value.mean if value else math.inf

    found = sorted(rows, key=place)
    return [marked for part in _parts(found) for marked in _marked(part, main)]


def _view(row: Row) -> str:
    return row.reading.split.partition("@")[2]


def _parts(rows: Sequence[Row]) -> list[list[Row]]:
    parts: dict[tuple[bool, str], list[Row]] = {}
    for row in rows:
        parts.setdefault((row.rule == "test", _view(row)), []).append(row)
    return list(parts.values())


def _marked(rows: Sequence[Row], main: str) -> list[Row]:
    """Each row against the best one: Welch's t-test over the runs, at :data:`LEVEL` for all rows (Holm).
    Rows of a single run have no mark."""
    known = [row for row in rows if main in row.values]
    if len(known) < 2:
        return list(rows)
    best, *others = known
    p_values = {id(row): _welch(best, row, main) for row in others}
    tested = sorted((p, key) for key, p in p_values.items() if p is not None)
    apart: set[int] = set()
    for rank, (p, key) in enumerate(tested):
        if p > LEVEL / (len(tested) - rank):
            break
        apart.add(key)
    marks: dict[int, Mark] = {id(best): "best"}
    for _, key in tested:
        marks[key] = "distinguishable" if key in apart else "not distinguishable"
    return [replace(row, mark=marks.get(id(row), "")) for row in rows]


def _welch(one: Row, other: Row, metric: str) -> float | None:
    """The p-value; None where a row has a single run."""
    a, b = (row.group.values(row.reading, metric) for row in (one, other))
    if min(len(a), len(b)) < 2:
        return None
    if len({*a}) == len({*b}) == 1:  # no spread at all: equal or not
        return 1.0 if a[0] == b[0] else 0.0
    from scipy.stats import ttest_ind

    with warnings.catch_warnings():  # one of the two may have no spread
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(ttest_ind(a, b, equal_var=False).pvalue)


def _references(groups: Sequence[Group]) -> dict[str, dict[str, float]]:
    """Means over all runs of those that every run has."""
    runs = [run.results["references"] for group in groups for run in group.runs]
    found: dict[str, dict[str, float]] = {}
    for metric, labels in runs[0].items():
        for label in labels:
            values = [run.get(metric, {}).get(label) for run in runs]
            known = [value for value in values if value is not None]
            if len(known) == len(values):
                found.setdefault(metric, {})[label] = sum(known) / len(known)
    return found


def _warnings(groups: Sequence[Group], split: str, shown: str) -> list[str]:
    data = groups[0].first.results["data"]
    found = []
    if shown != split:
        found.append(f"the labels of {split} are hidden: {shown} is shown instead")
    if data.get("incomparable"):
        found.append(f"published numbers do not speak of these data: {data['incomparable']}")
    if any(group.first.results["data"]["limited"] for group in groups):
        found.append("--limit was used: a try, not a result")
    if any(group.first.results["selection"]["rule"] == "test" for group in groups):
        found.append("rows selected on test data are no estimate of what new data would give")
    if any(len(group.runs) == 1 for group in groups):
        found.append("a row of a single run has no spread and no mark")
    if any(group.superseded for group in groups):
        count = sum(group.superseded for group in groups)
        found.append(f"{count} older runs of a seed that was run again are left out")
    return found


def _warned(board: Board, boards: Sequence[Board]) -> Board:
    """With what keeps it apart from other boards of the same dataset."""
    found = list(board.warnings)
    twins = [
        b for b in boards if b is not board and (b.task, b.dataset) == (board.task, board.dataset)
    ]
    if any(twin.data != board.data for twin in twins):
        found.append(
            f"other runs used other data than these ({board.data[:8]}): do not rank across"
        )
    if any(twin.versions != board.versions for twin in twins):
        versions = ", ".join(f"{name} v{version}" for name, version in board.versions.items())
        found.append(
            f"other runs were scored by other versions than {versions}, and are not ranked with these; "
            "mlzoo rescore RUN brings them to the installed one"
        )
    return replace(board, warnings=found)
