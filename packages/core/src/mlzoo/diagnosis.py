"""``mlzoo doctor``: what a run needs, checked one by one. Nothing here repairs anything.

What may crash or hang, importing torch or a plugin's code, happens in processes of its own.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Literal

from mlzoo.data.manifest import FileStatus, cache_folder, human_size, status
from mlzoo.data.manifest import verify as verify_files
from mlzoo.data.root import data_root, dataset_folder
from mlzoo.errors import MlzooError
from mlzoo.isolation import elsewhere
from mlzoo.plugins import Plugin
from mlzoo.registry import registry, resolve
from mlzoo.specs import refs_of

CORE = "mlzoo-core"
OLDEST_PYTHON = (3, 11)
SCARCE, TIGHT = 0.5e9, 5e9  # free bytes: too few for a run's checkpoints; worth a note
DAY = 86400

Level = Literal["ok", "note", "trouble"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``fix`` says what to type, ``trace`` where a plugin failed."""

    name: str
    level: Level
    detail: str
    fix: str = ""
    trace: str = ""

    def to_json(self, *, with_trace: bool) -> dict[str, str]:
        """For ``--json``."""
        keys = ("name", "level", "detail", "fix", *(["trace"] if with_trace else []))
        return {key: getattr(self, key) for key in keys}


def diagnose(data_dir: Path | None, out: Path, *, verify: bool = False) -> Iterator[Finding]:
    """Every check, each finding as soon as it is known.

    Args:
        data_dir: the data root, if not the usual one.
        out: where runs are kept.
        verify: compare checksums of data files, which reads them whole.
    """
    root = data_root(data_dir)
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("python", check_python),
        ("requirements", check_requirements),
        ("torch", check_torch),
        ("plugins", check_plugins),
        ("tasks", check_tasks),
        ("refs", check_refs),
        ("data", lambda: check_data(root, verify)),
        ("folders", lambda: check_folders(root, out)),
        ("clock", lambda: check_clock(out)),
    ]
    for name, check in checks:
        try:
            yield from check()
        except Exception as error:  # what cannot be checked is a finding too
            yield Finding(name, "trouble", f"cannot be checked: {type(error).__name__}: {error}")


def check_python() -> Iterator[Finding]:
    """The interpreter is new enough."""
    detail = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info >= OLDEST_PYTHON:
        yield Finding("python", "ok", detail)
    else:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        yield Finding("python", "trouble", detail, f"Install Python {oldest} or newer.")


def check_requirements() -> Iterator[Finding]:
    """What the core and the plugins declare is installed; an extra may be absent."""
    plugins = {plugin.distribution for plugin in registry().plugins}
    for name in (CORE, *sorted(plugins)):
        if lacking := unmet(name):
            detail = f"{name} needs {', '.join(lacking)}"
            fix = f"Install it with: python -m pip install --upgrade {name}"
            yield Finding("requirements", "trouble", detail, fix)
        else:
            yield Finding("requirements", "ok", f"{name}: all installed")
    for extra in sorted(metadata(CORE).get_all("Provides-Extra") or []):
        if extra == "all":  # the papers are no matter of the core's health
            continue
        if lacking := unmet(CORE, extra):
            fix = f"If you want it: python -m pip install '{CORE}[{extra}]'"
            yield Finding(f"extra {extra}", "note", f"lacks {', '.join(lacking)}", fix)
        else:
            yield Finding(f"extra {extra}", "ok", "installed")


def unmet(distribution: str, extra: str = "") -> list[str]:
    """The requirements of a distribution (or of one of its extras) that are not fulfilled here."""
    from packaging.requirements import Requirement

    lacking = []
    for requirement in map(Requirement, _declared(distribution)):
        marker = requirement.marker
        in_base = marker is None or marker.evaluate({"extra": ""})
        in_extra = marker is not None and marker.evaluate({"extra": extra})
        if not (in_base if not extra else in_extra and not in_base):
            continue
        wanted = f"{requirement.name}{requirement.specifier}"
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            lacking.append(wanted)
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            lacking.append(f"{wanted} (installed is {found})")
    return lacking


