"""``mlzoo plugin check``: the contract suite over one distribution, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlzoo.errors import PluginError, UsageError, did_you_mean
from mlzoo.hookspecs import PROJECT

SUITE = """from mlzoo.testing import ContractSuite
class TestContract(ContractSuite): distribution = {distribution!r}
"""


@dataclass(frozen=True)
class Outcome:
    """How one check ended; ``reason`` has the first lines of what failed."""

    check: str
    ok: bool
    reason: str = ""


@dataclass(frozen=True)
class Target:
    """A distribution to be checked. ``folder`` is its source if it need not be installed."""

    distribution: str
    folder: Path | None = None


def find_target(text: str) -> Target:
    """The installed distribution (or plugin) of that name, else the source folder at that path.

    Raises:
        UsageError: there is neither.
    """
    canonical = text.lower().replace("_", "-")
    known = {}
    for point in entry_points(group=PROJECT):
        if point.dist is not None:
            known[point.dist.name.lower().replace("_", "-")] = point.dist.name
            known.setdefault(point.name, point.dist.name)
    if canonical in known and not text.startswith(".") and os.sep not in text:
        return Target(known[canonical])
    if Path(text).is_dir():
        return Target(str(_project(Path(text))["name"]), Path(text).resolve())
    hint = did_you_mean(canonical, known)
    raise UsageError(f"no plugin is installed as {text!r}, and no folder has that name.", hint)


def _project(folder: Path) -> dict[str, Any]:
    """The project table of a source folder that brings a plugin."""
    path = folder / "pyproject.toml"
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        if not isinstance(project["name"], str):
            raise ValueError("the project's name must be text")
        points = project["entry-points"][PROJECT]
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"{path} describes no plugin: it lacks {error}.",
            f"It needs a name and a table [project.entry-points.{PROJECT}].",
        ) from error
    if not isinstance(points, dict) or not points:
        raise UsageError(f"{path} names no entry point of the group {PROJECT}.")
    return dict(project)


def check(target: Target) -> Iterator[Outcome]:
    """Run the suite and give each check's outcome as it ends.

    Raises:
        PluginError: pytest is missing, or the suite ended early.
    """
    if find_spec("pytest") is None:
        raise PluginError(
            "the contract suite needs pytest.",
            "Install it with: python -m pip install 'mlzoo-core[testing]'",
        )
    with tempfile.TemporaryDirectory(prefix="mlzoo-check-") as folder:
        work = Path(folder)
        (work / "test_contract.py").write_text(SUITE.format(distribution=target.distribution))
        limits = ("MLZOO_PLUGINS", "MLZOO_STRICT")  # would hide what is to be checked
        environment = {name: text for name, text in os.environ.items() if name not in limits}
        if target.folder is not None:
            paths = [*_described(target.folder, work / "site"), os.environ.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        yield from _outcomes(work, environment)


def _described(folder: Path, site: Path) -> list[str]:
    """Metadata of a source folder as an installer would write it; returns what to import from."""
    project = _project(folder)
    info = site / f"{project['name'].replace('-', '_')}-0.dist-info"
    info.mkdir(parents=True)
    lines = [f"Name: {project['name']}", f"Version: {project.get('version', '0')}"]
    lines += [f"Requires-Dist: {line}" for line in project.get("dependencies", [])]
    (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, ""]))
    points = [f"{name} = {value}" for name, value in project["entry-points"][PROJECT].items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{PROJECT}]", *points, ""]))
    return [str(site), str(folder / "src"), str(folder)]


def _outcomes(work: Path, environment: dict[str, str]) -> Iterator[Outcome]:
    code = "from mlzoo.plugin_check import run_suite; run_suite()"
    with (
        (work / "errors.txt").open("w+") as errors,
        _stopped_at_the_end(
            subprocess.Popen(
                [sys.executable, "-c", code],
                cwd=work,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            yield Outcome(**json.loads(line))
        if process.wait() not in (0, 1):  # 1: some check failed, which was told
            errors.seek(0)
            last = (errors.read().strip().splitlines() or ["no message"])[-1]
            raise PluginError(
                f"the contract suite ended early (status {process.returncode}): {last}"
            )


@contextmanager
def _stopped_at_the_end(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    with process:  # which waits for it
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def run_suite() -> None:
    """In the other process: pytest over ``test_contract.py`` here, one JSON line a check."""
    import pytest

    with os.fdopen(os.dup(1), "w", buffering=1) as out:  # pytest captures standard output itself
        words = ["test_contract.py", "-p", "no:terminal", "-p", "no:cacheprovider"]
        pytest.register_assert_rewrite("mlzoo.testing")
        code = pytest.main([*words, "--rootdir=.", "-c", os.devnull], plugins=[_Reporter(out)])
    sys.exit(code)


class _Reporter:
    """A pytest plugin that tells each outcome in a line."""

    def __init__(self, out: Any) -> None:
        self.out = out

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed or (report.passed and report.when == "call"):
            name = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
            self._tell(Outcome(name, report.passed, _reason(report)))

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._tell(Outcome("the suite can be collected", False, _reason(report)))

    def _tell(self, outcome: Outcome) -> None:
        self.out.write(json.dumps(asdict(outcome)) + "\n")


def _reason(report: Any) -> str:
    """The first two lines of an exception's message, without the class of an assertion."""
    if report.passed:
        return ""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    text = text.removeprefix("AssertionError: ").removeprefix("mlzoo.errors.")
    return "\n".join([line.strip() for line in text.strip().splitlines() if line.strip()][:2])
