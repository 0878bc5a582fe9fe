"""Groups of runs that differ only in their seed and their data's repetition; tables of their spread."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mlzoo.errors import RunError, UsageError, did_you_mean
from mlzoo.registry import registry
from mlzoo.report.numbers import listed, reference_text
from mlzoo.run_directory import RunRecord
from mlzoo.specs import Metric

_NAMES = ("model", "dataset", "preset", "sources", "seed")


@dataclass(frozen=True)
class Reading:
    """One column of a table: a split, or a view of it, of the selected or of the honest weights."""

    split: str
    protocol: Literal["selected", "honest", "inflation"] = "selected"

    @property
    def heading(self) -> str:
        """What is added to the group's label."""
        view = self.split.partition("@")[2]
        words = {"selected": "", "honest": "selected on val", "inflation": "selection inflation"}
        return "".join(f" {part}" for part in (view and f"@{view}", words[self.protocol]) if part)

    def value(self, run: RunRecord, metric: str) -> float | None:
        """The number of one run; None if it has none."""
        if self.protocol == "inflation":
            found = run.results["honest"]["selection_inflation"] if self.split == "test" else {}
        elif self.protocol == "honest":
            found = run.results["honest"]["metrics"].get(self.split, {})
        else:
            found = run.results["metrics"].get(self.split, {})
        value: float | None = found.get(metric)
        return value


@dataclass
class Group:
    """Finished runs of one experiment: same options, data and versions; one run a seed and, where the
    data has repetitions (random splits), one for each of them."""

    runs: list[RunRecord]
    label: str = ""
    superseded: int = 0

    @property
    def first(self) -> RunRecord:
        """Any of them stands for the group's options and data."""
        return self.runs[0]

    @property
    def seeds(self) -> list[int]:
        """The seeds, in order."""
        return [run.results["seed"] for run in self.runs]

    @property
    def repeats(self) -> list[dict[str, int]]:
        """Which repetition of the data each run was made on; empty dicts where there are none."""
        return [_repeat(run) for run in self.runs]

    @property
    def size(self) -> str:
        """How many runs, as a heading says it: ``5``, ``30 splits``, ``30 splits × 2 seeds``."""
        counts = {name: len(numbers) for name, numbers in _numbers(self.runs).items()}
        seeds = counts.pop("seed")
        if not counts:
            return str(len(self.runs))
        parts = [_plural(count, name) for name, count in counts.items()]
        parts += [_plural(seeds, "seed")] if seeds > 1 else []
        whole = math.prod(counts.values()) * seeds == len(self.runs)
        return " × ".join(parts) if whole else f"{len(self.runs)} of {' × '.join(parts)}"

    def values(self, reading: Reading, metric: str) -> list[float]:
        """One value a run, without those that are missing."""
        found = [reading.value(run, metric) for run in self.runs]
        return [value for value in found if value is not None]

    def splits(self, split: str) -> list[str]:
        """A split and its views."""
        return [s for s in self.first.results["metrics"] if s.partition("@")[0] == split]

    def readings(self, split: str) -> list[Reading]:
        """The columns of a split; a selection on test has the honest choice beside it."""
        found = [Reading(name) for name in self.splits(split)]
        if all("honest" in run.results for run in self.runs):
            found += [Reading(name, "honest") for name in self.splits(split)]
            found += [Reading(split, "inflation")] if split == "test" else []
        return found

    def keep_newest_of_each(self) -> None:
        """A seed that was run again, on the same repetition of the data, is no further sample."""
        newest: dict[tuple[int, ...], RunRecord] = {}
        for run in sorted(self.runs, key=lambda run: str(run.info.get("started", ""))):
            newest[*_repeat(run).values(), run.results["seed"]] = run
        self.superseded = len(self.runs) - len(newest)
        self.runs = [newest[key] for key in sorted(newest)]


@dataclass(frozen=True)
class Table:
    """Cells ready to be shown."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)


def group_runs(records: Iterable[RunRecord]) -> list[Group]:
    """Finished runs by experiment; each group labelled by what it differs in from the others.

    Runs on different data, scored by different evaluator versions or made with different plugin
    versions never share a group; of one seed the newest run counts. Where the data has repetitions
    (``DatasetSpec.repeats``), different data means another family of them.
    """
    groups: dict[str, Group] = {}
    for record in records:
        if record.results:
            groups.setdefault(_key(record), Group([])).runs.append(record)
    found = list(groups.values())
    for group in found:
        group.keep_newest_of_each()
    for group in found:
        group.label = _label(group, found)
    for label in {group.label for group in found}:
        twins = [group for group in found if group.label == label]
        for group in twins if len(twins) > 1 else []:
            group.label = f"{label} {_what_else_differs(group, twins)}"
    return found


def _options(record: RunRecord) -> dict[str, Any]:
    names = {*_NAMES, *_repeat(record)}
    return {key: value for key, value in record.config.items() if key not in names}


def _repeat(record: RunRecord) -> dict[str, int]:
    """Which repetition of the data: ``{"split": 7}``."""
    repeat: dict[str, int] = record.results["data"].get("repeat", {})
    return repeat


def data_digest(record: RunRecord) -> str:
    """Of the run's data, or of the family if there are repetitions of it."""
    data = record.results["data"]
    return str(data.get("family") or data["fingerprint"])


