"""Glue of dataset, model and evaluators: run, resume, evaluate, predict, import weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from mlzoo.config import Config, Layer, OptionSet
from mlzoo.contracts import Model, TaskData
from mlzoo.errors import DataError, MlzooError, PluginError, UsageError
from mlzoo.importing import imported
from mlzoo.job import process_count
from mlzoo.launch import launch
from mlzoo.live_view import was_begun
from mlzoo.machine import Machine, choose_device
from mlzoo.planning import Plan, load, make_plan, plan_of, predict_options
from mlzoo.plugins import Registered
from mlzoo.prediction import Columns, checked_columns
from mlzoo.progress import Progress, default_progress
from mlzoo.registry import registry, resolve
from mlzoo.run_directory import RunInfo, RunRecord, finished_run
from mlzoo.run_status import Interrupted
from mlzoo.scoring import load_best, score_all
from mlzoo.search import choice_of, score_again
from mlzoo.session import Settings, build, continued, prepare, require_same_data, started

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
    devices: int = 1,
    compile: bool = False,
    data_dir: Path | str | None = None,
    out: Path | str = DEFAULT_OUT,
    stop_after: int | None = None,
    figures: bool = True,
    tensorboard: bool = False,
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
        devices: processes to train with, one a device; started here, unless this is one of them.
        compile: train with ``torch.compile``.
        data_dir: the data root; ``MLZOO_DATA`` or the user's data folder if omitted.
        out: where run directories are made.
        stop_after: leave the run resumable after this many epochs.
        figures: draw the model's figures.
        tensorboard: write TensorBoard events into the run's folder, too.
        progress: where to show progress; standard error if omitted.
        **options: the run's (``seed``, ``select``, ``limit``, ``precision``), the model's and the dataset's.

    Raises:
        UsageError: a wrong name or value; nothing was created.
        DataError: data missing or damaged; nothing was created.
        RunError: training failed; the run directory says why.
        JobFailedError: any of these happened in a process that was started here.
    """
    plan = make_plan(
        model,
        dataset,
        preset=preset,
        config_file=Path(config) if config else None,
        options=options,
        data_dir=Path(data_dir) if data_dir else None,
    )
    machine = Machine(device, devices, compile)
    settings = Settings(stop_after, figures, progress, tensorboard=tensorboard)
    if starts_a_job(machine):
        return _read(
            launch(devices, _execute_in_job, plan, Path(out), machine, settings.portable())
        )
    return execute(plan, out=Path(out), machine=machine, settings=settings)


def starts_a_job(machine: Machine) -> bool:
    """Whether the processes asked for are still to be started.

    Raises:
        UsageError: a launcher has started another number of them.
    """
    count = process_count()
    if count > 1 and machine.devices not in (1, count):
        raise UsageError(
            f"--devices {machine.devices} in a job of {count} processes.",
            "Leave --devices out: the launcher decides.",
        )
    return machine.devices > 1 and count == 1


def execute(
    plan: Plan,
    *,
    out: Path,
    machine: Machine,
    settings: Settings,
    data: TaskData | None = None,
) -> Result:
    """Start a new run of a plan. Everything that can be refused is refused before its folder exists.

    ``data`` spares loading what runs of several seeds share; it must be the plan's own.
    """
    ready = prepare(plan, plan.load_data() if data is None else data, machine)
    return _result(*started(ready, out, settings))


def go_on(
    plan: Plan,
    directory: Path,
    *,
    machine: Machine,
    settings: Settings,
    data: TaskData | None = None,
) -> Result:
    """Go on with an unfinished run of this very plan, compiled as it began and, if no device is named, on its
    own. ``data`` is as in :func:`execute`.
    """
    record = RunRecord(directory)
    facts = record.info
    device = facts.get("device", "auto") if machine.device == "auto" else machine.device
    machine = Machine(device, machine.devices, bool(facts.get("compile")))
    return _result(*continued(record, plan, machine, settings, data))


