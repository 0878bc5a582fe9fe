"""Fixtures for every room: fake distributions, and the command line as a user calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import pytest


class FakeSite:
    """A folder like site-packages into which tests install made-up plugins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, distribution: str, source: str | None, *, target: str | None = None) -> None:
        """Install ``distribution`` 1.0 with one entry point; ``source`` None leaves the module out."""
        module = distribution.replace("-", "_")
        if source is not None:
            (self.folder / f"{module}.py").write_text(source, encoding="utf-8")
        info = self.folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        name = distribution.removeprefix("mlzoo-")
        (info / "entry_points.txt").write_text(f"[mlzoo]\n{name} = {target or module}\n")

    def points(self) -> list[EntryPoint]:
        """The entry points of the made-up distributions alone."""
        found = distributions(path=[str(self.folder)])
        return [point for dist in found for point in dist.entry_points if point.group == "mlzoo"]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSite]:
    """An empty fake site that can be imported from."""
    folder = tmp_path / "site"
    folder.mkdir()
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(folder))
    yield FakeSite(folder)
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


Mlzoo = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def mlzoo(tmp_path: Path) -> Mlzoo:
    """Run ``python -m mlzoo WORDS`` in an empty folder, as a user's shell would."""
    folder = tmp_path / "cwd"
    folder.mkdir()

    def call(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MLZOO_")}
        clean |= {"MLZOO_DATA": str(tmp_path / "data-root"), "COLUMNS": "120"}
        return subprocess.run(
            [sys.executable, "-m", "mlzoo", *map(str, words)],
            capture_output=True,
            text=True,
            cwd=folder,
            env=clean | environment,
            timeout=300,
            check=False,
        )

    return call
