"""A search for options on validation data: ``mlzoo tune``, and going on with one.

::

    runs/tune/<model>-<dataset>/<time>-s<seed>-<id>/
      tune.json       what is searched and how, status, best trial; config.json: the options in common
      study.journal   Optuna's study; trials.jsonl says the same, a line for each finished trial
      best.json       a config file for mlzoo run
      trials/<number>/  config.json, metrics.jsonl; checkpoints/ while it is trained
      search.png log.txt environment.txt
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Any

from mlzoo.contracts import TaskData
from mlzoo.data.root import data_root
from mlzoo.errors import NonFiniteError, RunError, UsageError
from mlzoo.experiment import DEFAULT_OUT
from mlzoo.files import atomic_write, read_json, write_json
from mlzoo.machine import Machine, accelerator_for
from mlzoo.planning import Plan, make_plan, option_set
from mlzoo.progress import BarProgress, Progress, default_progress, format_values
from mlzoo.registry import registry
from mlzoo.run_directory import (
    RunInfo,
    create,
    locked,
    removed_unless_begun,
    write_environment,
)
from mlzoo.run_schema import Tuning, check_schema
from mlzoo.run_status import keeping_status
from mlzoo.search import validation_of
from mlzoo.session import begun_with, build, open_session
from mlzoo.signals import held_back
from mlzoo.study import Pruner, Row, Sampler, Study, require_optuna
from mlzoo.tuning_space import Space, make_space

if TYPE_CHECKING:
    from mlzoo.trial import Validation

TRIALS = 20
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
class Tuned:
    """What a search found.

    Attributes:
        directory: its folder.
        best: the best trial's options that were searched.
        value: its main metric on val, which is optimistic: it was chosen by it.
        facts: the whole content of ``tune.json``.
        trials: the rows of ``trials.jsonl``.
    """

    directory: Path
    best: Mapping[str, Any]
    value: float
    facts: Mapping[str, Any] = field(repr=False)
    trials: Sequence[Row] = field(repr=False)

    @property
    def config(self) -> Path:
        """A config file with the best options."""
        return self.directory / "best.json"


@dataclass(frozen=True)
class _Search:
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
        return int(self.info.facts["trials"])

    @property
    def higher(self) -> bool:
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


def tune(
    model: str,
    *,
    dataset: str | None = None,
    trials: int = TRIALS,
    search: Mapping[str, str | Sequence[Any]] | None = None,
    sampler: Sampler = "tpe",
    pruner: Pruner = "median",
    timeout: float | None = None,
    preset: str | None = None,
    config: Path | str | None = None,
    device: str = "auto",
    data_dir: Path | str | None = None,
    out: Path | str = DEFAULT_OUT,
    figures: bool = True,
    progress: Progress | None = None,
    **options: Any,
) -> Tuned:
    """Search for the options that give the best main metric on validation data; test is never scored.

    ``model``, ``dataset``, ``preset``, ``config``, ``device``, ``data_dir`` and ``progress`` are those of
    :func:`mlzoo.run`.

    Args:
        trials: how many.
        search: by option of the model, ``"1e-5..1e-2:log"``, ``"1,2,4"`` or a sequence of values. If
            omitted, learning rates, weight decays and dropout around the values in force.
        sampler: ``tpe`` learns from the trials before, ``random`` does not.
        pruner: ``median`` gives up a trial that is worse than half of those before it, ``none`` none.
        timeout: seconds after which no further trial is begun.
        out: the search is kept below ``<out>/tune``.
        figures: draw ``search.png``.
        **options: of all trials; ``seed`` is that of the search, too.

    Raises:
        MlzooError: optuna is not installed.
        UsageError: a wrong name or value, or nothing to select on; nothing was created.
        DataError: data missing or damaged; nothing was created.
        RunError: a trial failed in another way than by a NaN, or no trial was completed.
        Interrupted: stopped; :func:`resume_tuning` goes on.
    """
    version = require_optuna()
    if options.get("select", "val") != "val":
        raise UsageError("options are searched under the rule val alone.", "Leave select out.")
    plan = make_plan(
        model,
        dataset,
        preset=preset,
        config_file=Path(config) if config else None,
        options={**options, "select": "val"},
        data_dir=Path(data_dir) if data_dir else None,
    )
    known = option_set(plan.model_entry, plan.dataset_entry)
    space = make_space(plan, known, search or {}, options)
    _check_limits(trials, timeout)
    _check_word("sampler", sampler, ("tpe", "random"))
    _check_word("pruner", pruner, ("median", "none"))
    machine = Machine(device)
    data = plan.load_data()
    validation = _acceptable(plan, data, machine)
    facts = _facts(plan, data, machine, version)
    directory = create(
        Path(out) / "tune",
        plan.model.name,
        plan.dataset.name,
        plan.options.run.seed,
        folders=("trials",),
    )
    with removed_unless_begun(directory, TuneInfo.file), locked(directory):
        info = TuneInfo(directory)
        write_json(directory / "config.json", plan.config_json())
        write_environment(directory)
        info.update(
            status="running",
            model=plan.model.name,
            dataset=plan.dataset.name,
            trials=trials,
            search={key: domain.text for key, domain in space.items()},
            chosen_by_default=not search,
            sampler=sampler,
            pruner=pruner,
            sessions=[],
            **facts,
        )
        shown = _shown(directory, progress)
        return _go_on(
            _Search(plan, validation, machine, directory, space, info, shown, figures, timeout)
        )


def resume_tuning(
    directory: Path | str,
    *,
    trials: int | None = None,
    timeout: float | None = None,
    device: str | None = None,
    data_dir: Path | str | None = None,
    figures: bool = True,
    progress: Progress | None = None,
) -> Tuned:
    """Go on with a search that was stopped, or give it more trials; a trial that was cut off goes on, too.

    On the same machine it finds what it would have found without the stop.

    Args:
        trials: how many in all; as the search began if omitted.
        device: as the search began if omitted.

    Raises:
        UsageError: it has all its trials.
        RunError: the folder holds no search, it is still running, or its data has changed.
    """
    version = require_optuna()
    directory = Path(directory)
    known = TuneInfo.read(directory).facts
    kept = known.get("data_dir")
    plan = make_plan(
        known["model"],
        known["dataset"],
        config_file=directory / "config.json",
        options={"select": "val"},
        data_dir=Path(data_dir) if data_dir else Path(kept) if kept else None,
    )
    space = make_space(plan, option_set(plan.model_entry, plan.dataset_entry), known["search"], ())
    trials = known["trials"] if trials is None else trials
    _check_limits(trials, timeout)
    machine = Machine(device or known.get("device") or "auto")
    data = plan.load_data()
    if known["data"].get("fingerprint") != data.fingerprint():
        raise RunError(
            f"the data of {plan.dataset.name} is not what {directory} was made with.",
            "Put the former files back (--data-dir), or start a new search.",
        )
    validation = _acceptable(plan, data, machine)
    with locked(directory):
        info = TuneInfo.read(directory)
        shown = _shown(directory, progress)
        search = _Search(plan, validation, machine, directory, space, info, shown, figures, timeout)
        done = len(_study(search).finished)
        if done >= trials:
            raise UsageError(f"{directory} has its {done} trials.", "Say --trials N for more.")
        open_session(info, _facts(plan, data, machine, version), shown)
        info.facts["trials"] = trials
        return _go_on(search)


def _check_limits(trials: int, timeout: float | None) -> None:
    if trials < 1:
        raise UsageError(f"--trials must be at least 1, got {trials}.")
    if timeout is not None and not timeout > 0:
        raise UsageError(f"--timeout must be above 0 seconds, got {timeout}.")


def _check_word(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise UsageError(f"{name} must be {' or '.join(known)}, got {value!r}.")


def _acceptable(plan: Plan, data: TaskData, machine: Machine) -> Validation:
    """What can be refused before there is a folder."""
    from mlzoo.trial import validation_for

    validation = validation_for(plan, data)
    accelerator = accelerator_for(machine, plan.options.run.precision)
    build(plan, validation.data, str(accelerator.device))
    return validation


def _facts(plan: Plan, data: TaskData, machine: Machine, version: str) -> dict[str, Any]:
    facts = begun_with(plan, data, machine, 1)
    own = validation_of(plan, data)
    scored = data if own is None else own
    main = plan.metrics[plan.main_metric]
    return {
        **facts,
        "versions": {**facts["versions"], "optuna": version},
        "seed": plan.options.run.seed,
        "selection": {
            "rule": "val",
            "data": "val split" if own is None else "validation data with their own training set",
            "fingerprint": scored.fingerprint(),
        },
        "limited": plan.options.run.limit is not None,
        "main_metric": plan.main_metric,
        "higher_is_better": main.higher_is_better,
    }


def _shown(directory: Path, progress: Progress | None) -> Progress:
    shown = progress or default_progress()
    shown.log_file = directory / "log.txt"
    return shown


def _study(search: _Search) -> Study:
    facts = search.info.facts
    return Study(
        search.directory,
        search.space,
        higher_is_better=search.higher,
        sampler=facts["sampler"],
        pruner=facts["pruner"],
        seed=search.plan.options.run.seed,
    )


def _go_on(search: _Search) -> Tuned:
    """Make the trials that are left, and keep what was found."""
    plan, info = search.plan, search.info
    told = "; ".join(f"{key}={domain.text}" for key, domain in search.space.items())
    default = (
        " (none was named: rates, decays and dropout)"
        if info.facts.get("chosen_by_default")
        else ""
    )
    with keeping_status(
        info,
        search.directory,
        search.progress,
        what="search",
        go_on=f"mlzoo tune {plan.model.name} --resume",
    ):
        search.progress.message(f"searching {told}{default}")
        study = _study(search)
        began = time.monotonic()
        while len(study.finished) < search.total:
            if search.timeout is not None and time.monotonic() - began >= search.timeout:
                search.progress.message("the time is up: no further trial is begun")
                break
            _one(search, study)
        rows = study.rows()
        best = _best(search, rows)
        if best is None:
            last = next((row["error"] for row in reversed(rows) if row["error"]), "the time was up")
            raise RunError(f"none of {len(rows)} trials was completed: {last}")
        if search.figures:
            _draw(search, rows)
    return Tuned(search.directory, best["options"], best["value"], info.facts, rows)


def _one(search: _Search, study: Study) -> None:
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
    search: _Search, study: Study, trial: Any, number: int, facts: dict[str, Any]
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


def _folder(search: _Search, number: int) -> Path:
    return search.directory / "trials" / f"{number:04d}"


def _best(search: _Search, rows: Sequence[Row]) -> Row | None:
    """The best complete trial, the first of equals. One that was given up has no score."""
    complete = [row for row in rows if row["state"] == "complete"]
    choose = max if search.higher else min
    return choose(complete, key=lambda row: row["value"]) if complete else None


def _keep(search: _Search, rows: Sequence[Row]) -> None:
    """Write ``trials.jsonl``, ``best.json`` and the summary, after every trial."""
    with atomic_write(search.directory / "trials.jsonl") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows).encode())
    states = [row["state"] for row in rows]
    counts = {state: states.count(state) for state in ("complete", "pruned", "failed")}
    best = _best(search, rows)
    if best is not None:
        write_json(search.directory / "best.json", _config_of(search, best))
    search.info.update(counts=counts, best=best)


def _config_of(search: _Search, best: Row) -> dict[str, Any]:
    """A config file that says where each value comes from; seed and limit are left to the runs."""
    config = search.plan_with(best["options"]).config_json()
    common = read_json(search.directory / "config.json")
    config["preset"] = common.get("preset")
    config["sources"] = {**common.get("sources", {}), **dict.fromkeys(search.space, "tuned")}
    for key in OF_A_RUN:
        del config[key]
        config["sources"].pop(key, None)
    return config


def _told(search: _Search, row: Row) -> str:
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


def _draw(search: _Search, rows: Sequence[Row]) -> None:
    main = search.plan.metrics[search.plan.main_metric]
    label = f"val {search.plan.main_metric} {main.unit}".strip()
    try:
        from mlzoo.report.search_figure import search_figure

        figure = search_figure(rows, search.space, label, search.higher)
        with atomic_write(search.directory / "search.png") as file:
            figure.savefig(file, format="png", dpi=150)
    except Exception as error:  # a picture is never worth a search
        search.progress.message(f"search.png was not drawn: {error}")


def command_for(tuned: Tuned, *, seeds: str = "0-4") -> str:
    """The line that judges the best options by runs of their own."""
    facts = tuned.facts
    model = registry().model(facts["model"]).spec
    data = registry().dataset(facts["dataset"], model.task).spec
    words = ["mlzoo", "run", model.name, "--dataset", data.name, "--config", str(tuned.config)]
    if not model.deterministic:
        words += ["--seeds", seeds]
    if not data.embedded and facts["data_dir"] != str(data_root(None).resolve()):
        words += ["--data-dir", facts["data_dir"]]
    return join(words)
