"""Runs for a report: what can be read, and why the rest is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shlex import quote

from mlzoo.errors import MlzooError, RunError
from mlzoo.registry import registry
from mlzoo.run_directory import RunRecord, run_folders
from mlzoo.run_schema import Values, check_schema


@dataclass(frozen=True)
class LeftOut:
    """A folder that no report can use, and why.

    Attributes:
        directory: as it was named or found.
        reason: in one line that names it.
        fix: what to do about it, if something can be done.
    """

    directory: Path
    reason: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.reason} {self.fix}".strip()


@dataclass(frozen=True)
class FoundRuns:
    """Finished runs that can be read, and what was left out."""

    records: Sequence[RunRecord]
    left_out: Sequence[LeftOut]

    def require_some(self) -> None:
        """Refuse to report nothing.

        Raises:
            RunError: every run was left out; of a single one the reason is the error's.
        """
        if self.records:
            return
        if len(self.left_out) == 1:
            raise RunError(self.left_out[0].reason, self.left_out[0].fix)
        raise RunError(f"none of these {len(self.left_out)} can be used.")


def read_runs(paths: Sequence[Path]) -> FoundRuns:
    """Every finished run at or below the paths, each once, oldest first within each folder.

    Whatever else is there is left out with its reason: a path that does not exist, holds no run or cannot be
    looked into; a run that is not done, whose files are damaged or another program's, or whose plugins are
    not installed.
    """
    folders: dict[Path, Path] = {}  # by where it really lies
    records, left_out = [], []
    for path in paths:
        found, problems = _below(path)
        left_out += problems
        for folder in found:
            folders.setdefault(folder.resolve(), folder)
    for folder in folders.values():
        record = RunRecord(folder)
        try:
            _require_usable(record)
        except MlzooError as error:
            left_out.append(_left(folder, error.message, error.fix))
        except OSError as error:
            left_out.append(_left(folder, _unreadable(folder, error)))
        else:
            records.append(record)
    return FoundRuns(records, left_out)


def _below(path: Path) -> tuple[list[Path], list[LeftOut]]:
    """Folders of runs, and what is wrong with the path."""
    problems: list[LeftOut] = []

    def tell(error: OSError) -> None:
        where = Path(str(error.filename or path))
        problems.append(_left(where, _unreadable(where, error)))

    try:
        if not path.exists():
            return [], [_left(path, f"{path} does not exist.")]
        if not path.is_dir():
            fix = f"Name its folder: {quote(str(path.parent))}"
            return [], [_left(path, f"{path} is a file and no run's folder.", fix)]
        found = run_folders(path, tell)
    except (OSError, ValueError) as error:  # a folder that nobody may enter, a name with a null
        return [], [_left(path, f"{path} cannot be looked into: {_why(error)}.")]
    if not found and not problems:
        problems = [_left(path, f"{path} holds no run (no run.json at or below it).")]
    return found, problems


def _left(directory: Path, reason: str, fix: str = "") -> LeftOut:
    return LeftOut(directory, _line(reason), _line(fix))


def _require_usable(record: RunRecord) -> None:
    """Read all three files and look for the plugins.

    Raises:
        MlzooError: why the run is of no use.
    """
    status = record.info.get("status")
    if not (record.directory / "config.json").exists():
        raise RunError(f"{record.directory} is no run of mlzoo, or a broken one: no config.json.")
    check_schema(Values, record.config, record.directory / "config.json")
    results = record.results
    if not results and status == "done":
        raise RunError(
            f"{record.directory} is done and has no results.json: a copy of a part of it?"
        )
    if not results:
        raise RunError(
            f"{record.directory} is not done ({status or 'only begun'}).",
            f"Go on with it: mlzoo resume {quote(str(record.directory))}",
        )
    if record.config["model"] != results["model"]:
        raise RunError(f"{record.directory} is of two runs: its files name different models.")
    _require_plugins(record)


def _require_plugins(record: RunRecord) -> None:
    """What made the run must be installed, to know what its numbers are.

    Raises:
        RunError: names what is missing, and the distributions that the run was made with.
    """
    results, reg = record.results, registry()
    try:
        reg.model(results["model"])
        reg.dataset(results["dataset"], results["task"])
        reg.evaluators_for(results["task"])
    except MlzooError as error:
        absent = [name for name in results["plugins"] if not _is_installed(name)]
        fix = f"Install it: pip install {' '.join(map(quote, absent))}" if absent else error.fix
        raise RunError(f"{record.directory}: {error.message.rstrip('.')}.", fix) from error


def _is_installed(distribution: str) -> bool:
    try:
        return bool(version(distribution))
    except (PackageNotFoundError, ValueError):
        return False


def _unreadable(path: Path, error: OSError) -> str:
    return f"{path} cannot be looked into: {_why(error)}."


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _line(text: str) -> str:
    """One printable line: files that others wrote speak through it."""
    words = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(words.split())
