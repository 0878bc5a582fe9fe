"""One stretch of training: refuse what can be refused, then fit, score and keep everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlzoo.contracts import Model, TaskData
from mlzoo.data.root import data_root
from mlzoo.errors import RunError
from mlzoo.files import write_json
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
from mlzoo.run_status import keeping_status, taking_part
from mlzoo.scoring import results_of, score
from mlzoo.selection import Selector

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
    """

    stop_after: int | None = None
    figures: bool = True
    progress: Progress | None = None
    quiet: bool = False

    def portable(self, *, quiet: bool | None = None) -> Settings:
        """The same for another process, which has a standard error of its own."""
        silent = self.quiet or (self.progress is not None and self.progress.quiet)
        return replace(self, progress=None, quiet=silent if quiet is None else quiet)


@dataclass(frozen=True)
class Ready:
    """Everything a run needs, found acceptable before its folder exists."""

    plan: Plan
    data: TaskData
    model: Model
    accelerator: Accelerator
    selector: Selector
    facts: Mapping[str, Any]


def prepare(plan: Plan, data: TaskData, machine: Machine) -> Ready:
    """Everything that can be refused, and what ``run.json`` will say."""
    better = plan.metrics[plan.main_metric].higher_is_better
    selector = Selector(plan.options.run.select, data.splits, better)
    accelerator = accelerator_for(machine, plan.options.run.precision)
    model = build(plan, data, str(accelerator.device))
    facts = {
        **machine_facts(plan.plugins),
        "device": choose_device(machine.device),
        "processes": accelerator.num_processes,
        "compile": machine.compile,
        "data_dir": str(data_root(plan.data_dir).resolve()),
        "data": {"fingerprint": data.fingerprint(), **data.describe()},
    }
    return Ready(plan, data, model, accelerator, selector, facts)


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


def continued(record: RunRecord, plan: Plan, machine: Machine, settings: Settings) -> Kept:
    """Train on in the folder of an earlier run."""
    data = plan.load_data()
    require_same_data(record, data)
    ready = prepare(plan, data, machine)
    with _by_main(ready.accelerator, locked(record.directory)):
        info = RunInfo.read(record.directory)
        progress = _progress(record.directory, settings)
        on_main(ready.accelerator, lambda: _open_session(info, ready.facts, progress))
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


def _open_session(info: RunInfo, facts: Mapping[str, Any], progress: Progress) -> None:
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
    from mlzoo.runs import Run

    plan, model, data, accelerator = ready.plan, ready.model, ready.data, ready.accelerator
    main = accelerator.is_main_process
    progress = _progress(directory, settings) if main else Progress(quiet=True)
    run = Run(
        directory,
        seed=plan.options.run.seed,
        accelerator=accelerator,
        selector=ready.selector,
        main_metric=plan.main_metric,
        score=lambda m, split: score(plan, m, data, split)[0],
        progress=progress,
        stop_after=settings.stop_after,
    )

    def conclude() -> dict[str, Any]:
        results = results_of(plan, model, data, run)
        write_json(directory / "results.json", results)
        if settings.figures:
            record = RunRecord(directory, data)
            for problem in draw(plan.model_entry, [record], directory / "figures"):
                progress.message(problem)
        return results

    with keeping_status(info, directory, progress) if main else taking_part():
        model.fit(run)
        with run.plain_networks():
            results = run.on_main(conclude)
    return directory, results
