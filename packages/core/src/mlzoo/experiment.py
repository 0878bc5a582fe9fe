"""Glue of dataset, model and evaluators: run, resume, evaluate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from mlzoo.contracts import Model, TaskData
from mlzoo.data.root import data_root
from mlzoo.errors import RunError, UsageError
from mlzoo.files import write_json
from mlzoo.planning import Plan, load, make_plan, plan_of
from mlzoo.progress import Progress, default_progress
from mlzoo.registry import registry
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
from mlzoo.run_status import Interrupted, keeping_status
from mlzoo.scoring import load_best, results_of, score, score_all
from mlzoo.selection import Selector

DEFAULT_OUT = Path("runs")


@dataclass(frozen=True)
class Result:
    """What a finished run found.

    Attributes:
        directory: the run's folder.
        metrics: by split (``test``, ``test@running``, ...) and metric, in the metric's unit.
        results: the whole content of ``results.json``.
    """

    directory: Path
    metrics: Mapping[str, Mapping[str, float]]
    results: Mapping[str, Any] = field(repr=False)


def run(
    model: str,
    *,
    dataset: str | None = None,
    preset: str | None = None,
    config: Path | str | None = None,
    device: str = "auto",
    data_dir: Path | str | None = None,
    out: Path | str = DEFAULT_OUT,
    stop_after: int | None = None,
    figures: bool = True,
    progress: Progress | None = None,
    **options: Any,
) -> Result:
    """Train a model, score it and keep everything in a run directory.

    Args:
        model: a name that ``mlzoo list models`` shows.
        dataset: a dataset of its task; the model's embedded default if omitted.
        preset: a variant of the model's preset, e.g. ``"smoke"``.
        config: a file of options (.json, .toml, .yaml); a run's ``config.json`` is one.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        data_dir: the data root; ``MLZOO_DATA`` or the user's data folder if omitted.
        out: where run directories are made.
        stop_after: leave the run resumable after this many epochs.
        figures: draw the model's figures.
        progress: where to show progress; standard error if omitted.
        **options: the run's (``seed``, ``select``, ``limit``), the model's and the dataset's.

    Raises:
        UsageError: a wrong name or value; nothing was created.
        DataError: data missing or damaged; nothing was created.
        RunError: training failed; the run directory says why.
    """
    plan = make_plan(
        model,
        dataset,
        preset=preset,
        config_file=Path(config) if config else None,
        options=options,
        data_dir=Path(data_dir) if data_dir else None,
    )
    return execute(
        plan,
        out=Path(out),
        device=device,
        stop_after=stop_after,
        figures=figures,
        progress=progress,
    )


def execute(
    plan: Plan,
    *,
    out: Path,
    device: str = "auto",
    stop_after: int | None = None,
    figures: bool = True,
    progress: Progress | None = None,
    data: TaskData | None = None,
) -> Result:
    """Start a new run of a plan. Everything that can be refused is refused before its folder exists.

    ``data`` spares loading what runs of several seeds share; it must be the plan's own.
    """
    ready = _prepare(plan, plan.load_data() if data is None else data, device)
    directory = create(out, plan.model.name, plan.dataset.name, plan.options.run.seed)
    info = RunInfo(directory)
    with removed_unless_begun(directory), locked(directory):
        write_json(directory / "config.json", plan.config_json())
        write_environment(directory)
        info.update(status="running", sessions=[], **ready.facts)  # from here on it is a run
        settings = _settings(directory, stop_after, figures, progress)
        return _train(ready, directory, info, settings)


def resume(
    directory: Path | str,
    *,
    device: str | None = None,
    data_dir: Path | str | None = None,
    stop_after: int | None = None,
    figures: bool = True,
    progress: Progress | None = None,
) -> Result:
    """Go on with an interrupted run, exactly where its last whole epoch ended.

    Raises:
        RunError: the run is done, still running, or its data has changed.
    """
    record = RunRecord(Path(directory))
    info = RunInfo.read(record.directory)
    if info.facts.get("status") == "done":
        fix = f"Look at it with: mlzoo report {quote(str(directory))}"
        raise UsageError(f"{directory} is done.", fix)
    with locked(record.directory):
        plan = plan_of(record, Path(data_dir) if data_dir else None)
        data = plan.load_data()
        _require_same_data(record, data)
        ready = _prepare(plan, data, device or info.facts.get("device", "auto"))
        settings = _settings(record.directory, stop_after, figures, progress)
        _open_session(info, ready.facts, settings.progress)
        return _train(ready, record.directory, info, settings)


def evaluate(
    directory: Path | str,
    *,
    dataset: str | None = None,
    evaluator: str | None = None,
    select: str = "best",
    device: str = "auto",
    data_dir: Path | str | None = None,
) -> dict[str, dict[str, float]]:
    """Score a finished run again from its checkpoint: by split and metric.

    Without ``dataset`` the metrics equal those of ``results.json``.

    Args:
        directory: the run.
        dataset: another dataset of the same task.
        evaluator: only this evaluator's metrics.
        select: ``best`` (the checkpoint that was scored) or ``last`` (the last epoch).
    """
    from mlzoo.rng import preserved_rng

    record = RunRecord(Path(directory))
    plan = plan_of(record, Path(data_dir) if data_dir else None)
    if record.info.get("status") != "done":
        fix = f"Finish it first: mlzoo resume {quote(str(directory))}"
        raise RunError(f"{directory} is not done, so there is nothing to repeat.", fix)
    only = {registry().evaluator(evaluator, plan.model.task).spec.name} if evaluator else None
    with preserved_rng():  # the caller's random streams are no business of a score
        data = plan.load_data()
        _require_same_data(record, data)
        model, _ = _build(plan, data, device)
        load_best(model, record.directory, select)
        if dataset is not None and dataset != plan.dataset.name:
            plan = plan.with_dataset(dataset)
            data, trained = plan.load_data(), model.state_dict()
            model, _ = _build(plan, data, device)
            model.load_state_dict(trained)
        scored = score_all(plan, model, data, only=only)
    return {split: metrics for split, (metrics, _) in scored.items()}


def load_dataset(
    name: str, *, data_dir: Path | str | None = None, task: str | None = None, **options: Any
) -> TaskData:
    """A dataset's task data, ready for a model of one's own.

    Raises:
        UsageError: unknown name or option.
        DataError: files are missing or damaged.
    """
    from mlzoo.config import Config, Layer, OptionSet
    from mlzoo.planning import dataset_config

    entry = registry().dataset(name, task)
    cls = dataset_config(entry)
    resolved = OptionSet(Config, cls).resolve([Layer("option", options)])
    root = Path(data_dir) if data_dir else None
    return load(entry, root, resolved.dataset, resolved.run.limit)


def choose_device(name: str) -> str:
    """``auto`` is the first accelerator there is, else the CPU.

    Raises:
        UsageError: no such kind of device, or this machine has none.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise UsageError(f"device {name!r} is not one of auto, cpu, cuda, cuda:N.")
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"device {name!r} cannot be used: {reason}", "Try --device cpu."
        ) from error
    return name