def _declared(distribution: str) -> list[str]:
    try:
        return requires(distribution) or []
    except PackageNotFoundError:
        return []


_TORCH = """
import torch
threads, gpus = torch.get_num_threads(), torch.cuda.device_count()
names = [torch.cuda.get_device_name(i) for i in range(gpus)]
try:
    from accelerate import Accelerator
    seen = Accelerator().device.type
except ImportError:
    seen = None
answer(version=torch.__version__, threads=threads, gpus=names, accelerate=seen)
"""


def check_torch() -> Iterator[Finding]:
    """torch can be imported, and which devices it and Accelerate see."""
    answers, ending = elsewhere(_TORCH)
    if not answers:
        level: Level = "trouble" if registry().models else "note"
        fix = f"Install it with: python -m pip install '{CORE}[torch]'"
        yield Finding("torch", level, f"cannot be imported: {ending}", fix)
        return
    facts = answers[0]
    old = [line for line in unmet(CORE, "torch") if line.startswith("torch>")]
    fix = f"Upgrade it: python -m pip install --upgrade '{CORE}[torch]'" if old else ""
    yield Finding("torch", "trouble" if old else "ok", old[0] if old else facts["version"], fix)
    gpus = ", ".join(facts["gpus"]) or "no GPU"
    seen = f"; Accelerate uses {facts['accelerate']}" if facts["accelerate"] else ""
    yield Finding("devices", "ok", f"{facts['threads']} CPU threads, {gpus}{seen}")


def check_plugins() -> Iterator[Finding]:
    """Every plugin loads, no hook is misspelt, no name is brought twice."""
    reg = registry()
    for plugin in reg.plugins:
        wrong = [failure for failure in reg.failures if failure.plugin == plugin]
        if not wrong and plugin.core_range:
            yield Finding(f"plugin {plugin.name}", "ok", str(plugin))
        elif not wrong:
            fix = f"Its author should declare one, such as {CORE}>=0.1,<0.2."
            detail = f"{plugin} declares no range of {CORE}"
            yield Finding(f"plugin {plugin.name}", "note", detail, fix)
    for failure in reg.failures:
        name = f"plugin {failure.plugin.name}"
        detail = f"{failure.plugin}: {failure.reason}"
        yield Finding(name, "trouble", detail, failure.fix, failure.trace)
    if not reg.plugins and not reg.failures:
        fix = "Install one: python -m pip install mlzoo-mdn"
        yield Finding("plugins", "note", "none is installed", fix)


def check_tasks() -> Iterator[Finding]:
    """Every model can be run: its task has a main metric, its default dataset exists."""
    reg = registry()
    for entry in reg.models:
        try:
            reg.evaluators_for(entry.spec.task)
            reg.dataset(entry.spec.default_dataset, entry.spec.task)
        except MlzooError as error:
            name = f"model {entry.spec.name}"
            yield Finding(name, "trouble", f"{entry.plugin}: {error.message}", error.fix)


_REFS = """
import json
from mlzoo.diagnosis import importable
from mlzoo.plugins import Plugin
plugin, refs = json.loads(sys.argv[1])
for ref in refs:
    answer(**importable(ref, Plugin(**plugin)))
"""


def check_refs() -> Iterator[Finding]:
    """Every Ref of every spec can be imported; a crash or a hang is told of the one at fault."""
    reg = registry()
    wanted: dict[Plugin, list[str]] = {plugin: [] for plugin in reg.plugins}
    for entry in (*reg.models, *reg.datasets, *reg.evaluators):
        wanted[entry.plugin] += [ref for _, ref in refs_of(entry.spec)]
    for plugin, refs in wanted.items():
        left = list(dict.fromkeys(refs))
        troubles = []
        while left:
            answers, ending = elsewhere(_REFS, json.dumps([vars(plugin), left]))
            troubles += [answer for answer in answers if answer["message"]]
            left = left[len(answers) :]
            if left:  # the process ended at the first of these
                troubles.append({"message": f"{plugin} names {left.pop(0)!r}: {ending}", "fix": ""})
        for trouble in troubles:
            yield Finding(f"refs {plugin.name}", "trouble", trouble["message"], trouble["fix"])
        if not troubles:
            yield Finding(f"refs {plugin.name}", "ok", f"{len(set(refs))} can be imported")


