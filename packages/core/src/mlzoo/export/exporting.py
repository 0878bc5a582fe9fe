"""``export_run``: check the request, make the files in memory, write all of them or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from mlzoo.errors import RunError, UsageError, did_you_mean
from mlzoo.export import FORMATS, mteb
from mlzoo.export.provenance import FinishedRun, Made
from mlzoo.export.writing import targets, write_all
from mlzoo.planning import Plan, plan_of
from mlzoo.registry import registry
from mlzoo.run_directory import RunRecord

FILES = {"hf-card": "README.md", "safetensors": "model.safetensors", "onnx": "model.onnx"}
"""The file of each format that has one, in a folder of exports: as the hub calls them."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        format: one of :data:`mlzoo.export.FORMATS`.
        files: their paths.
        facts: of the content (JSON values), such as how far ONNX is from torch.
    """

    format: str
    files: tuple[Path, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


def export_run(
    directory: Path | str,
    to: str,
    *,
    out: Path | str | None = None,
    force: bool = False,
    licence: str | None = None,
    data_dir: Path | str | None = None,
) -> Exported:
    """Write a finished run in another format. Nothing in its folder changes.

    Args:
        directory: the run.
        to: one of :data:`mlzoo.export.FORMATS`.
        out: a folder, or for a single file that file; if omitted a folder here that is called like the run.
        force: replace files that are there.
        licence: of the weights, for ``hf-card``, by the hub's name such as ``apache-2.0``; a run does not
            know it.
        data_dir: where the run's data now lie, for ``onnx``.

    Raises:
        UsageError: an unknown format, one that makes no sense for the model, a plugin that is not
            installed, or a place that cannot be written.
        RunError: the run is not done or damaged, a library is missing, or a file would not say what the
            run says.
        CheckpointError, DataError, PluginError: as for :func:`mlzoo.predict`.
    """
    if to not in FORMATS:
        raise UsageError(f"no format named {to!r}.", did_you_mean(to, FORMATS))
    if licence is not None and to != "hf-card":
        raise UsageError(f"{to} does not state a licence.", "Leave --licence out.")
    run = _finished(Path(directory), Path(data_dir) if data_dir else None)
    _require_sense(run.plan, to)
    names = mteb.names(run.plan) if to == "mteb-json" else [FILES[to]]
    folder = Path(out) if out is not None else Path(_name(run.record))
    paths = targets(folder, names, run.record.directory, force=force)
    made = _made(run, to, licence)
    files = {paths[name]: content for name, content in made.files.items()}
    write_all(files)
    return Exported(to, tuple(files), made.facts)


def formats_of(plan: Plan) -> list[str]:
    """Those that make sense for a run."""
    sense = {"onnx": plan.model.onnx is not None, "mteb-json": mteb.has_tasks(plan)}
    return [name for name in FORMATS if sense.get(name, True)]


def _require_sense(plan: Plan, to: str) -> None:
    fitting = formats_of(plan)
    if to in fitting:
        return
    reason = (
        f"{plan.model.name} names no feature-level network to write"
        if to == "onnx"
        else f"the task {plan.model.task} is none of MTEB's kinds"
    )
    raise UsageError(f"{to}: {reason}.", f"This run can be exported to {', '.join(fitting)}.")


def _made(run: FinishedRun, to: str, licence: str | None) -> Made:
    if to == "hf-card":
        from mlzoo.export.card import card

        return card(run, licence)
    if to == "mteb-json":
        return mteb.mteb_files(run)
    if to == "safetensors":
        from mlzoo.export.safetensors import safetensors_file

        return safetensors_file(run)
    from mlzoo.export.onnx import onnx_file

    return onnx_file(run)


def _finished(directory: Path, data_dir: Path | None) -> FinishedRun:
    record = RunRecord(directory)
    if record.info.get("status") != "done":
        fix = f"Finish it first: mlzoo resume {quote(str(directory))}"
        raise RunError(f"{directory} is not done.", fix)
    if not record.results:
        raise RunError(f"{directory} is damaged: it has no results.json.")
    made_by = record.results["plugins"]
    model, known = record.results["model"], {entry.spec.name for entry in registry().models}
    if model not in known:
        listed = ", ".join(f"{name} {version}" for name, version in made_by.items())
        raise UsageError(
            f"{directory} is of the model {model!r}, which no installed plugin brings.",
            f"It was made with {listed}: install that, or see mlzoo plugin list.",
        )
    return FinishedRun(record, plan_of(record, data_dir))


def _name(record: RunRecord) -> str:
    results = record.results
    return f"{results['model']}-{results['dataset']}-{record.directory.resolve().name}"
