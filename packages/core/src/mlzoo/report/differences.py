"""What differs between two finished runs: options, versions, code, machine, data, and every metric."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlzoo.errors import MlzooError, RunError, UsageError
from mlzoo.registry import registry
from mlzoo.run_directory import RunRecord
from mlzoo.specs import Metric

ABSENT = object()
"""In place of a fact that a run does not have."""

TIMES = "times"
"""The section of facts that differ between any two runs."""


@dataclass(frozen=True)
class Fact:
    """One thing that is known of both runs, or of one.

    Attributes:
        name: within its section.
        one, other: JSON values, or :data:`ABSENT`.
        sources: of the values of options: ``default``, ``preset NAME``, ``file NAME`` or ``option``.
    """

    name: str
    one: Any
    other: Any
    sources: tuple[str, str] = ("", "")

    @property
    def differs(self) -> bool:
        """Whether the values do; where they come from does not matter."""
        truth = isinstance(self.one, bool) != isinstance(self.other, bool)
        return truth or bool(self.one != self.other)

    @property
    def shared(self) -> bool:
        """Whether both runs have it."""
        return self.one is not ABSENT and self.other is not ABSENT

    def to_json(self) -> dict[str, Any]:
        """As JSON values; what is absent has no key."""
        values = {"one": self.one, "other": self.other}
        told = {name: value for name, value in values.items() if value is not ABSENT}
        if any(self.sources):
            told["sources"] = list(self.sources)
        return {"name": self.name, **told, "differs": self.differs}


@dataclass(frozen=True)
class MetricPair:
    """A metric of both runs, in its unit.

    Attributes:
        split: a split, or a view of it.
        honest: of the honestly selected weights, beside a selection on test data.
        metric: its name.
        spec: what it is; None if no installed evaluator has it.
        one, other: None where there is no value.
        versions: of its evaluator, where they differ: then there is no difference to speak of.
    """

    split: str
    honest: bool
    metric: str
    spec: Metric | None
    one: float | None
    other: float | None
    versions: tuple[str, str] | None = None

    @property
    def difference(self) -> float | None:
        """The second minus the first; None if either is missing or they are of different versions."""
        if self.one is None or self.other is None or self.versions is not None:
            return None
        return self.other - self.one

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "split": self.split,
            "selection": "honest" if self.honest else "selected",
            "metric": self.metric,
            "one": self.one,
            "other": self.other,
            "difference": self.difference,
            "versions": list(self.versions) if self.versions else None,
        }


@dataclass(frozen=True)
class Differences:
    """Two runs beside each other.

    Attributes:
        sections: facts by section, equal ones too.
        metrics: that either run has, details too.
        warnings: what keeps numbers of the two from being compared.
    """

    sections: Mapping[str, tuple[Fact, ...]]
    metrics: tuple[MetricPair, ...]
    warnings: tuple[str, ...]

    def differing(self, section: str) -> list[Fact]:
        """The facts of a section that differ."""
        return [fact for fact in self.sections[section] if fact.differs]

    @property
    def names(self) -> list[str]:
        """Of all facts that differ, apart from times."""
        return [f.name for s in self.sections if s != TIMES for f in self.differing(s)]

    @property
    def splits_of_one(self) -> set[str]:
        """Splits and views that only one of the runs scored."""
        found: dict[str, set[bool]] = {}
        for pair in self.metrics:
            values = found.setdefault(pair.split, set())
            values |= {True} if pair.one is not None else set()
            values |= {False} if pair.other is not None else set()
        return {split for split, values in found.items() if len(values) == 1}

    @property
    def metrics_differ(self) -> bool:
        """Whether any metric does."""
        return any(pair.one != pair.other for pair in self.metrics)

    def to_json(self, *, full: bool = False) -> dict[str, Any]:
        """As JSON values.

        Args:
            full: with the facts that are equal.
        """
        return {
            "differences": {
                name: [fact.to_json() for fact in facts if full or fact.differs]
                for name, facts in self.sections.items()
            },
            "metrics": [pair.to_json() for pair in self.metrics],
            "warnings": list(self.warnings),
        }


def differences(one: RunRecord, other: RunRecord) -> Differences:
    """Everything that the folders of two finished runs say, side by side.

    Raises:
        UsageError: it is one run.
        RunError: a run is not done, or damaged.
    """
    require_two(one, other)
    named = {name for run in (one, other) for name in run.info.get("versions") or {}}
    parts = [_facts(run, named) for run in (one, other)]
    sections = {
        name: tuple(_paired(parts[0].get(name, {}), parts[1].get(name, {})))
        for name in dict.fromkeys([*parts[0], *parts[1]])
    }
    sections["options"] = tuple(_with_sources(sections["options"], one, other))
    metrics = tuple(_metrics(one, other))
    return Differences(sections, metrics, tuple(_warnings(one, other, metrics)))


def require_two(one: RunRecord, other: RunRecord) -> None:
    """Refuse what is no pair of finished runs.

    Raises:
        UsageError: it is one run.
        RunError: a run is not done.
    """
    if one.directory.resolve() == other.directory.resolve():
        raise UsageError(f"{one.directory} is named twice.", "Name two runs.")
    for run in (one, other):
        if not run.results:
            raise RunError(
                f"{run.directory} is not done.", f"Go on with it: mlzoo resume {run.directory}"
            )


def _facts(run: RunRecord, named: set[str]) -> dict[str, dict[str, Any]]:
    """By section and name; ``named`` distributions have a place of their own."""
    config, info, results = run.config, run.info, run.results
    reserved = ("model", "dataset", "preset", "sources", "seed")
    return {
        "run": {
            "task": results["task"],
            **{name: config.get(name) for name in ("model", "dataset", "preset")},
            "seed": results["seed"],
            **{f"selection {name}": results["selection"][name] for name in ("rule", "epoch")},
            "honest epoch": (results.get("honest") or {}).get("epoch", ABSENT),
            **_flat("weights", results.get("weights") or {}),
        },
        "options": {name: value for name, value in config.items() if name not in reserved},
        "versions": {
            "python": info.get("python", ABSENT),
            **(info.get("versions") or {}),
            **{f"evaluator {name}": version for name, version in results["evaluators"].items()},
        },
        "installed": _environment(run, named),
        "code": {
            f"{name} {what}": value
            for name, state in _mapping(info.get("git")).items()
            for what, value in _mapping(state).items()
        },
        "machine": {
            name: info.get(name, ABSENT)
            for name in ("host", "platform", "device", "processes", "compile")
        },
        "data": {
            **_flat("", {k: v for k, v in results["data"].items() if k != "repeat"}),
            **_flat("", results["data"].get("repeat", {})),
            **_flat("", {k: v for k, v in info.get("data", {}).items() if k != "fingerprint"}),
        },
        TIMES: {
            **{
                n: info.get(n, ABSENT) for n in ("started", "seconds", "peak_memory_mb", "data_dir")
            },
            "sessions": 1 + len(info.get("sessions", ())),
        },
    }


def _flat(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings within mappings as ``outer inner``."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix} {name}".strip()
        if isinstance(value, Mapping):
            found.update(_flat(key, value))
        else:
            found[key] = value
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _environment(run: RunRecord, named: set[str]) -> dict[str, str]:
    """``environment.txt``: installed distributions, without those that are named elsewhere."""
    try:
        lines = (run.directory / "environment.txt").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    pairs = (line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))
    return {name: version for name, version in pairs if name not in named}


def _paired(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Fact]:
    for name in dict.fromkeys([*one, *other]):
        fact = Fact(name, one.get(name, ABSENT), other.get(name, ABSENT))
        if fact.one is not ABSENT or fact.other is not ABSENT:
            yield fact


def _with_sources(facts: tuple[Fact, ...], one: RunRecord, other: RunRecord) -> Iterator[Fact]:
    sources = [_mapping(run.config.get("sources")) for run in (one, other)]
    for fact in facts:
        first, second = (str(each.get(fact.name, "")) for each in sources)
        yield Fact(fact.name, fact.one, fact.other, (first, second))


def _metrics(one: RunRecord, other: RunRecord) -> Iterator[MetricPair]:
    owners = _owners(one, other)
    versions = [run.results["evaluators"] for run in (one, other)]
    one_task = one.results["task"] == other.results["task"]
    for honest in (False, True):
        found = [_by_split(run, honest=honest) for run in (one, other)]
        for split in dict.fromkeys([*found[0], *found[1]]):
            both = [each.get(split, {}) for each in found]
            for metric in dict.fromkeys([*both[0], *both[1]]):
                owner, spec = owners.get(metric, ("", None))
                scored = [str(each.get(owner)) for each in versions]
                # A metric that nobody knows may be of any evaluator.
                same = scored[0] == scored[1] if owner else versions[0] == versions[1]
                a, b = (_finite(each.get(metric)) for each in both)
                apart = None if same or not one_task else (scored[0], scored[1])
                yield MetricPair(split, honest, metric, spec, a, b, apart)


def _owners(one: RunRecord, other: RunRecord) -> dict[str, tuple[str, Metric | None]]:
    """The evaluator and the spec of each metric of the installed evaluators."""
    found: dict[str, tuple[str, Metric | None]] = {}
    for task in dict.fromkeys(run.results["task"] for run in (one, other)):
        try:
            entries = registry().evaluators_for(task)
        except MlzooError:
            continue
        for entry in entries:
            found.update({name: (entry.spec.name, m) for name, m in entry.spec.metrics.items()})
    return found


def _by_split(run: RunRecord, *, honest: bool) -> Mapping[str, Mapping[str, float | None]]:
    part = (run.results.get("honest") or {}) if honest else run.results
    found: Mapping[str, Mapping[str, float | None]] = part.get("metrics", {})
    return found


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _warnings(one: RunRecord, other: RunRecord, metrics: tuple[MetricPair, ...]) -> Iterator[str]:
    results = [run.results for run in (one, other)]
    if len({each["data"]["fingerprint"] for each in results}) > 1:
        yield "the runs used different data: differences of metrics say nothing of the models"
    rules = [each["selection"]["rule"] for each in results]
    if rules[0] != rules[1]:
        yield f"the epochs were selected by different rules, {rules[0]} and {rules[1]}"
    versions = [each["evaluators"] for each in results]
    if any(pair.versions for pair in metrics):
        names = dict.fromkeys([*versions[0], *versions[1]])
        told = ", ".join(
            f"{n} {_version(versions[0].get(n))} and {_version(versions[1].get(n))}"
            for n in names
            if versions[0].get(n) != versions[1].get(n)
        )
        yield (
            f"scored by different versions of an evaluator ({told}): these metrics have no difference; "
            "mlzoo rescore RUN brings both to the installed one"
        )


def _version(version: str | None) -> str:
    return f"v{version}" if version else "not at all"
