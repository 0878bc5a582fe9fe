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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Any

from mlzoo.contracts import TaskData
from mlzoo.data.root import data_root
from mlzoo.errors import RunError, UsageError
from mlzoo.experiment import DEFAULT_OUT
from mlzoo.files import write_json
from mlzoo.machine import Machine, accelerator_for
from mlzoo.planning import Plan, make_plan, option_set
from mlzoo.progress import Progress, default_progress
from mlzoo.registry import registry
from mlzoo.run_directory import create, locked, removed_unless_begun, write_environment
from mlzoo.run_status import keeping_status
from mlzoo.search import validation_of
from mlzoo.session import begun_with, build, open_session
from mlzoo.study import Pruner, Row, Sampler, require_optuna
from mlzoo.tuning_space import make_space
from mlzoo.tuning_trials import Search, TuneInfo, make_trials

if TYPE_CHECKING:
    from mlzoo.trial import Validation

TRIALS = 20


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
            Search(plan, validation, machine, directory, space, info, shown, figures, timeout)
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
        search = Search(plan, validation, machine, directory, space, info, shown, figures, timeout)
        done = len(search.study().finished)
        if done >= trials and info.facts.get("status") == "done":
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


def _go_on(search: Search) -> Tuned:
    """Make the trials that are left, in a folder whose ``tune.json`` stays true meanwhile."""
    plan, info = search.plan, search.info
    told = "; ".join(f"{key}={domain.text}" for key, domain in search.space.items())
    by_default = info.facts.get("chosen_by_default")
    note = " (none was named: rates, decays and dropout)" if by_default else ""
    with keeping_status(
        info,
        search.directory,
        search.progress,
        what="search",
        go_on=f"mlzoo tune {plan.model.name} --resume",
    ):
        search.progress.message(f"searching {told}{note}")
        rows = make_trials(search)
    best = info.facts["best"]
    return Tuned(search.directory, best["options"], best["value"], info.facts, rows)


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