@dataclass(frozen=True)
class _Ready:
    """Everything a run needs, found acceptable before its folder exists."""

    plan: Plan
    data: TaskData
    model: Model
    device: str
    selector: Selector
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class _Settings:
    """What changes nothing in the result."""

    stop_after: int | None
    figures: bool
    progress: Progress


def _settings(
    directory: Path, stop_after: int | None, figures: bool, progress: Progress | None
) -> _Settings:
    shown = progress or default_progress()
    shown.log_file = directory / "log.txt"
    return _Settings(stop_after, figures, shown)


def _prepare(plan: Plan, data: TaskData, device: str) -> _Ready:
    """Everything that can be refused, and what ``run.json`` will say."""
    better = plan.metrics[plan.main_metric].higher_is_better
    selector = Selector(plan.options.run.select, data.splits, better)
    model, chosen = _build(plan, data, device)
    facts = {
        **machine_facts(plan.plugins),
        "device": chosen,
        "data_dir": str(data_root(plan.data_dir).resolve()),
        "data": {"fingerprint": data.fingerprint(), **data.describe()},
    }
    return _Ready(plan, data, model, chosen, selector, facts)


def _build(plan: Plan, data: TaskData, device: str) -> tuple[Model, str]:
    """The model with fresh weights on its device, everything seeded."""
    from mlzoo.rng import seed_everything

    chosen = choose_device(device)
    seed_everything(plan.options.run.seed)
    model = plan.build(data)
    move = getattr(model, "to", None)
    if move is not None:
        move(chosen)
    return model, chosen


def _require_same_data(record: RunRecord, data: TaskData) -> None:
    """A run goes on, and is scored again, on the data it was made with."""
    if record.info.get("data", {}).get("fingerprint") not in (None, data.fingerprint()):
        raise RunError(
            f"the data of {record.config['dataset']} is not what {record.directory} was made with.",
            "Put the former files back (--data-dir), or start a new run.",
        )


def _open_session(info: RunInfo, facts: Mapping[str, Any], progress: Progress) -> None:
    """Keep what the part of the run so far was made with; say so if it changes now."""
    former = {
        k: info.facts.get(k) for k in ("argv", "host", "versions", "git", "device", "finished")
    }
    changed = [
        f"{name} {version} -> {facts['versions'].get(name)}"
        for name, version in (former["versions"] or {}).items()
        if facts["versions"].get(name) != version
    ]
    if changed:
        progress.message(
            f"resumed with other versions, equality is not promised: {'; '.join(changed)}"
        )
    info.update(sessions=[*info.facts.get("sessions", []), former], **facts)


def _train(ready: _Ready, directory: Path, info: RunInfo, settings: _Settings) -> Result:
    import torch

    from mlzoo.runs import Run

    plan, model, data, progress = ready.plan, ready.model, ready.data, settings.progress
    run_ = Run(
        directory,
        seed=plan.options.run.seed,
        device=torch.device(ready.device),
        selector=ready.selector,
        main_metric=plan.main_metric,
        score=lambda m, split: score(plan, m, data, split)[0],
        progress=progress,
        stop_after=settings.stop_after,
    )
    with keeping_status(info, directory, progress):
        model.fit(run_)
        results = results_of(plan, model, data, run_)
        write_json(directory / "results.json", results)
        if settings.figures:
            record = RunRecord(directory, data)
            for problem in draw(plan.model_entry, [record], directory / "figures"):
                progress.message(problem)
    return Result(directory, results["metrics"], results)


__all__ = ["Interrupted", "Result", "evaluate", "execute", "load_dataset", "resume", "run"]