def _execute_in_job(
    plan: Plan, out: Path, machine: Machine, settings: Settings
) -> str | Interrupted:
    try:
        return str(execute(plan, out=out, machine=machine, settings=settings).directory)
    except Interrupted as stopped:
        return stopped


def resume(
    directory: Path | str,
    *,
    device: str | None = None,
    devices: int = 1,
    compile: bool | None = None,
    data_dir: Path | str | None = None,
    stop_after: int | None = None,
    figures: bool = True,
    tensorboard: bool | None = None,
    progress: Progress | None = None,
) -> Result:
    """Go on with an interrupted run, exactly where its last whole epoch ended.

    What is None is as the run began.

    Raises:
        UsageError: the run is done.
        RunError: it is no run, is still running, or its data has changed.
    """
    record = RunRecord(Path(directory))
    facts = RunInfo.read(record.directory).facts
    if facts.get("status") == "done":
        fix = f"Look at it with: mlzoo report {quote(str(directory))}"
        raise UsageError(f"{directory} is done.", fix)
    compile = bool(facts.get("compile")) if compile is None else compile
    machine = Machine(device or facts.get("device", "auto"), devices, compile)
    tensorboard = was_begun(record.directory) if tensorboard is None else tensorboard
    settings = Settings(stop_after, figures, progress, tensorboard=tensorboard)
    data_root = Path(data_dir) if data_dir else None
    if starts_a_job(machine):
        portable = settings.portable()
        return _read(
            launch(devices, _resume_in_job, record.directory, machine, portable, data_root)
        )
    return _result(*continued(record, plan_of(record, data_root), machine, settings))


def _resume_in_job(
    directory: Path, machine: Machine, settings: Settings, data_dir: Path | None
) -> str | Interrupted:
    record = RunRecord(directory)
    try:
        continued(record, plan_of(record, data_dir), machine, settings)
    except Interrupted as stopped:
        return stopped
    return str(directory)


def _result(directory: Path, results: Mapping[str, Any]) -> Result:
    return Result(directory, results["metrics"], results)


def _read(told: str | Interrupted) -> Result:
    """What the processes of a job have written, in the folder that the main one tells."""
    if isinstance(told, Interrupted):
        raise told
    record = RunRecord(Path(told))
    return _result(record.directory, record.results)


def import_weights(
    model: str,
    file: Path | str,
    *,
    dataset: str | None = None,
    preset: str | None = None,
    config: Path | str | None = None,
    device: str = "auto",
    data_dir: Path | str | None = None,
    out: Path | str = DEFAULT_OUT,
    figures: bool = True,
    progress: Progress | None = None,
    **options: Any,
) -> Result:
    """Make a finished run of weights that others have published: score them and keep everything.

    The arguments are those of :func:`run`; data and options must be those that the weights were made
    for. The selection rule of the results is ``imported``.

    Args:
        file: the weights; the model's page says which it reads.

    Raises:
        UsageError: the model imports no weights, or a wrong name or value.
        DataError: data or the file is missing or damaged.
        CheckpointError: the weights do not fit.
        PluginError: the model breaks the contract of ``weights``.
        RunError: the run cannot be written. Whatever is raised, no run is left behind.
    """
    plan = make_plan(
        model,
        dataset,
        preset=preset,
        config_file=Path(config) if config else None,
        options=options,
        data_dir=Path(data_dir) if data_dir else None,
    )
    found = imported(
        plan, Path(file), out=Path(out), device=device, figures=figures, progress=progress
    )
    return _result(*found)


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

    record = finished_run(directory)
    plan = plan_of(record, Path(data_dir) if data_dir else None)
    only = {registry().evaluator(evaluator, plan.model.task).spec.name} if evaluator else None
    with preserved_rng():  # the caller's random streams are no business of a score
        model, data = _trained(record, plan, select, device)
        if dataset is not None and dataset != plan.dataset.name:
            plan = plan.with_dataset(dataset)
            data, trained = plan.load_data(), model.state_dict()
            model = build(plan, data, choose_device(device))
            model.load_state_dict(trained)
        scored = score_all(plan, model, data, only=only)
        validation = getattr(data, "validation", None)
        own = plan.dataset.name == record.config["dataset"] and select == "best"
        if own and validation is not None and choice_of(record.directory):
            searched = build(plan, validation, choose_device(device))
            found = score_again(plan, searched, validation, record.directory, only)
            scored = {**found, **scored}
    return {split: metrics for split, (metrics, _) in scored.items()}


