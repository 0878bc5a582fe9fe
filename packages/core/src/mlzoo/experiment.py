"""Glue of dataset, model and evaluators: run, resume, evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlzoo.contracts import Model, TaskData
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
    is_alive,
    machine_facts,
    write_environment,
)
from mlzoo.run_status import Interrupted, keeping_status
from mlzoo.scoring import load_best, results_of, score, score_all

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
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
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
    data = plan.load_data() if data is None else data
    prepared = _prepare(plan, data, device)
    directory = create(out, plan.model.name, plan.dataset.name, plan.options.run.seed)
    write_json(directory / "config.json", plan.config_json())
    write_environment(directory)
    info = RunInfo(directory)
    return _train(plan, data, prepared, directory, info, stop_after, figures, progress)


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
        raise UsageError(f"{directory} is done.", f"Look at it with: mlzoo report {directory}")
    if is_alive(info.facts):
        raise RunError(f"{directory} is still running, as process {info.facts['pid']}.")
    plan = plan_of(record, Path(data_dir) if data_dir else None)
    data = plan.load_data()
    expected = info.facts.get("data", {}).get("fingerprint")
    if expected not in (None, data.fingerprint()):
        raise RunError(
            f"the data of {plan.dataset.name} is not what {directory} was started with.",
            "Put the former files back, or start a new run.",
        )
    prepared = _prepare(plan, data, device or info.facts.get("device", "auto"))
    return _train(plan, data, prepared, record.directory, info, stop_after, figures, progress)


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
    record = RunRecord(Path(directory))
    plan = plan_of(record, Path(data_dir) if data_dir else None)
    names = {evaluator} if evaluator else {spec.name for spec in plan.evaluators}
    if evaluator:
        registry().evaluator(evaluator, plan.model.task)
    data = plan.load_data()
    model, _ = _prepare(plan, data, device)
    load_best(model, record.directory, select)
    if dataset is not None and dataset != plan.dataset.name:
        plan = plan.with_dataset(dataset)
        data = plan.load_data()
        trained, (model, _) = model.state_dict(), _prepare(plan, data, device)
        model.load_state_dict(trained)
    scored = score_all(plan, model, data, only=names)
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
        UsageError: the device does not exist on this machine.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=torch.device(name))
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"device {name!r} cannot be used: {reason}", "Try --device cpu."
        ) from error
    return name


def _prepare(plan: Plan, data: TaskData, device: str) -> tuple[Model, str]:
    """Seed, build the model, move it."""
    from mlzoo.rng import seed_everything

    chosen = choose_device(device)
    seed_everything(plan.options.run.seed)
    model = plan.build(data)
    move = getattr(model, "to", None)
    if move is not None:
        move(chosen)
    return model, chosen


def _train(
    plan: Plan,
    data: TaskData,
    prepared: tuple[Model, str],
    directory: Path,
    info: RunInfo,
    stop_after: int | None,
    figures: bool,
    progress: Progress | None,
) -> Result:
    import torch

    from mlzoo.runs import Run
    from mlzoo.selection import Selector

    model, device = prepared
    progress = progress or default_progress()
    progress.log_file = directory / "log.txt"
    main = plan.main_metric
    selector = Selector(plan.options.run.select, data.splits, plan.metrics[main].higher_is_better)
    run_ = Run(
        directory,
        seed=plan.options.run.seed,
        device=torch.device(device),
        selector=selector,
        main_metric=main,
        score=lambda m, split: score(plan, m, data, split)[0],
        progress=progress,
        stop_after=stop_after,
    )
    info.update(
        **machine_facts(["mlzoo-core", "numpy", "torch", *(p.distribution for p in plan.plugins)]),
        device=device,
        data_dir=str(plan.data_dir.resolve()) if plan.data_dir else None,
        data={"fingerprint": data.fingerprint(), **data.describe()},
    )
    with keeping_status(info, directory, progress):
        model.fit(run_)
        results = results_of(plan, model, data, run_)
        write_json(directory / "results.json", results)
        if figures:
            record = RunRecord(directory, data)
            for problem in draw(plan.model_entry, [record], directory / "figures"):
                progress.message(problem)
    return Result(directory, results["metrics"], results)


__all__ = ["Interrupted", "Result", "evaluate", "execute", "load_dataset", "resume", "run"]