def importable(ref: str, plugin: Plugin) -> dict[str, str]:
    """What is wrong with a Ref, and what to do about it; both are empty if nothing is."""
    try:
        resolve(ref, plugin)
    except MlzooError as error:
        return {"message": error.message, "fix": error.fix}
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return {"message": f"{plugin} names {ref!r}, which fails: {reason}", "fix": ""}
    return {"message": "", "fix": ""}


def check_data(root: Path, verify: bool) -> Iterator[Finding]:
    """Files of the datasets: none is no trouble, some missing or a wrong one is."""
    yield Finding("data root", "ok", f"{root}" + ("" if root.is_dir() else " (not there yet)"))
    for entry in registry().datasets:
        if entry.spec.files:
            found = verify_files(entry.spec, root) if verify else status(entry.spec, root)
            folder = dataset_folder(root, entry.spec.name)
            yield _dataset(f"data {entry.spec.name}", entry.spec.name, folder, found)


def _dataset(label: str, name: str, folder: Path, found: Sequence[FileStatus]) -> Finding:
    bad = [file for file in found if not file.ok]
    if not bad:
        return Finding(label, "ok", f"{len(found)} files, {', '.join({f.state for f in found})}")
    fix = f"What it needs: mlzoo data info {name}"
    if all(file.state == "missing" for file in found):
        return Finding(label, "note", f"not in {folder}", fix)
    described = ", ".join(f"{file.file.path} ({file.state})" for file in bad)
    return Finding(label, "trouble", f"in {folder}: {described}", fix)


def check_folders(root: Path, out: Path) -> Iterator[Finding]:
    """Folders can be written and their disks have room. Data may lie on a read-only disk."""
    places = {"runs": (out, "--out DIR"), "data": (root, "--data-dir DIR or MLZOO_DATA")}
    places["cache"] = (cache_folder(), "MLZOO_CACHE")
    for name, (folder, option) in places.items():
        there = _nearest(folder)
        free = shutil.disk_usage(there).free
        fix = f"Choose another place with {option}."
        if reason := _not_writable(there):
            level: Level = "note" if name == "data" else "trouble"
            yield Finding(f"folder {name}", level, f"{folder} cannot be written: {reason}", fix)
        elif free < TIGHT:
            level = "trouble" if free < SCARCE else "note"
            detail = f"{folder} has only {human_size(free)} left"
            yield Finding(f"folder {name}", level, detail, fix)
        else:
            yield Finding(f"folder {name}", "ok", f"{folder}, {human_size(free)} free")


def _nearest(folder: Path) -> Path:
    """The folder, or the closest one above it that exists."""
    return next(
        place for place in (folder.absolute(), *folder.absolute().parents) if place.exists()
    )


def _not_writable(folder: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def check_clock(out: Path) -> Iterator[Finding]:
    """The clock is later than this program's own files, and agrees with the disk of the runs."""
    now = time.time()
    if now < Path(__file__).stat().st_mtime - DAY:
        detail = f"{time.ctime(now)} is before this program was installed"
        yield Finding("clock", "trouble", detail, "Set the clock of this machine.")
        return
    there = _nearest(out)
    if not _not_writable(there):
        with tempfile.NamedTemporaryFile(dir=there) as file:
            apart = abs(os.fstat(file.fileno()).st_mtime - time.time())
        if apart > 10:
            detail = f"the disk of {there} is {apart:.0f} s apart from this machine"
            yield Finding("clock", "note", detail, "Times of runs and files will not agree.")
            return
    yield Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(now)))
