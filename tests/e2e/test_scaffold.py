"""A new plugin works out of the box: installed with pip, it lists, runs, and passes its own tests."""

from __future__ import annotations

import json
import os
import site as python_site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytest.importorskip("pip")
pytest.importorskip("hatchling")
pytest.importorskip("editables")

NAME = "green-pea"


class Workshop:
    """A fresh environment that sees what this one has, with the new plugin installed in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = folder / f"mlzoo-{NAME}"
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


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> Workshop:
    made = Workshop(tmp_path_factory.mktemp("workshop"))
    done = made.call("-m", "mlzoo", "plugin", "new", NAME)
    assert done.returncode == 0, done.stderr
    words = ("install", "-q", "--no-build-isolation", "--no-deps", "-e", made.package)
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "--python", made.python, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert installed.returncode == 0, installed.stderr
    return made


def test_new_plugin_is_listed_with_its_range(workshop):
    done = workshop.call("-m", "mlzoo", "plugin", "list", "--json")
    rows = {row["distribution"]: row for row in json.loads(done.stdout)["plugins"]}
    row = rows[f"mlzoo-{NAME}"]
    assert row["status"] == "ok"
    assert row["version"] == "0.1.0"
    assert set(row["needs core"].split(",")) == {">=0.1", "<0.2"}


def test_new_plugin_runs_and_beats_chance(workshop):
    done = workshop.call("-m", "mlzoo", "run", NAME, "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    chance = results["references"]["accuracy"]["chance"]
    assert results["metrics"]["test"]["accuracy"] > 2 * chance


def test_new_plugin_passes_its_own_tests(workshop):
    done = workshop.call(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=workshop.package
    )
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_check_of_the_installed_plugin_finds_nothing(workshop):
    done = workshop.call("-m", "mlzoo", "plugin", "check", f"mlzoo-{NAME}", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["ok"]
    assert {"resume is bit equal[ModelSpec-green-pea]", "seed decides[ModelSpec-green-pea]"} <= {
        check["check"] for check in report["checks"]
    }
