"""Metrics of a finished run, computed again from its stored predictions: no checkpoint, no model.

The data must be those of the run. What follows from the metrics is made anew with them: references, verdicts,
selection inflation, tables. What changed is kept in ``results.json`` as ``rescored``, a list with the time,
the evaluators' versions before and after, and the former values. The epoch stays the selected one.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from shlex import quote
from typing import Any

from mlzoo.contracts import TaskData
from mlzoo.errors import MlzooError, RunError
from mlzoo.files import json_text, write_json
from mlzoo.planning import Plan, plan_of
from mlzoo.prediction import write_text
from mlzoo.registry import registry
from mlzoo.rescored import Change, Rescored, changes_of, former_of, metrics_of, other_verdicts
from mlzoo.run_directory import RunRecord, finished_run, locked, predictions_file
from mlzoo.scoring import inflation, score_predictions, verdicts
from mlzoo.session import require_same_data
from mlzoo.tables import FOLDER, table_file, table_texts

Metrics = dict[str, dict[str, float]]


@dataclass
class _Work:
    """A run and what is computed of it."""

    record: RunRecord
    plan: Plan
    data: TaskData
    only: Collection[str]
    tables: dict[Path, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether every evaluator that scored the run is asked, and every one that is installed."""
        known = {spec.name for spec in self.plan.evaluators} | {*self.record.results["evaluators"]}
        return known <= {*self.only}


def rescore(
    directory: Path | str,
    *,
    evaluator: str | None = None,
    data_dir: Path | str | None = None,
    dry_run: bool = False,
) -> Rescored:
    """Score a finished run's stored predictions with the installed evaluators, and keep the result.

    Where nothing changes nothing is written.

    Args:
        directory: the run.
        evaluator: only this one's metrics and tables; those of the others stay with their versions.
        data_dir: where the run's data now lies.
        dry_run: write nothing.

    Raises:
        RunError: the run is not done, its data has changed, predictions were not kept, or it was scored by an
            evaluator that is not installed. Nothing was written: one file never mixes versions of a metric.
        DataError: data or stored predictions are missing or damaged.
        UsageError: no such evaluator.
        PluginError: an evaluator fails.
    """
    ((_, found),) = rescore_each(
        [Path(directory)], evaluator=evaluator, data_dir=data_dir, dry_run=dry_run
    )
    if isinstance(found, MlzooError):
        raise found
    return found


def rescore_each(
    directories: Sequence[Path],
    *,
    evaluator: str | None = None,
    data_dir: Path | str | None = None,
    dry_run: bool = False,
) -> Iterator[tuple[Path, Rescored | MlzooError]]:
    """:func:`rescore` of several runs, with the failure in place of a result; neighbours on the same data
    share it."""
    root = Path(data_dir) if data_dir else None
    loaded: tuple[Plan, TaskData] | None = None
    for directory in directories:
        try:
            record = finished_run(directory)
            plan = plan_of(record, root)
            only = _asked(record, plan, evaluator)
            _require_predictions(record)
            if loaded is None or not _same_data(loaded[0], plan):
                loaded = None  # before the next is loaded
                loaded = plan, plan.load_data()
            work = _Work(record, plan, loaded[1], only)
            yield directory, _rescored(work, dry_run)
        except MlzooError as error:
            yield directory, error


def _same_data(one: Plan, other: Plan) -> bool:
    asked = [(p.dataset, p.options.dataset, p.options.run.limit, p.data_dir) for p in (one, other)]
    return asked[0] == asked[1]


def _asked(record: RunRecord, plan: Plan, evaluator: str | None) -> Collection[str]:
    """The names of the evaluators to ask."""
    if not record.results:
        raise RunError(f"{record.directory} is not done: it has no results.json.")
    if evaluator is not None:
        return {registry().evaluator(evaluator, plan.model.task).spec.name}
    installed = {spec.name for spec in plan.evaluators}
    if gone := sorted(set(record.results["evaluators"]) - installed):
        raise RunError(
            f"{record.directory} was scored by {', '.join(gone)}, too, which is not installed.",
            f"Install it, or name one that is: --evaluator {min(installed)}",
        )
    return installed


def _require_predictions(record: RunRecord) -> None:
    """All that is needed was kept, for else some metrics would stay of another version."""
    run_again = (
        f"Run it again: mlzoo run {record.results['model']} "
        f"--config {quote(str(record.directory / 'config.json'))}"
    )
    for honest in (False, True):
        for split in metrics_of(record.results, honest=honest):
            path = predictions_file(record.directory, split, honest=honest)
            if not path.is_file():
                weights = "of the weights selected on val, " if honest else ""
                raise RunError(
                    f"{record.directory} keeps no predictions of {split} {weights}so that its metrics "
                    "would be of two versions: nothing is changed.",
                    run_again,
                )


def _rescored(work: _Work, dry_run: bool) -> Rescored:
    from mlzoo.rng import preserved_rng

    record, old = work.record, work.record.results
    require_same_data(record, work.data)
    if old["data"]["fingerprint"] != work.data.fingerprint():
        raise RunError(f"{record.directory / 'results.json'} is of other data than the run.")
    with preserved_rng():  # the caller's random streams are no business of a score
        new = _results(work)
    changes = changes_of(old, new)
    recorded = old["evaluators"]
    versions = {name: (recorded.get(name), new["evaluators"][name]) for name in sorted(work.only)}
    if changes and all(before == now for before, now in versions.values()):
        most = max((abs(c.difference) for c in changes if c.difference is not None), default=0.0)
        work.warnings.append(
            f"{len(changes)} metrics differ by {most:.3g} at most, though the evaluators' versions are the "
            "same: the machine, a library or an evaluator has changed"
        )
    stale = _stale_tables(work)
    tables = [p.name for p, text in work.tables.items() if _text_of(p) != text]
    results_differ = json.loads(json_text(new)) != old
    if results_differ:
        new["rescored"] = [*old.get("rescored", ()), _history(work, versions, changes)]
    if not dry_run and (results_differ or tables or stale):
        _write(work, new if results_differ else None, tables, stale)
    return Rescored(
        record.directory,
        new,
        versions,
        changes,
        other_verdicts(old, new),
        [*tables, *(path.name for path in stale)],
        work.warnings,
        bool(results_differ or tables or stale),
    )


