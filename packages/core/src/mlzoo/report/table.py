"""Tables of what runs reached: mean and spread over seeds and over the data's repetitions."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlzoo.errors import RunError, UsageError, did_you_mean
from mlzoo.registry import registry
from mlzoo.report.groups import Group, data_digest, group_runs
from mlzoo.report.numbers import listed, reference_text
from mlzoo.run_directory import RunRecord
from mlzoo.specs import Metric


@dataclass(frozen=True)
class Table:
    """Cells ready to be shown."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)


def summarise(records: Sequence[RunRecord], split: str = "test", *, details: bool = False) -> Table:
    """Metrics by row, groups (and their views) by column: mean ± standard deviation over runs.

    Args:
        details: with the metrics that their evaluators call details; else a note says how many there are.

    Raises:
        RunError: none of the runs is done.
        UsageError: none of them scored that split.
    """
    groups = group_runs(records)
    require_scored(groups, split)
    columns = [(group, reading) for group in groups for reading in group.readings(split)]
    heads = [f"{group.label}{reading.heading} (n={group.size})" for group, reading in columns]
    every = metrics_of(groups)
    metrics = {name: spec for name, spec in every.items() if details or not spec.detail}
    rows = [
        [
            f"{metric} {spec.unit}".strip(),
            *(_mean_and_spread(g.values(r, metric), len(g.runs), spec.unit) for g, r in columns),
            _references(groups, metric, spec.unit),
        ]
        for metric, spec in metrics.items()
    ]
    notes = _hidden(groups, split) + _notes(groups, records)
    if len(metrics) < len(every):
        notes.append(f"{len(every) - len(metrics)} more metrics in detail: --all")
    return Table(_title(groups, split), ["metric", *heads, "reference"], rows, notes)


def require_scored(groups: Sequence[Group], split: str) -> None:
    """Refuse a report of nothing.

    Raises:
        RunError: none of the runs is done.
        UsageError: none of them scored that split.
    """
    if not groups:
        raise RunError("none of these runs is done.", "Go on with one: mlzoo resume RUN")
    if not any(group.readings(split) for group in groups):
        known = {s.partition("@")[0] for g in groups for s in g.first.results["metrics"]}
        raise UsageError(f"no run scored the split {split!r}.", did_you_mean(split, known))


def _title(groups: Sequence[Group], split: str) -> str:
    names = sorted({f"{g.first.results['model']} on {g.first.results['dataset']}" for g in groups})
    varied = dict.fromkeys(name for g in groups for name in g.repeats[0])
    over = " and ".join(f"{name}s" for name in (*varied, "seed"))
    return f"{', '.join(names)}: {split}, mean ± standard deviation over {over}"


def metrics_of(groups: Sequence[Group]) -> dict[str, Metric]:
    """The metrics that some run has a value for, with their specs, in the evaluators' order."""
    tasks = list(dict.fromkeys(group.first.results["task"] for group in groups))
    found: dict[str, Metric] = {}
    for task in tasks:
        for entry in registry().evaluators_for(task):
            found.update(entry.spec.metrics)
    runs = [run.results["metrics"].values() for group in groups for run in group.runs]
    present = {m for splits in runs for s in splits for m, v in s.items() if v is not None}
    return {name: metric for name, metric in found.items() if name in present}


def _mean_and_spread(values: Sequence[float], runs: int, unit: str) -> str:
    if not values:
        return "-"
    digits = 1 if unit == "%" else 4
    missing = f" ({len(values)} of {runs})" if len(values) < runs else ""
    mean = f"{statistics.fmean(values):.{digits}f}"
    if len(values) == 1:
        return mean + missing
    return f"{mean} ± {statistics.stdev(values):.{digits}f}{missing}"


def _references(groups: Sequence[Group], metric: str, unit: str) -> str:
    texts = {
        reference_text(_mean_references(group, metric), unit)
        for group in groups
        if any(metric in metrics for metrics in group.first.results["metrics"].values())
    }
    return texts.pop() if len(texts) == 1 else "differs"


def _mean_references(group: Group, metric: str) -> dict[str, float]:
    """Of those that all runs have: repetitions of the data may differ in what can be reached."""
    each = [run.results["references"].get(metric, {}) for run in group.runs]
    shared = [label for label in each[0] if all(one.get(label) is not None for one in each)]
    return {label: statistics.fmean(one[label] for one in each) for label in shared}