def predict(
    directory: Path | str,
    inputs: Sequence[Path | str],
    *,
    device: str = "auto",
    data_dir: Path | str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Columns:
    """Predict new inputs with a finished run's selected weights: columns of equal length by name.

    The data that the run was trained with is loaded too, as the model is built for it.

    Args:
        directory: the run.
        inputs: files; the model says which kinds it reads, and whether it needs any.
        device: as in :func:`run`.
        data_dir: where the run's own data now lies.
        progress: where warnings go; standard error if omitted.
        **options: of the model's prediction; ``mlzoo predict RUN --help`` lists them.

    Raises:
        UsageError: the model cannot predict new inputs, there is no such input or option, or a value
            that does not fit.
        RunError: the run is not done, or its data has changed.
        DataError: the run's data or an input is missing or damaged.
        PluginError: the model breaks the contract of ``predict``.
    """
    from mlzoo.rng import preserved_rng

    record = finished_run(directory)
    plan = plan_of(record, Path(data_dir) if data_dir else None)
    if plan.model.predict is None:
        raise UsageError(f"{plan.model.name} does not predict new inputs.")
    if not inputs and not plan.model.predict_without_inputs:
        raise UsageError(f"{plan.model.name} needs an INPUT to predict, a file or several.")
    chosen = _predict_options(plan.model_entry, options)
    paths = [Path(path) for path in inputs]
    if absent := [str(path) for path in paths if not path.exists()]:
        raise UsageError(f"there is no input {', '.join(absent)}.")
    who = f"predict of {plan.model_entry.plugin}"
    with preserved_rng():
        try:
            model, data = _trained(record, plan, "best", device)
        except DataError as error:
            error.message = f"{directory} predicts with the data it was trained on: {error.message}"
            raise
        predictor = resolve(plan.model.predict, plan.model_entry.plugin)
        try:
            returned = predictor(model, data, paths, progress or default_progress(), *chosen)
        except (MlzooError, OSError, MemoryError):
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise PluginError(f"{who} failed: {reason}", "--debug shows where.") from error
    return checked_columns(returned, who)


def _predict_options(entry: Registered, given: Mapping[str, Any]) -> tuple[Config, ...]:
    """The fifth argument of ``predict``; none for a model without options of it."""
    known = predict_options(entry)
    if known is None:
        if given:
            raise UsageError(
                f"{entry.spec.name} predicts without options, got {next(iter(given))!r}."
            )
        return ()
    return (known.resolve([Layer("option", given)]).model,)


def _trained(record: RunRecord, plan: Plan, select: str, device: str) -> tuple[Model, TaskData]:
    """A finished run's model with its weights, and the data it was trained with."""
    data = plan.load_data()
    require_same_data(record, data)
    model = build(plan, data, choose_device(device))
    load_best(model, record.directory, select)
    return model, data


def load_dataset(
    name: str, *, data_dir: Path | str | None = None, task: str | None = None, **options: Any
) -> TaskData:
    """A dataset's task data, ready for a model of one's own.

    Raises:
        UsageError: unknown name or option.
        DataError: files are missing or damaged.
    """
    from mlzoo.planning import dataset_config

    entry = registry().dataset(name, task)
    cls = dataset_config(entry)
    resolved = OptionSet(Config, cls).resolve([Layer("option", options)])
    root = Path(data_dir) if data_dir else None
    return load(entry, root, resolved.dataset, resolved.run.limit)


__all__ = [
    "Interrupted",
    "Result",
    "evaluate",
    "execute",
    "go_on",
    "import_weights",
    "load_dataset",
    "predict",
    "resume",
    "run",
]