def _results(work: _Work) -> dict[str, Any]:
    """``results.json`` with the metrics of the evaluators that are asked, and all that follows."""
    old, plan = work.record.results, work.plan
    new = {**old, "metrics": _scored(work, honest=False)}
    versions = {spec.name: spec.version for spec in plan.evaluators if spec.name in work.only}
    new["evaluators"] = versions if work.whole else {**old["evaluators"], **versions}
    if any(plan.main_metric in metrics for metrics in new["metrics"].values()):
        new["main_metric"] = plan.main_metric
    found = {name: dict(values) for name, values in work.data.references().items()}
    mine = _metrics_asked(work)
    if not work.whole:
        kept = {name: v for name, v in old["references"].items() if name not in mine}
        found = {**kept, **{name: v for name, v in found.items() if name in mine}}
    new["references"] = found
    if old.get("honest"):
        honest = _scored(work, honest=True)
        added = inflation(new["metrics"], honest)
        new["honest"] = {**old["honest"], "metrics": honest, "selection_inflation": added}
    new["published"] = verdicts(plan, new)
    return new


def _metrics_asked(work: _Work) -> set[str]:
    specs = [spec for spec in work.plan.evaluators if spec.name in work.only]
    return {metric for spec in specs for metric in spec.metrics}


def _scored(work: _Work, *, honest: bool) -> Metrics:
    """The metrics by split; tables are made beside them."""
    found = {}
    for split, old in metrics_of(work.record.results, honest=honest).items():
        predictions = work.record.predictions(split, honest=honest)
        data = _data_of(split, work)
        metrics = score_predictions(work.plan, predictions, data, work.only)
        found[split] = metrics if work.whole else _beside(old, metrics, work)
        if not honest:
            entries = work.plan.evaluator_entries
            texts, problems = table_texts(entries, split, predictions, data, work.only)
            directory = work.record.directory
            work.tables |= {table_file(directory, split, n): text for n, text in texts.items()}
            work.warnings += problems
    return found


def _data_of(split: str, work: _Work) -> TaskData:
    """What the split's predictions were made on: val may have data of its own (``TaskData.validation``)."""
    name = split.partition("@")[0]
    if name in work.data.splits:
        return work.data
    validation: TaskData | None = getattr(work.data, "validation", None)
    if name == "val" and validation is not None:
        return validation
    raise RunError(f"the data of {work.plan.dataset.name} has no split {name!r}.")


def _beside(
    old: Mapping[str, float | None], new: Mapping[str, float], work: _Work
) -> dict[str, float]:
    """New metrics of some evaluators among the kept ones of the others, in the order they had.

    A metric that no installed evaluator has is kept only where it may be another evaluator's.
    """
    others = [spec for spec in work.plan.evaluators if spec.name not in work.only]
    theirs = {metric for spec in others for metric in spec.metrics}
    versions = {spec.name: spec.version for spec in others}
    recorded = {n: v for n, v in work.record.results["evaluators"].items() if n not in work.only}
    in_doubt = any(versions.get(name) != v for name, v in recorded.items())
    found: dict[str, float] = {}
    for metric, value in old.items():
        if metric in new:
            found[metric] = new[metric]
        elif metric in theirs or in_doubt:
            found[metric] = math.nan if value is None else value
    return {**found, **new}


def _history(
    work: _Work, versions: Mapping[str, tuple[str | None, str]], changes: Sequence[Change]
) -> dict[str, Any]:
    """What ``results.json`` keeps of what it was."""
    plugins = {
        entry.plugin for entry in work.plan.evaluator_entries if entry.spec.name in work.only
    }
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "evaluators": {n: {"from": before, "to": now} for n, (before, now) in versions.items()},
        "plugins": {
            p.distribution: p.version for p in sorted(plugins, key=lambda p: p.distribution)
        },
        "mlzoo-core": version("mlzoo-core"),
        "former": former_of(changes),
    }


def _stale_tables(work: _Work) -> list[Path]:
    """Tables that the evaluators asked made once and make no more."""
    directory = work.record.directory
    owners: dict[str, str] = {}
    for spec in work.plan.evaluators:
        for name in spec.tables:
            owners.setdefault(name, spec.name)
    splits = work.record.results["metrics"]
    found = {
        table_file(directory, split, name)
        for split in splits
        for name, owner in owners.items()
        if owner in work.only
    }
    if work.whole:
        found |= {p for split in splits for p in (directory / FOLDER).glob(f"{split}-*.csv")}
    return sorted(path for path in found - set(work.tables) if path.is_file())


def _text_of(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except (OSError, ValueError):
        return None


def _write(
    work: _Work, results: Mapping[str, Any] | None, tables: Collection[str], stale: Sequence[Path]
) -> None:
    """Tables first: until ``results.json`` says so, the run was not scored again."""
    directory = work.record.directory
    with locked(directory):
        for path, text in work.tables.items():
            if path.name in tables:
                path.parent.mkdir(exist_ok=True)
                write_text(path, text)
        for path in stale:
            path.unlink(missing_ok=True)
        if results is not None:
            write_json(directory / "results.json", results)
