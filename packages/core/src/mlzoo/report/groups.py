"""Groups of runs that differ only in their seed and their data's repetition."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mlzoo.run_directory import RunRecord

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
        honest = run.results.get("honest", {"selection_inflation": {}, "metrics": {}})
        if self.protocol == "inflation":
            found = honest["selection_inflation"] if self.split == "test" else {}
        elif self.protocol == "honest":
            found = honest["metrics"].get(self.split, {})
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
    def numbers(self) -> dict[str, list[int]]:
        """By name, the repetitions of the data and the seeds that occur, ascending."""
        each = [{**_repeat(run), "seed": run.results["seed"]} for run in self.runs]
        return {name: sorted({one[name] for one in each}) for name in each[0]}

    @property
    def size(self) -> str:
        """How many runs, as a heading says it: ``5``, ``30 splits``, ``30 splits × 2 seeds``."""
        counts = {name: len(numbers) for name, numbers in self.numbers.items()}
        seeds = counts.pop("seed")
        if not counts:
            return str(len(self.runs))
        parts = [_plural(count, name) for name, count in counts.items()]
        parts += [_plural(seeds, "seed")] if seeds > 1 else []
        whole = math.prod(counts.values()) * seeds == len(self.runs)
        return " × ".join(parts) if whole else f"{len(self.runs)} of {' × '.join(parts)}"

    @property
    def honest(self) -> bool:
        """Whether every run has an honest choice beside its selection on test data."""
        return all("honest" in run.results for run in self.runs)

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
        if self.honest:
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


def _plural(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _facts(record: RunRecord) -> dict[str, str]:
    """What keeps runs of equal options apart."""
    results = record.results
    imported = results.get("weights")
    return {
        "data": data_digest(record),
        **({"weights": str(imported["sha256"])} if imported else {}),
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


def told_apart(group: Group, groups: Sequence[Group]) -> str:
    """A short label within one dataset: the model and its preset's variant, and options only where these do
    not tell."""
    label = _named(group)
    twins = [other for other in groups if _named(other) == label]
    if len(twins) == 1:
        return label
    mine = _options(group.first)
    differing = [k for k in mine if any(_options(t.first).get(k) != mine[k] for t in twins)]
    told = " ".join(f"{key}={mine[key]}" for key in differing)
    return f"{label} {told or _what_else_differs(group, twins)}".strip()


def _named(group: Group) -> str:
    return f"{group.first.results['model']} {group.first.config.get('preset') or ''}".strip()


def _what_else_differs(group: Group, twins: Sequence[Group]) -> str:
    mine = _facts(group.first)
    others = [_facts(twin.first) for twin in twins]
    return " ".join(
        f"{name}={value[:8]}"
        for name, value in mine.items()
        if {o.get(name) for o in others} != {value}
    )
