"""The bootstrap script: what a newcomer meets before anything of mlzoo is installed."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "dev.py"


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, working in a folder of its own."""
    spec = importlib.util.spec_from_file_location("dev", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("CONSTRAINTS", "ENVIRONMENT", "LOG", "PYTHON", "READY"):
        moved = tmp_path / getattr(module, name).relative_to(module.ROOT)
        monkeypatch.setattr(module, name, moved)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    module.CONSTRAINTS.write_text("nox==1\n")
    return module


def test_script_is_readable_for_an_old_python_so_that_it_can_say_what_is_wrong() -> None:
    assert ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 6)).body


def test_old_python_gets_one_line(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(dev.SetupError, match=r"^Python 3\.11 or newer is needed, this is 3\.9;.*$"):
        dev.main(["tests"])


def test_environment_counts_as_ready_only_after_the_last_step(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev.ENVIRONMENT.mkdir(parents=True)
    dev.READY.write_text("left by an older set-up")
    commands = []

    def succeeds(*command: object) -> bool:
        assert not dev.READY.exists()
        commands.append(command)
        return True

    monkeypatch.setattr(dev, "succeeds", succeeds)
    dev.make_environment()
    assert "--clear" in commands[0]
    assert commands[-1][-2:] == ("nox", "uv")
    assert dev.READY.read_text() == dev.stamp()


def test_environment_is_not_ready_after_a_failed_install(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def succeeds(*command: object) -> bool:
        dev.LOG.write_text("WARNING: Retrying (Retry(total=0))\nERROR: No matching distribution")
        return "install" not in command

    monkeypatch.setattr(dev, "succeeds", succeeds)
    with pytest.raises(dev.SetupError, match="index cannot be reached"):
        dev.make_environment()
    assert not dev.READY.exists()


def test_missing_venv_module_is_named_with_the_package_that_brings_it(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "succeeds", lambda *command: False)
    with pytest.raises(dev.SetupError, match="apt install python3-venv"):
        dev.make_environment()


def test_system_pip_fills_the_environment_where_ensurepip_is_missing(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []

    def succeeds(*command: object) -> bool:
        commands.append(command)
        dev.ENVIRONMENT.mkdir(parents=True, exist_ok=True)
        return str(command[-1]) != str(
            dev.ENVIRONMENT
        )  # "venv" alone fails, "venv --without-pip" works

    monkeypatch.setattr(dev, "succeeds", succeeds)
    dev.make_environment()
    assert commands[-1][:5] == (sys.executable, "-m", "pip", "--python", dev.PYTHON)
    assert commands[-1][-3:] == ("nox", "uv", "pip")


def test_changed_constraints_make_the_environment_anew(dev: ModuleType) -> None:
    before = dev.stamp()
    dev.CONSTRAINTS.write_text("nox==2\n")
    assert dev.stamp() != before