def _notes(groups: Sequence[Group], records: Sequence[RunRecord]) -> list[str]:
    notes = [
        f"{g.label}: {g.first.results['selection']['label']}, {listed(g.numbers)}" for g in groups
    ]
    superseded = sum(group.superseded for group in groups)
    if superseded:
        notes.append(f"{superseded} older runs of a seed that was run again are left out")
    notes += _without_spread(groups)
    notes += mixed_versions(groups)
    if len({data_digest(group.first) for group in groups}) > 1:
        notes.append("these runs used different data: do not rank them against each other")
    elif len({str(_repeats_covered(group)) for group in groups}) > 1:
        notes.append("these columns cover different repetitions: do not rank them")
    if any(group.first.results["data"]["limited"] for group in groups):
        notes.append("--limit was used: a try, not a result")
    unfinished = sum(not record.results for record in records)
    if unfinished:
        notes.append(f"{unfinished} of these runs are not done and are left out")
    return notes


def mixed_versions(groups: Sequence[Group]) -> list[str]:
    """A line for each evaluator of which several versions scored runs of one task."""
    found: dict[tuple[str, str], set[str]] = {}
    for results in (group.first.results for group in groups):
        for name, version in results["evaluators"].items():
            found.setdefault((results["task"], name), set()).add(version)
    return [
        f"scored by different versions of {name} ({', '.join(f'v{v}' for v in sorted(versions))}): do not "
        "rank them; mlzoo rescore RUN brings them to the installed one"
        for (_, name), versions in found.items()
        if len(versions) > 1
    ]


def _hidden(groups: Sequence[Group], split: str) -> list[str]:
    """Why a column may be empty, and which is not."""
    hiding = [g for g in groups if split in g.first.results["data"].get("hidden", ())]
    if not hiding:
        return []
    known = {s for g in hiding for s in g.first.results["metrics"] if "@" not in s}
    others = sorted(known - {s for g in hiding for s in g.first.results["data"]["hidden"]})
    seen = f"; look at another split: {', '.join(f'--split {s}' for s in others)}" if others else ""
    return [f"the labels of {split} are hidden, it has no scores{seen}"]


def _without_spread(groups: Sequence[Group]) -> list[str]:
    """How to get a spread, where one is missing and further runs would differ."""
    fixed = {entry.spec.name for entry in registry().models if entry.spec.deterministic}
    alone = [
        group
        for group in groups
        if len(group.runs) == 1 and (group.repeats[0] or group.first.results["model"] not in fixed)
        if "weights" not in group.first.results  # another seed would import the same
    ]
    flags = dict.fromkeys(f"--{name.replace('_', '-')}s" for g in alone for name in g.repeats[0])
    what = "run" if flags else "seed"
    note = f"a single {what} has no spread: use {' or '.join((*flags, '--seeds'))}"
    return [note] if alone else []


def _repeats_covered(group: Group) -> dict[str, list[int]]:
    return {name: found for name, found in group.numbers.items() if name != "seed"}


def to_markdown(table: Table) -> str:
    """A GitHub-flavoured table with its notes below."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = ["---", *["---:"] * (len(table.columns) - 2), "---"][: len(table.columns)]
    lines = [f"**{table.title}**", "", line(table.columns), line(rule), *map(line, table.rows)]
    return "\n".join([*lines, "", *(f"- {note}" for note in table.notes)]) + "\n"


def to_csv(records: Sequence[RunRecord]) -> str:
    """One row a group, split and metric, with every number in full precision."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    heads = ["model", "dataset", "label", "selection", "protocol", "split", "metric", "n"]
    writer.writerow([*heads, "mean", "sd", "min", "max", "seeds", "values", "repeats"])
    for row in _csv_rows(group_runs(records)):
        writer.writerow(row)
    return out.getvalue()


def _csv_rows(groups: Sequence[Group]) -> Iterator[list[Any]]:
    for group in groups:
        results = group.first.results
        names = dict.fromkeys(split.partition("@")[0] for split in results["metrics"])
        for reading in (reading for name in names for reading in group.readings(name)):
            for metric in results["metrics"][reading.split]:
                values = group.values(reading, metric)
                if not values:
                    continue
                yield [
                    results["model"],
                    results["dataset"],
                    group.label,
                    results["selection"]["rule"],
                    reading.protocol,
                    reading.split,
                    metric,
                    len(values),
                    statistics.fmean(values),
                    statistics.stdev(values) if len(values) > 1 else math.nan,
                    min(values),
                    max(values),
                    " ".join(map(str, group.seeds)),
                    " ".join(map(repr, values)),
                    " ".join(f"{k}={v}" for repeat in group.repeats for k, v in repeat.items()),
                ]
