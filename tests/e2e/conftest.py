"""A place to install a plugin with pip, as its user would."""

from __future__ import annotations

import os
import site as python_site
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest


class Workshop:
    """A fresh environment that sees what this one has, and in which a plugin can be installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "env", with_pip=False, symlinks=True)
        self.python = folder / "env" / "bin" / "python"
        (site_packages,) = (folder / "env").glob("lib/python*/site-packages")
        # addsitedir, so that packages installed in place are seen too
        lines = [
            f"import site; site.addsitedir({path!r})" for path in python_site.getsitepackages()
        ]
        (site_packages / "outer.pth").write_text("\n".join(lines) + "\n")

    def call(self, *words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python with these words, as in a shell with the environment active."""
        return subprocess.run(
            [str(self.python), *map(str, words)],
            cwd=cwd or self.folder,
            env={k: v for k, v in os.environ.items() if not k.startswith("MLZOO_")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def install(self, package: Path) -> None:
        """Install a package from its folder, in place."""
        words = ("install", "-q", "--no-build-isolation", "--no-deps", "-e", package)
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--python", self.python, *words],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def new_workshop() -> Callable[[Path], Workshop]:
    """Makes a workshop in a folder."""
    for tool in ("pip", "hatchling", "editables"):
        pytest.importorskip(tool)
    return Workshop
