"""The trials of a search for options: made one after the other, and what is kept of them."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlzoo.errors import NonFiniteError, RunError, UsageError
from mlzoo.files import atomic_write, read_json, write_json
from mlzoo.machine import Machine
from mlzoo.planning import Plan, make_plan
from mlzoo.progress import BarProgress, Progress, format_values
from mlzoo.run_directory import RunInfo
from mlzoo.run_schema import Tuning, check_schema
from mlzoo.signals import held_back
from mlzoo.study import Row, Study
from mlzoo.tuning_space import Space

if TYPE_CHECKING:
    from mlzoo.trial import Validation

OF_A_RUN = ("seed", "limit")
"""Options that ``best.json`` leaves to the runs that are made with it."""


class TuneInfo(RunInfo):
    """``tune.json``."""

    file = "tune.json"

    @classmethod
    def read(cls, directory: Path) -> TuneInfo:
        """Of a search that was begun.

        Raises:
            RunError: the folder holds none, or tune.json is damaged.
        """
        info = cls(directory)
        if not info.path.exists():
            raise RunError(f"{directory} is no search for options: it has no {cls.file}.")
        info.facts = read_json(info.path)
        check_schema(Tuning, info.facts, info.path)
        return info


@dataclass(frozen=True)
class Search:
    """A search under way. ``plan`` has the options that all trials share."""

    plan: Plan
    validation: Validation
    machine: Machine
    directory: Path
    space: Space
    info: TuneInfo
    progress: Progress
    figures: bool
    timeout: float | None

    @property
    def total(self) -> int:
        """Trials asked for."""
        return int(self.info.facts["trials"])

    @property
    def higher(self) -> bool:
        """Whether a higher score is better."""
        return self.plan.metrics[self.plan.main_metric].higher_is_better

    def plan_with(self, options: Mapping[str, Any]) -> Plan:
        """The plan of a trial."""
        return make_plan(
            self.plan.model.name,
            self.plan.dataset.name,
            config_file=self.directory / "config.json",
            options=options,
            data_dir=self.plan.data_dir,
        )

    def study(self) -> Study:
        """Optuna's side of it."""
        facts = self.info.facts
        return Study(
            self.directory,
            self.space,
            higher_is_better=self.higher,
            sampler=facts["sampler"],
            pruner=facts["pruner"],
            seed=self.plan.options.run.seed,
        )


def make_trials(search: Search) -> list[Row]:
    """Make the trials that are left or that there is time for, and keep what was found.

    Raises:
        RunError: no trial was completed.
    """
    study = search.study()
    began = time.monotonic()
    while len(study.finished) < search.total:
        if search.timeout is not None and time.monotonic() - began >= search.timeout:
            search.progress.message("the time is up: no further trial is begun")
            break
        _one(search, study)
    rows = study.rows()
    _keep(search, rows)  # for a search that was killed before it had said what it knew
    if best_of(search, rows) is None:
        last = next((row["error"] for row in reversed(rows) if row["error"]), "the time was up")
        raise RunError(f"none of {len(rows)} trials was completed: {last}")
    if search.figures:
        _draw(search, rows)
    return rows


def _one(search: Search, study: Study) -> None:
    """Make the next trial, and keep what came of it."""
    number = len(study.finished) + 1
    with held_back():
        trial = study.ask()
    began = time.monotonic()
    facts: dict[str, Any] = {}
    value = None
    try:
        value = _score(search, study, trial, number, facts)
    except NonFiniteError as error:
        facts["error"] = error.message
    facts["seconds"] = round(time.monotonic() - began, 2)
    with held_back():
        study.end(trial, facts, value)
        shutil.rmtree(_folder(search, number) / "checkpoints", ignore_errors=True)
        rows = study.rows()
        _keep(search, rows)
    search.progress.message(_told(search, rows[-1]))


