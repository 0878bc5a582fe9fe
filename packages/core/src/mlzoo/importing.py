"""Weights that others have published become a finished run, as if they had been trained here.

Everything is done before the run's folder is made: a file that is refused leaves nothing behind.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlzoo.checkpoints import save_checkpoint
from mlzoo.contracts import Model, TaskData
from mlzoo.data.checks import existing
from mlzoo.data.manifest import sha256_of
from mlzoo.errors import DataError, MlzooError, PluginError, UsageError
from mlzoo.files import atomic_write, write_json
from mlzoo.machine import Machine, choose_device
from mlzoo.planning import Plan
from mlzoo.progress import Progress, default_progress
from mlzoo.registry import resolve
from mlzoo.report.figures import draw
from mlzoo.run_directory import (
    RunInfo,
    RunRecord,
    create,
    peak_memory_mb,
    removed_unless_begun,
    write_environment,
)
from mlzoo.scoring import facts_of, finish, score_all, store_scores, verdicts
from mlzoo.session import begun_with, build
from mlzoo.signals import as_interrupt
from mlzoo.specs import IMPORTED

LABEL = "imported weights"


@dataclass(frozen=True)
class Imported:
    """A model with the weights of a file.

    Attributes:
        model: finished, on its device.
        weights: the file's ``file`` (its name), ``sha256`` and ``facts`` (what the model's plugin tells
            of it).
    """

    model: Model
    weights: Mapping[str, Any]


def filled(plan: Plan, data: TaskData, file: Path, device: str, progress: Progress) -> Imported:
    """The plan's model with the weights of a file.

    Raises:
        UsageError: the model imports no weights.
        DataError: the file is missing, or gives weights that are not finite.
        CheckpointError: it does not fit.
        PluginError: the model breaks the contract of ``weights``.
    """
    spec, plugin = plan.model, plan.model_entry.plugin
    if spec.weights is None:
        raise UsageError(f"{spec.name} imports no weights.")
    existing(file)
    model = build(plan, data, device)
    who = f"weights of {plugin}"
    try:
        facts = resolve(spec.weights, plugin)(file, model, data, progress)
    except (MlzooError, OSError, MemoryError):
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise PluginError(f"{who} failed: {reason}", "--debug shows where.") from error
    weights = {"file": file.name, "sha256": sha256_of(file), "facts": _checked(facts, who)}
    _require_finite(model.state_dict(), file)
    finish(model)
    return Imported(model, weights)


def imported(
    plan: Plan,
    file: Path,
    *,
    out: Path,
    device: str = "auto",
    figures: bool = True,
    progress: Progress | None = None,
) -> tuple[Path, dict[str, Any]]:
    """A finished run with the weights of a file: its folder, and its results.

    Raises:
        MlzooError: as :func:`filled`, or the data is missing, or the folder cannot be written. There is
            no folder then.
    """
    from mlzoo.rng import preserved_rng

    progress = progress or default_progress()
    progress.log_file = None  # there is no run yet, and that of another is none of its business
    began, start = time.time(), time.monotonic()
    with preserved_rng():
        data = plan.load_data()
        found = filled(plan, data, file, choose_device(device), progress)
        scored = score_all(plan, found.model, data)
    with as_interrupt():
        directory = create(out, plan.model.name, plan.dataset.name, plan.options.run.seed)
        with removed_unless_begun(directory):
            metrics = store_scores(plan, data, progress.message, directory, scored)
            results = facts_of(plan, data, metrics, {"rule": IMPORTED, "label": LABEL, "epoch": 0})
            results["weights"] = {name: found.weights[name] for name in ("file", "sha256")}
            results["published"] = verdicts(plan, results)
            _write(directory, plan, found, results)
            RunInfo(directory).update(  # the last of all: from here on it is a run
                status="done",
                started=_iso(began),
                finished=_iso(time.time()),
                seconds=round(time.monotonic() - start, 2),
                error=None,
                sessions=[],
                peak_memory_mb=peak_memory_mb(),
                weights=found.weights,
                **begun_with(plan, data, Machine(device), processes=1),
            )
        progress.log_file = directory / "log.txt"
        if figures:
            for problem in draw(
                plan.model_entry, [RunRecord(directory, data)], directory / "figures"
            ):
                progress.message(problem)
    return directory, results


def _write(directory: Path, plan: Plan, found: Imported, results: Mapping[str, Any]) -> None:
    state = {"model": found.model.state_dict(), "epoch": 0, "finished": True}
    save_checkpoint(directory / "checkpoints" / "best.pt", state)
    write_json(directory / "config.json", plan.config_json())
    write_environment(directory)
    with atomic_write(directory / "metrics.jsonl"):
        pass  # nothing was trained
    with atomic_write(directory / "log.txt") as log:
        log.write(f"{LABEL} of {found.weights['file']} ({found.weights['sha256']})\n".encode())
    write_json(directory / "results.json", results)


def _checked(facts: object, who: str) -> dict[str, Any]:
    """Facts as JSON holds them."""
    try:
        if isinstance(facts, Mapping):
            return dict(json.loads(json.dumps(dict(facts), allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise PluginError(f"{who} returned facts that JSON cannot hold: {error}.") from error
    raise PluginError(f"{who} returned {type(facts).__name__} instead of a mapping of facts.")


def _require_finite(value: Any, file: Path, where: str = "") -> None:
    import torch

    if isinstance(value, Mapping):
        for key, item in value.items():
            _require_finite(item, file, f"{where}.{key}".lstrip("."))
    elif isinstance(value, torch.Tensor) and not value.isfinite().all():
        raise DataError(f"{file}: {where} has values that are not finite (NaN or infinity).")


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))