def _numbers(runs: Sequence[RunRecord]) -> dict[str, list[int]]:
    """By name, the repetitions of the data and the seeds that occur, ascending."""
    each = [{**_repeat(run), "seed": run.results["seed"]} for run in runs]
    return {name: sorted({one[name] for one in each}) for name in each[0]}


def _plural(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _facts(record: RunRecord) -> dict[str, str]:
    """What keeps runs of equal options apart."""
    results = record.results
    return {
        "data": data_digest(record),
        **{name: f"v{version}" for name, version in results["evaluators"].items()},
        **results["plugins"],
    }


def _key(record: RunRecord) -> str:
    results = record.results
    facts = [results["model"], results["dataset"], _options(record), _facts(record)]
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


def _what_else_differs(group: Group, twins: Sequence[Group]) -> str:
    mine = _facts(group.first)
    others = [_facts(twin.first) for twin in twins]
    return " ".join(
        f"{name}={value[:8]}"
        for name, value in mine.items()
        if {o.get(name) for o in others} != {value}
    )


def summarise(records: Sequence[RunRecord], split: str = "test") -> Table:
    """Metrics by row, groups (and their views) by column: mean ± standard deviation over runs.

    Raises:
        RunError: none of the runs is done.
        UsageError: none of them scored that split.
    """
    groups = group_runs(records)
    if not groups:
        raise RunError("none of these runs is done.", "Go on with one: mlzoo resume RUN")
    columns = [(group, reading) for group in groups for reading in group.readings(split)]
    if not columns:
        known = {s.partition("@")[0] for g in groups for s in g.first.results["metrics"]}
        raise UsageError(f"no run scored the split {split!r}.", did_you_mean(split, known))
    heads = [f"{group.label}{reading.heading} (n={group.size})" for group, reading in columns]
    rows = [
        [
            f"{metric} {spec.unit}".strip(),
            *(_mean_and_spread(g.values(r, metric), len(g.runs), spec.unit) for g, r in columns),
            _references(groups, metric, spec.unit),
        ]
        for metric, spec in _metrics(groups).items()
    ]
    return Table(
        _title(groups, split), ["metric", *heads, "reference"], rows, _notes(groups, records)
    )


def _title(groups: Sequence[Group], split: str) -> str:
    names = sorted({f"{g.first.results['model']} on {g.first.results['dataset']}" for g in groups})
    varied = dict.fromkeys(name for g in groups for name in g.repeats[0])
    over = " and ".join(f"{name}s" for name in (*varied, "seed"))
    return f"{', '.join(names)}: {split}, mean ± standard deviation over {over}"


def _metrics(groups: Sequence[Group]) -> dict[str, Metric]:
    """The metrics that occur, with their specs, in the evaluators' order."""
    tasks = list(dict.fromkeys(group.first.results["task"] for group in groups))
    found: dict[str, Metric] = {}
    for task in tasks:
        for entry in registry().evaluators_for(task):
            found.update(entry.spec.metrics)
    present = {m for g in groups for s in g.first.results["metrics"].values() for m in s}
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
        reference_text(group.first.results["references"].get(metric, {}), unit)
        for group in groups
        if any(metric in metrics for metrics in group.first.results["metrics"].values())
    }
    return texts.pop() if len(texts) == 1 else "differs"


def _notes(groups: Sequence[Group], records: Sequence[RunRecord]) -> list[str]:
    notes = [
        f"{g.label}: {g.first.results['selection']['label']}, {listed(_numbers(g.runs))}"
        for g in groups
    ]
    superseded = sum(group.superseded for group in groups)
    if superseded:
        notes.append(f"{superseded} older runs of a seed that was run again are left out")
    notes += _without_spread(groups)
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


def _without_spread(groups: Sequence[Group]) -> list[str]:
    """How to get a spread, where one is missing and further runs would differ."""
    fixed = {entry.spec.name for entry in registry().models if entry.spec.deterministic}
    alone = [
        group
        for group in groups
        if len(group.runs) == 1 and (group.repeats[0] or group.first.results["model"] not in fixed)
    ]
    flags = dict.fromkeys(f"--{name.replace('_', '-')}s" for g in alone for name in g.repeats[0])
    what = "run" if flags else "seed"
    note = f"a single {what} has no spread: use {' or '.join((*flags, '--seeds'))}"
    return [note] if alone else []


def _repeats_covered(group: Group) -> dict[str, list[int]]:
    return {name: found for name, found in _numbers(group.runs).items() if name != "seed"}


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
