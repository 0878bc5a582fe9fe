"""The plugin author's guide is true: its files make a plugin that lists, runs and keeps the contract."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "plugins.md"


def guide_files() -> dict[str, str]:
    """The code blocks that begin with a comment naming their file."""
    blocks = re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", GUIDE.read_text(), flags=re.S)
    return dict(blocks)


@pytest.fixture
def moons(site):
    files = guide_files()
    for name, text in files.items():
        path = site.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (site.folder / "mlzoo_moons" / "__init__.py").touch()
    site.add("mlzoo-moons", None, target="mlzoo_moons.plugin")
    return site


def test_guide_shows_all_five_files_and_the_test():
    assert set(guide_files()) == {
        "pyproject.toml",
        "mlzoo_moons/plugin.py",
        "mlzoo_moons/config.py",
        "mlzoo_moons/data.py",
        "mlzoo_moons/model.py",
        "tests/test_contract.py",
    }


def test_guide_plugin_lists_and_learns(moons, mlzoo):
    path = {"PYTHONPATH": str(moons.folder)}
    listed = mlzoo("list", "models", "--json", **path)
    assert "perceptron" in {model["name"] for model in json.loads(listed.stdout)}
    done = mlzoo("run", "perceptron", "--hidden", 32, "--json", **path)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results["metrics"]["test"]["accuracy"] > 85
    assert results["selection"]["rule"] == "val"


def test_guide_plugin_keeps_the_contract(moons):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_contract.py"],
        cwd=moons.folder,
        env={**os.environ, "PYTHONPATH": str(moons.folder), "MLZOO_PLUGINS": "moons"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
