"""One stretch of training: refuse what can be refused, then fit, score and keep everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlzoo.contracts import Model, TaskData
from mlzoo.data.root import data_root
from mlzoo.errors import RunError
from mlzoo.files import write_json
from mlzoo.live_view import EventMirror, mirrored, require_tensorboard
from mlzoo.machine import Machine, accelerator_for, choose_device, on_main
from mlzoo.planning import Plan
from mlzoo.progress import Progress, default_progress
from mlzoo.report.figures import draw
from mlzoo.run_directory import (
    RunInfo,
    RunRecord,
    create,
    locked,
    machine_facts,
    removed_unless_begun,
    write_environment,
)
from mlzoo.run_status import StopRequested, keeping_status, taking_part
from mlzoo.scoring import results_of, score
from mlzoo.search import FOLDER, Choice, choice_of, conclude, search_run, validation_of
from mlzoo.selection import Selector, require_labels

if TYPE_CHECKING:
    from accelerate import Accelerator

    Kept = tuple[Path, Mapping[str, Any]]


@dataclass(frozen=True)
class Settings:
    """What changes nothing in the result.

    Attributes:
        stop_after: leave the run resumable after this many epochs.
        figures: draw the model's figures.
        progress: where to show progress; standard error if omitted.
        quiet: show none.
        tensorboard: write the log as TensorBoard events too.

    Raises:
        MlzooError: tensorboard is wanted and not installed.
    """

    stop_after: int | None = None
    figures: bool = True
    progress: Progress | None = None
    quiet: bool = False
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if self.tensorboard:
            require_tensorboard()

    def portable(self, *, quiet: bool | None = None) -> Settings:
        """The same for another process, which has a standard error of its own."""
        silent = self.quiet or (self.progress is not None and self.progress.quiet)
        return replace(self, progress=None, quiet=silent if quiet is None else quiet)


@dataclass(frozen=True)
class Ready:
    """Everything a run needs, found acceptable before its folder exists.

    ``model`` is the first to be trained: on ``validation``, if the epoch has to be searched there.
    """

    plan: Plan
    data: TaskData
    validation: TaskData | None
    model: Model
    machine: Machine
    accelerator: Accelerator
    facts: Mapping[str, Any]


def prepare(plan: Plan, data: TaskData, machine: Machine) -> Ready:
    """Everything that can be refused, and what ``run.json`` will say."""
    require_labels(plan.options.run.select, getattr(data, "hidden", ()))
    validation = validation_of(plan, data)
    if validation is None:
        _selector(plan, data, None)
    accelerator = accelerator_for(machine, plan.options.run.precision)
    model = build(plan, data if validation is None else validation, str(accelerator.device))
    facts = begun_with(plan, data, machine, accelerator.num_processes)
    return Ready(plan, data, validation, model, machine, accelerator, facts)


def begun_with(plan: Plan, data: TaskData, machine: Machine, processes: int) -> dict[str, Any]:
    """What ``run.json`` says from the beginning."""
    return {
        **machine_facts(plan.plugins),
        "device": choose_device(machine.device),
        "processes": processes,
        "compile": machine.compile,
        "data_dir": str(data_root(plan.data_dir).resolve()),
        "data": {"fingerprint": data.fingerprint(), **data.describe()},
    }


def _selector(plan: Plan, data: TaskData, choice: Choice | None) -> Selector:
    better = plan.metrics[plan.main_metric].higher_is_better
    chosen = choice.epoch if choice else None
    return Selector(plan.options.run.select, data.splits, better, chosen)


def build(plan: Plan, data: TaskData, device: str) -> Model:
    """The model with fresh weights on its device, everything seeded."""
    from mlzoo.rng import seed_everything

    seed_everything(plan.options.run.seed)
    model = plan.build(data)
    move = getattr(model, "to", None)
    if move is not None:
        move(device)
    return model


def require_same_data(record: RunRecord, data: TaskData) -> None:
    """A run goes on, and is scored again, on the data it was made with.

    Raises:
        RunError: the data have changed.
    """
    if record.info.get("data", {}).get("fingerprint") not in (None, data.fingerprint()):
        raise RunError(
            f"the data of {record.config['dataset']} is not what {record.directory} was made with.",
            "Put the former files back (--data-dir), or start a new run.",
        )


def started(ready: Ready, out: Path, settings: Settings) -> Kept:
    """Make the folder of a new run and train in it."""
    plan, accelerator = ready.plan, ready.accelerator
    names = (plan.model.name, plan.dataset.name, plan.options.run.seed)
    directory = on_main(accelerator, lambda: create(out, *names))
    gone_if_not_begun = removed_unless_begun(directory)
    with _by_main(accelerator, gone_if_not_begun), _by_main(accelerator, locked(directory)):
        info = RunInfo(directory)

        def begin() -> None:
            write_json(directory / "config.json", plan.config_json())
            write_environment(directory)
            info.update(status="running", sessions=[], **ready.facts)  # from here on it is a run

        on_main(accelerator, begin)
        return _train(ready, directory, info, settings)


def continued(
    record: RunRecord,
    plan: Plan,
    machine: Machine,
    settings: Settings,
    data: TaskData | None = None,
) -> Kept:
    """Train on in the folder of an earlier run; ``data`` spares loading them."""
    data = plan.load_data() if data is None else data
    require_same_data(record, data)
    ready = prepare(plan, data, machine)
    with _by_main(ready.accelerator, locked(record.directory)):
        info = RunInfo.read(record.directory)
        progress = _progress(record.directory, settings)
        on_main(ready.accelerator, lambda: open_session(info, ready.facts, progress))
        return _train(ready, record.directory, info, settings)


@contextmanager
def _by_main(accelerator: Accelerator, context: AbstractContextManager[None]) -> Iterator[None]:
    """A context that the main process enters for all of them."""
    with ExitStack() as entered:
        on_main(accelerator, lambda: entered.enter_context(context))
        yield


def _progress(directory: Path, settings: Settings) -> Progress:
    shown = settings.progress or default_progress(settings.quiet)
    shown.log_file = directory / "log.txt"
    return shown


def open_session(info: RunInfo, facts: Mapping[str, Any], progress: Progress) -> None:
    """Keep what the part of the run so far was made with; say so if it changes now."""
    kept = ("argv", "host", "versions", "git", "device", "processes", "compile", "finished")
    former = {name: info.facts.get(name) for name in kept}
    changed = [
        f"{name} {version} -> {facts['versions'].get(name)}"
        for name, version in (former["versions"] or {}).items()
        if facts["versions"].get(name) != version
    ]
    changed += [
        f"{name} {former[name]} -> {facts[name]}"
        for name in ("device", "compile")
        if former[name] != facts[name]
    ]
    if changed:
        progress.message(f"resumed differently, equality is not promised: {'; '.join(changed)}")
    info.update(sessions=[*info.facts.get("sessions", []), former], **facts)


def _train(ready: Ready, directory: Path, info: RunInfo, settings: Settings) -> Kept:
    main = ready.accelerator.is_main_process
    progress = _progress(directory, settings) if main else Progress(quiet=True)
    settings = replace(settings, progress=progress)
    with keeping_status(info, directory, progress) if main else taking_part():
        if ready.validation is None:
            results = _fit_and_score(ready, directory, settings, None)
        else:
            choice, settings = _search(ready, ready.validation, directory, settings)
            results = _fit_and_score(_afresh(ready), directory, settings, choice)
    return directory, results


def _search(
    ready: Ready, validation: TaskData, directory: Path, settings: Settings
) -> tuple[Choice, Settings]:
    """The epoch that validation chooses, and what is left of ``stop_after``."""
    plan, accelerator, progress = ready.plan, ready.accelerator, settings.progress
    assert progress is not None
    known = on_main(accelerator, lambda: choice_of(directory))
    if known is not None:
        return known, settings
    left = settings.stop_after
    with _live_view(ready, directory / FOLDER, settings, ["val"]) as mirror:
        run = search_run(
            plan,
            validation,
            directory,
            accelerator=accelerator,
            progress=progress,
            stop_after=left,
            mirror=mirror,
        )
        ready.model.fit(run)
    with run.plain_networks():
        choice = run.on_main(lambda: conclude(plan, ready.model, validation, run, directory))
    progress.message(
        f"validation chooses epoch {choice.epoch} "
        f"({plan.main_metric} {choice.metrics['val'][plan.main_metric]:.4g}): training on all data"
    )
    if left is not None and run.epochs_done >= left:
        raise StopRequested(f"stopped after {left} epochs, as asked")
    return choice, replace(settings, stop_after=left and left - run.epochs_done)


def _afresh(ready: Ready) -> Ready:
    """For the training after a search, as if there had been none."""
    accelerator = accelerator_for(ready.machine, ready.plan.options.run.precision)
    model = build(ready.plan, ready.data, str(accelerator.device))
    return replace(ready, model=model, accelerator=accelerator)


def _fit_and_score(
    ready: Ready, directory: Path, settings: Settings, choice: Choice | None
) -> dict[str, Any]:
    from mlzoo.runs import Run

    plan, model, data = ready.plan, ready.model, ready.data
    progress = settings.progress
    assert progress is not None

    def conclude_run() -> dict[str, Any]:
        results = results_of(plan, model, data, run, choice.metrics if choice else None)
        write_json(directory / "results.json", results)
        if settings.figures:
            record = RunRecord(directory, data)
            for problem in draw(plan.model_entry, [record], directory / "figures"):
                progress.message(problem)
        return results

    selector = _selector(plan, data, choice)
    with _live_view(ready, directory, settings, selector.scored) as mirror:
        run = Run(
            directory,
            seed=plan.options.run.seed,
            accelerator=ready.accelerator,
            selector=selector,
            main_metric=plan.main_metric,
            score=lambda m, split: score(plan, m, data, split)[0],
            progress=progress,
            stop_after=settings.stop_after,
            mirror=mirror,
        )
        model.fit(run)
    with run.plain_networks():
        return run.on_main(conclude_run)


def _live_view(
    ready: Ready, directory: Path, settings: Settings, scored: Sequence[str]
) -> AbstractContextManager[EventMirror | None]:
    """The events of a log in ``directory``, if they are wanted; written by the main process alone."""
    plan, progress = ready.plan, settings.progress
    assert progress is not None
    tags = [f"{split}/{plan.main_metric}" for split in scored]
    wanted = settings.tensorboard and ready.accelerator.is_main_process
    return mirrored(wanted, directory, plan.config_json(), tags, progress.message)
