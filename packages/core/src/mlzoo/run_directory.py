"""A run's folder: its creation, its ``run.json``, and reading it back.

::

    runs/<model>-<dataset>/<time>-s<seed>-<id>/
      config.json run.json environment.txt metrics.jsonl log.txt
      checkpoints/ predictions/ tables/ results.json figures/
      predictions/honest/, beside a selection on test data
      search/, where the epoch was searched for on validation data
"""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from mlzoo.errors import RunError
from mlzoo.files import atomic_write, read_json, remove_leftovers, take_lock, write_json
from mlzoo.metrics_log import read_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mlzoo.contracts import TaskData
    from mlzoo.plugins import Plugin

HONEST = "honest"
"""Folder below ``predictions`` for those of the honestly selected weights, beside a selection on test."""


OF_A_RUN = ("checkpoints", "predictions", "figures")


def create(
    out: Path, model: str, dataset: str, seed: int, folders: Iterable[str] = OF_A_RUN
) -> Path:
    """Make a new folder that no other run shares, even one started in the same second.

    Args:
        folders: made in it.

    Raises:
        RunError: ``out`` cannot be written.
    """
    parent = out / f"{model}-{dataset}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            stamp = time.strftime("%Y%m%d-%H%M%S")
            directory = parent / f"{stamp}-s{seed}-{secrets.token_hex(2)}"
            try:
                directory.mkdir()
            except FileExistsError:
                continue
            with removed_unless_begun(directory):
                for name in folders:
                    (directory / name).mkdir()
            return directory
    except OSError as error:
        raise RunError(
            f"cannot create a run below {out}: {error.strerror or error}.",
            "Choose another place with --out DIR.",
        ) from error


class RunInfo:
    """``run.json``: status, times, host, versions; rewritten whole at every change."""

    file = "run.json"

    def __init__(self, directory: Path, **facts: Any) -> None:
        self.path = directory / self.file
        self.facts: dict[str, Any] = facts

    def update(self, **facts: Any) -> None:
        """Change some facts and write the file."""
        self.facts.update(facts)
        write_json(self.path, self.facts)

    @classmethod
    def read(cls, directory: Path) -> RunInfo:
        """Of an existing run.

        Raises:
            RunError: the folder is not a run, or run.json is damaged.
        """
        from mlzoo.run_schema import Facts, check_schema

        path = directory / "run.json"
        if not path.exists():
            raise RunError(f"{directory} is not a run: it has no run.json.")
        info = cls(directory)
        info.facts = read_json(path)
        check_schema(Facts, info.facts, path)
        return info


def machine_facts(plugins: Iterable[Plugin]) -> dict[str, Any]:
    """Where and with what a run is made."""
    from importlib.metadata import version

    plugins = sorted(set(plugins), key=lambda plugin: plugin.distribution)
    names = ["mlzoo-core", "numpy", "torch", *(plugin.distribution for plugin in plugins)]
    modules = {"mlzoo-core": "mlzoo", **{p.distribution: p.module for p in plugins}}
    return {
        "argv": sys.argv,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
        "git": {name: git_state(module) for name, module in modules.items()},
    }


def git_state(module: str) -> dict[str, Any] | None:
    """Commit and dirtiness of the checkout a module comes from; None for an installed copy."""
    spec = find_spec(module.partition(":")[0])
    if spec is None or spec.origin is None:
        return None
    here = Path(spec.origin)

    def git(*words: str) -> str | None:
        # Without its optional lock, looking never gets in the way of the user's own git.
        command = ["git", "--no-optional-locks", "-C", str(here.parent), *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if git("ls-files", "--error-unmatch", here.name) is None:
        return None
    return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}


def write_environment(directory: Path) -> None:
    """``environment.txt``: every installed distribution, as pip would pin it."""
    lines = sorted({f"{d.name}=={d.version}" for d in distributions()}, key=str.lower)
    text = f"# Python {sys.version.split()[0]} on {platform.platform()}\n" + "\n".join(lines) + "\n"
    with atomic_write(directory / "environment.txt") as file:
        file.write(text.encode())


def peak_memory_mb() -> float | None:
    """Highest resident memory of this process so far, in MiB."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a run's folder alone; the system lets go of it when the process ends, however it ends.

    What a process that was killed here left unfinished is removed.

    Raises:
        RunError: another process trains there, or the folder cannot be written.
    """
    path = directory / ".lock"
    try:
        file = path.open("a+b")
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}.") from error
    with file:
        try:
            take_lock(file.fileno())
        except OSError as error:
            raise RunError(f"{directory} is still running, in another process.") from error
        remove_leftovers(directory)
        yield


