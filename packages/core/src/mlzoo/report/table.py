"""Groups of runs that differ only in their seed, and tables of their means and spreads."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlzoo.errors import RunError
from mlzoo.registry import registry
from mlzoo.report.numbers import reference_text
from mlzoo.run_directory import RunRecord
from mlzoo.specs import Metric

_NAMES = ("model", "dataset", "preset", "sources", "seed")


@dataclass
class Group:
    """Finished runs of one experiment: same options, data, evaluator versions; other seeds."""

    runs: list[RunRecord]
    label: str = ""

    @property
    def first(self) -> RunRecord:
        """Any of them stands for the group's options and data."""
        return self.runs[0]

    @property
    def seeds(self) -> list[int]:
        """The seeds, in order."""
        return [run.results["seed"] for run in self.runs]

    def values(self, split: str, metric: str) -> list[float]:
        """One value a run, without those that are missing."""
        found = [run.results["metrics"].get(split, {}).get(metric) for run in self.runs]
        return [value for value in found if value is not None]

    def splits(self, split: str) -> list[str]:
        """A split and its views."""
        return [s for s in self.first.results["metrics"] if s.partition("@")[0] == split]


@dataclass(frozen=True)
class Table:
    """Cells ready to be shown."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)


def group_runs(records: Iterable[RunRecord]) -> list[Group]:
    """Finished runs by experiment; each group labelled by the options it differs in from the others.

    Runs on different data, or scored by different evaluator versions, never share a group.
    """
    groups: dict[str, Group] = {}
    for record in records:
        if record.results:
            groups.setdefault(_key(record), Group([])).runs.append(record)
    found = list(groups.values())
    for group in found:
        group.runs.sort(key=lambda run: run.results["seed"])
        group.label = _label(group, found)
    return found


def _options(record: RunRecord) -> dict[str, Any]:
    return {key: value for key, value in record.config.items() if key not in _NAMES}


def _key(record: RunRecord) -> str:
    results = record.results
    facts = [
        results["model"],
        results["dataset"],
        _options(record),
        results["data"]["fingerprint"],
        results["evaluators"],
    ]
    return json.dumps(facts, sort_keys=True)


def _label(group: Group, groups: Sequence[Group]) -> str:
    """What tells this group from the others."""
    mine, parts = _options(group.first), []
    for name in ("model", "dataset"):
        if len({other.first.results[name] for other in groups}) > 1:
            parts.append(group.first.results[name])
    rivals = [
        _options(other.first)
        for other in groups
        if other.first.results["model"] == group.first.results["model"]
        and other.first.results["dataset"] == group.first.results["dataset"]
    ]
    differing = [key for key in mine if any(rival.get(key) != mine[key] for rival in rivals)]
    parts += [f"{key}={mine[key]}" for key in differing]
    return " ".join(parts) or group.first.results["model"]


def summarise(records: Sequence[RunRecord], split: str = "test") -> Table:
    """Metrics by row, groups (and their views) by column: mean ± standard deviation over seeds.

    Raises:
        RunError: none of the runs is done.
    """
    groups = group_runs(records)
    if not groups:
        raise RunError("none of these runs is done.", "Go on with one: mlzoo resume RUN")
    metrics = _metrics(groups)
    columns = [(group, name) for group in groups for name in group.splits(split)]
    heads = [f"{g.label}{_view(name)} (n={len(g.runs)})" for g, name in columns]
    rows = [
        [
            f"{metric} {spec.unit}".strip(),
            *(_mean_and_spread(g.values(name, metric), spec.unit) for g, name in columns),
            _references(groups, metric, spec.unit),
        ]
        for metric, spec in metrics.items()
    ]
    return Table(
        _title(groups, split), ["metric", *heads, "reference"], rows, _notes(groups, records)
    )


def _view(split: str) -> str:
    view = split.partition("@")[2]
    return f" @{view}" if view else ""


def _title(groups: Sequence[Group], split: str) -> str:
    names = sorted({f"{g.first.results['model']} on {g.first.results['dataset']}" for g in groups})
    return f"{', '.join(names)}: {split}, mean ± standard deviation over seeds"


def _metrics(groups: Sequence[Group]) -> dict[str, Metric]:
    """The metrics that occur, with their specs, in the evaluators' order."""
    tasks = list(dict.fromkeys(group.first.results["task"] for group in groups))
    found: dict[str, Metric] = {}
    for task in tasks:
        for entry in registry().evaluators_for(task):
            found.update(entry.spec.metrics)
    present = {m for g in groups for s in g.first.results["metrics"].values() for m in s}
    return {name: metric for name, metric in found.items() if name in present}


def _mean_and_spread(values: Sequence[float], unit: str) -> str:
    if not values:
        return "-"
    digits = 1 if unit == "%" else 4
    mean = statistics.fmean(values)
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def _references(groups: Sequence[Group], metric: str, unit: str) -> str:
    texts = {
        reference_text(group.first.results["references"].get(metric, {}), unit) for group in groups
    }
    return texts.pop() if len(texts) == 1 else "differs"


def _notes(groups: Sequence[Group], records: Sequence[RunRecord]) -> list[str]:
    notes = [
        f"{g.label}: {g.first.results['selection']['label']}, seeds {', '.join(map(str, g.seeds))}"
        for g in groups
    ]
    if any(len(group.runs) == 1 for group in groups):
        notes.append("a single seed has no spread: use --seeds")
    if len({group.first.results["data"]["fingerprint"] for group in groups}) > 1:
        notes.append("these runs used different data: do not rank them against each other")
    if any(group.first.results["data"]["limited"] for group in groups):
        notes.append("--limit was used: a try, not a result")
    unfinished = sum(not record.results for record in records)
    if unfinished:
        notes.append(f"{unfinished} of these runs are not done and are left out")
    return notes


def to_markdown(table: Table) -> str:
    """A GitHub-flavoured table with its notes below."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = ["---", *["---:"] * (len(table.columns) - 2), "---"]
    lines = [f"**{table.title}**", "", line(table.columns), line(rule), *map(line, table.rows)]
    return "\n".join([*lines, "", *(f"- {note}" for note in table.notes)]) + "\n"


def to_csv(records: Sequence[RunRecord]) -> str:
    """One row a group, split and metric, with every number in full precision."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    heads = ["model", "dataset", "label", "selection", "split", "metric", "n", "mean", "sd"]
    writer.writerow([*heads, "min", "max", "seeds", "values"])
    for row in _csv_rows(group_runs(records)):
        writer.writerow(row)
    return out.getvalue()


def _csv_rows(groups: Sequence[Group]) -> Iterator[list[Any]]:
    for group in groups:
        results = group.first.results
        for split, metrics in results["metrics"].items():
            for metric in metrics:
                values = group.values(split, metric)
                if not values:
                    continue
                yield [
                    results["model"],
                    results["dataset"],
                    group.label,
                    results["selection"]["rule"],
                    split,
                    metric,
                    len(values),
                    statistics.fmean(values),
                    statistics.stdev(values) if len(values) > 1 else math.nan,
                    min(values),
                    max(values),
                    " ".join(map(str, group.seeds)),
                    " ".join(map(repr, values)),
                ]
