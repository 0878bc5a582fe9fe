"""The doctor finds what is wrong, says how to mend it, and exits 1 only for trouble."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple

import pytest

from mlzoo import diagnosis, isolation
from mlzoo.data.manifest import status, verify
from mlzoo.specs import DataFile, DatasetSpec

pytestmark = pytest.mark.usefixtures("toy")

MODEL = """
from mlzoo import ModelSpec, Paper, hookimpl

PAPER = Paper(title="t", authors="a", venue="v", year=2020, url="u", bibtex="b")

@hookimpl
def mlzoo_models():
    yield ModelSpec(name="{name}", summary="s", task="toy-regression", paper=PAPER,
                    config="{config}", factory="mlzoo_toy:Toy", default_dataset="toys")
"""


@pytest.fixture
def add(toy, monkeypatch):
    """Install another plugin beside the toy one."""

    def install(name: str, source: str) -> None:
        toy.add(f"mlzoo-{name}", source)
        monkeypatch.setenv("MLZOO_PLUGINS", f"toy,{name}")
        monkeypatch.setenv("PYTHONPATH", str(toy.folder), prepend=":")

    return install


@pytest.fixture
def quick(monkeypatch):
    """Without the seconds that importing torch takes."""
    monkeypatch.setattr(diagnosis, "check_torch", lambda: iter(()))


@pytest.fixture
def findings(cli, toy, monkeypatch, quick):
    """The findings of one call by name, and its exit status."""
    monkeypatch.setenv("PYTHONPATH", str(toy.folder), prepend=":")

    def call(*words: object) -> tuple[dict[str, list[dict[str, str]]], int]:
        done = cli("doctor", "--json", *words)
        found: dict[str, list[dict[str, str]]] = {}
        for finding in json.loads(done.out)["findings"]:
            found.setdefault(finding["name"], []).append(finding)
        return found, done.code

    return call


def test_sound_installation_has_no_trouble(findings):
    found, code = findings()
    assert code == 0
    assert {f["level"] for group in found.values() for f in group} <= {"ok", "note"}
    assert "can be imported" in found["refs toy"][0]["detail"]
    assert found["data toy-files"][0]["level"] == "note"


def test_torch_and_devices_are_told():
    torch, devices = diagnosis.check_torch()
    assert (torch.level, devices.level) == ("ok", "ok")
    assert "CPU threads" in devices.detail


def test_torch_that_cannot_be_imported_is_trouble(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise ImportError('libc is too old')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    (finding,) = diagnosis.check_torch()
    assert finding.level == "trouble"
    assert "libc is too old" in finding.detail
    assert "mlzoo-core[torch]" in finding.fix


def test_text_has_one_line_a_finding_and_the_verdict_last(cli, toy, monkeypatch, quick):
    monkeypatch.setenv("PYTHONPATH", str(toy.folder), prepend=":")
    done = cli("doctor")
    lines = done.out.splitlines()
    assert lines[0].startswith("ok      python: ")
    assert lines[-1] == "no trouble"


def test_plugin_without_a_range_is_a_note(findings):
    found, _ = findings()
    (plugin,) = found["plugin toy"]
    assert plugin["level"] == "note"
    assert "declares no range of mlzoo-core" in plugin["detail"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_package", "no_such_package"),
        (MODEL.format(name="toy", config="mlzoo_toy:ToyConfig"), "also brought by"),
        (
            MODEL.format(name="other", config="mlzoo_toy:ToyConfig") + "\ndef mlzoo_modells(): ...",
            "did you mean mlzoo_models?",
        ),
    ],
)
def test_broken_plugin_duplicate_name_and_misspelt_hook_are_trouble(add, findings, source, reason):
    add("wrong", source)
    found, code = findings()
    assert code == 1
    (trouble,) = [f for f in found["plugin wrong"] + found["plugin toy"] if f["level"] == "trouble"]
    assert reason in trouble["detail"]
    assert "pip uninstall mlzoo-" in trouble["fix"]


def test_traceback_only_on_request(add, cli, quick):
    add("wrong", "import no_such_package")
    assert "Traceback" not in cli("doctor").out
    assert "Traceback" in cli("doctor", "--traceback").out


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x = 1", "has no attribute 'Missing'"),
        ("import os\nos.kill(os.getpid(), 11)", "crashed (signal 11)"),
        ("import os\nos._exit(3)", "ended the process (status 3)"),
        ("import sys\nsys.exit(4)", "ended the process (status 4)"),
        ("import time\ntime.sleep(600)", "took more than 3 s"),
        ("print('noise')\n1 / 0", "ZeroDivisionError"),
        ("import no_such_package", "needs the module 'no_such_package'"),
    ],
)
def test_ref_whose_import_fails_crashes_or_hangs_is_named(
    add, findings, toy, monkeypatch, source, reason
):
    (toy.folder / "bad_module.py").write_text(source)
    add("wrong", MODEL.format(name="other", config="bad_module:Missing"))
    monkeypatch.setattr(isolation, "IMPORT_SECONDS", 3)
    found, code = findings()
    assert code == 1
    (trouble,) = found["refs wrong"]  # the Ref after the one at fault was tried and is fine
    assert trouble["level"] == "trouble"
    assert "bad_module:Missing" in trouble["detail"]
    assert reason in trouble["detail"]


def test_missing_requirement_of_a_plugin_is_trouble(findings, toy):
    metadata = toy.folder / "mlzoo_toy-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + "Requires-Dist: no-such-package>=2\n")
    found, code = findings()
    assert code == 1
    assert any("needs no-such-package>=2" in f["detail"] for f in found["requirements"])


def test_data_that_is_there_is_ok(findings, tmp_path, cli):
    assert cli("data", "demo", "toy-files", tmp_path / "root").code == 0
    found, code = findings("--data-dir", tmp_path / "root")
    assert found["data toy-files"][0]["level"] == "ok"
    assert code == 0


def test_data_partly_there_is_trouble(tmp_path):
    files = (DataFile(path="a.bin"), DataFile(path="b.bin"))
    spec = DatasetSpec(name="d", summary="s", task="t", load="a:b", files=files)
    (tmp_path / "d").mkdir()
    levels = []
    for name in ("c.bin", "a.bin", "b.bin"):
        (tmp_path / "d" / name).touch()
        levels.append(
            diagnosis._dataset("data d", "d", tmp_path / "d", status(spec, tmp_path)).level
        )
    assert levels == ["note", "trouble", "ok"]


def test_checksums_are_compared_only_when_asked(tmp_path):
    wrong = DataFile(path="a.bin", size=1, sha256="0" * 64)
    spec = DatasetSpec(name="d", summary="s", task="t", load="a:b", files=(wrong,))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.bin").write_bytes(b"x")
    for look, level in ((status, "ok"), (verify, "trouble")):
        finding = diagnosis._dataset("data d", "d", tmp_path / "d", look(spec, tmp_path))
        assert finding.level == level
    assert "a.bin (wrong checksum)" in finding.detail
    (tmp_path / "d" / "a.bin").write_bytes(b"xx")
    finding = diagnosis._dataset("data d", "d", tmp_path / "d", status(spec, tmp_path))
    assert "a.bin (wrong size)" in finding.detail


def test_folder_that_is_no_folder_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    found = {f.name: f for f in diagnosis.check_folders(tmp_path / "file", tmp_path / "file")}
    assert found["folder runs"].level == "trouble"
    assert "--out" in found["folder runs"].fix
    assert found["folder data"].level == "note"  # data may lie on a read-only disk
    assert not list(tmp_path.glob("file/*"))


@pytest.mark.parametrize(("free", "level"), [(1e8, "trouble"), (1e9, "note"), (1e12, "ok")])
def test_little_disk_space_is_told(tmp_path, monkeypatch, free, level):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2e12, 0, free))
    assert {f.level for f in diagnosis.check_folders(tmp_path, tmp_path)} == {level}


def test_clock_before_the_installation_is_trouble(tmp_path, monkeypatch):
    assert next(diagnosis.check_clock(tmp_path)).level == "ok"
    monkeypatch.setattr(diagnosis.time, "time", lambda: 1e9)
    assert next(diagnosis.check_clock(tmp_path)).level == "trouble"


def test_a_check_that_fails_is_a_finding(monkeypatch, tmp_path):
    def broken():
        raise RuntimeError("no luck")

    monkeypatch.setattr(diagnosis, "check_python", broken)
    first = next(diagnosis.diagnose(None, tmp_path))
    assert first.level == "trouble"
    assert "no luck" in first.detail