def _score(
    search: Search, study: Study, trial: Any, number: int, facts: dict[str, Any]
) -> float | None:
    """The trial's score; None if it was given up, or failed with an ``error`` among the facts."""
    from mlzoo.trial import GivenUp, folder_for, train

    should_end = study.watch(trial)

    def tell(epoch: int, value: float, epochs_left: bool) -> None:
        facts["epoch"] = epoch
        if should_end(epoch, value) and epochs_left:
            raise GivenUp

    try:
        plan = search.plan_with(trial.params)
    except UsageError as error:  # each value is admitted, but not together with the others
        facts["error"] = error.message
        return None
    folder = folder_for(_folder(search, number), plan.config_json())
    bar = isinstance(search.progress, BarProgress)
    inner = search.progress if bar else Progress(quiet=True)
    inner.log_file = search.progress.log_file
    try:
        trained = train(
            plan,
            search.validation,
            search.machine,
            folder,
            progress=inner,
            title=f"trial {number}/{search.total}",
            tell=tell,
        )
    except GivenUp:
        return None
    value = trained.metrics[plan.main_metric]
    facts["epoch"] = trained.epoch
    facts["metrics"] = {name: v for name, v in trained.metrics.items() if math.isfinite(v)}
    if not math.isfinite(value):
        facts["error"] = f"{plan.main_metric} of val is {value}"
        return None
    return value


def _folder(search: Search, number: int) -> Path:
    return search.directory / "trials" / f"{number:04d}"


def best_of(search: Search, rows: Sequence[Row]) -> Row | None:
    """The best complete trial, the first of equals. One that was given up has no score."""
    complete = [row for row in rows if row["state"] == "complete"]
    choose = max if search.higher else min
    return choose(complete, key=lambda row: row["value"]) if complete else None


def _keep(search: Search, rows: Sequence[Row]) -> None:
    """Write ``trials.jsonl``, ``best.json`` and the summary, after every trial."""
    with atomic_write(search.directory / "trials.jsonl") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows).encode())
    states = [row["state"] for row in rows]
    counts = {state: states.count(state) for state in ("complete", "pruned", "failed")}
    best = best_of(search, rows)
    if best is not None:
        write_json(search.directory / "best.json", _config_of(search, best))
    search.info.update(counts=counts, best=best)


def _config_of(search: Search, best: Row) -> dict[str, Any]:
    """A config file that says where each value comes from; seed and limit are left to the runs."""
    config = search.plan_with(best["options"]).config_json()
    common = read_json(search.directory / "config.json")
    config["preset"] = common.get("preset")
    config["sources"] = {**common.get("sources", {}), **dict.fromkeys(search.space, "tuned")}
    for key in OF_A_RUN:
        del config[key]
        config["sources"].pop(key, None)
    return config


def _told(search: Search, row: Row) -> str:
    """One line about a trial that ended."""
    name = f"val {search.plan.main_metric}"
    if row["state"] == "complete":
        found = f"{name} {row['value']:.4g} at epoch {row['epoch']}"
    elif row["state"] == "pruned":
        found = f"given up after epoch {row['epoch']}, {name} {row['seen']:.4g} at best"
    else:
        found = f"failed: {row['error']}"
    values = {key: value for key, value in row["options"].items() if isinstance(value, float)}
    others = "".join(f"  {k} {v}" for k, v in row["options"].items() if k not in values)
    options = f"{format_values(values)}{others}".strip()
    number = f"[{row['trial']}/{search.total}]"
    best = search.info.facts["best"]
    mark = "  (best so far)" if best and best["trial"] == row["trial"] else ""
    return f"{number} {options}: {found}{mark}  [{row['seconds']:.0f} s]"


def _draw(search: Search, rows: Sequence[Row]) -> None:
    main = search.plan.metrics[search.plan.main_metric]
    label = f"val {search.plan.main_metric} {main.unit}".strip()
    try:
        from mlzoo.report.search_figure import search_figure

        figure = search_figure(rows, search.space, label, search.higher)
        with atomic_write(search.directory / "search.png") as file:
            figure.savefig(file, format="png", dpi=150)
    except Exception as error:  # a picture is never worth a search
        search.progress.message(f"search.png was not drawn: {error}")