def is_in_use(directory: Path) -> bool:
    """Whether a process holds the folder of a run (:func:`locked`) now."""
    try:
        with (directory / ".lock").open("r+b") as file:
            take_lock(file.fileno())
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


@contextmanager
def removed_unless_begun(directory: Path, file: str = RunInfo.file) -> Iterator[None]:
    """A new folder is a run as soon as it has a ``run.json``; after an error before that it goes."""
    try:
        yield
    except BaseException:
        if not (directory / file).exists():
            shutil.rmtree(directory, ignore_errors=True)
        raise


@dataclass(frozen=True)
class RunRecord:
    """A run read back from its folder; what figures and reports are made of.

    ``data`` is the run's data where it is at hand already.
    """

    directory: Path
    data: TaskData | None = field(default=None, repr=False, compare=False)

    @cached_property
    def info(self) -> dict[str, Any]:
        """``run.json``."""
        return RunInfo.read(self.directory).facts

    @cached_property
    def config(self) -> dict[str, Any]:
        """``config.json``: flat option values with ``model``, ``dataset``, ``preset``, ``sources``."""
        return read_json(self.directory / "config.json")

    @cached_property
    def results(self) -> dict[str, Any]:
        """``results.json``; empty if the run is not done."""
        from mlzoo.run_schema import Results, check_schema

        path = self.directory / "results.json"
        if not path.exists():
            return {}
        results = read_json(path)
        check_schema(Results, results, path)
        return results

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """``metrics.jsonl``."""
        return list(read_rows(self.directory / "metrics.jsonl"))

    def curve(self, metric: str, split: str = "val") -> tuple[list[int], list[float]]:
        """Epochs and values of one evaluated metric."""
        rows = [r for r in self.rows if r.get("split") == split and r.get(metric) is not None]
        return [r["epoch"] for r in rows], [r[metric] for r in rows]

    def step_means(self, name: str) -> dict[int, float]:
        """Of a value that steps logged, the mean over each epoch that has it."""
        values: dict[int, list[float]] = {}
        for row in self.rows:
            if row.get(name) is not None:
                values.setdefault(row["epoch"], []).append(row[name])
        return {epoch: statistics.fmean(each) for epoch, each in values.items()}

    def predictions(
        self, split: str, *, honest: bool = False
    ) -> dict[str, npt.NDArray[np.generic]]:
        """The stored prediction arrays of a split or ``split@view``.

        Args:
            honest: of the honestly selected weights, where the run's own were selected on test data.

        Raises:
            DataError: missing or damaged.
        """
        from mlzoo.data.readers import read_npz

        return dict(read_npz(predictions_file(self.directory, split, honest=honest)))

    def load_data(self) -> TaskData:
        """The data the run was made on, loaded again if it is not at hand."""
        from mlzoo.planning import plan_of

        return plan_of(self).load_data() if self.data is None else self.data


def predictions_file(directory: Path, split: str, *, honest: bool = False) -> Path:
    """Where a run keeps its prediction arrays of a split or ``split@view``."""
    folder = directory / "predictions"
    return (folder / HONEST if honest else folder) / f"{split}.npz"


def finished_run(directory: Path | str) -> RunRecord:
    """A run that is done.

    Raises:
        RunError: it is no run, or not done.
    """
    record = RunRecord(Path(directory))
    if record.info.get("status") != "done":
        fix = f"Finish it first: mlzoo resume {quote(str(directory))}"
        raise RunError(f"{directory} is not done.", fix)
    return record


def run_folders(path: Path, unreadable: Callable[[OSError], None] | None = None) -> list[Path]:
    """Every folder at or below ``path`` with a ``run.json``; links to folders are not followed.

    Args:
        unreadable: told of each folder that cannot be looked into.
    """
    walk = os.walk(path, onerror=unreadable)
    return sorted(Path(folder) for folder, _, files in walk if "run.json" in files)


def find_runs(paths: Iterable[Path]) -> Iterator[RunRecord]:
    """Every run at or below the given folders, each once, oldest first within each folder.

    Raises:
        RunError: a path does not exist or holds no run.
    """
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise RunError(f"{path} does not exist.")
        folders = run_folders(path)
        if not folders:
            raise RunError(f"{path} holds no run (no run.json at or below it).")
        yield from (RunRecord(f) for f in folders if f.resolve() not in seen)
        seen |= {folder.resolve() for folder in folders}
