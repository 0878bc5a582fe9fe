"""``mlzoo data doctor``: a dataset's own findings, or files, loading and facts."""

from __future__ import annotations

import json

import pytest

PLUGIN = """
from pydantic import Field

from mlzoo import Config, DatasetSpec, Finding, hookimpl
from mlzoo.errors import DataError

ME = "mlzoo_examined"


class Options(Config):
    version: str = Field("v1", description="which one")


def examine(root, options):
    if options.version == "unreadable":
        raise DataError(f"{root / 'x.mat'} is damaged.", "Fetch it again.")
    yield Finding("ok", "x.mat", f"{options.version} in {root.name}")
    yield Finding("warning", "split", "leaks", "Use v2.")
    if options.version == "bad":
        yield Finding("error", "labels", "expected 1 to 200, found 0", "Say the base.")


def load(root, options):
    raise NotImplementedError


@hookimpl
def mlzoo_datasets():
    yield DatasetSpec(name="examined", summary="x", task="texts", load=f"{ME}:load",
                      config=f"{ME}:Options", doctor=f"{ME}:examine")
"""


@pytest.fixture
def examined(only_plugin, monkeypatch, tmp_path):
    """The made-up plugin and an empty folder with a copy of its data."""
    only_plugin("mlzoo-examined", PLUGIN)
    monkeypatch.setenv("MLZOO_DATA", str(tmp_path / "data-root"))
    (tmp_path / "copy").mkdir()
    return tmp_path / "copy"


def test_own_findings_are_shown_with_their_fix(cli, examined):
    called = cli("data", "doctor", "examined", examined, "--version", "v2")
    assert called.code == 0, called.err
    assert called.out.splitlines() == [
        str(examined),
        "ok      x.mat: v2 in copy",
        "warning split: leaks",
        "        Use v2.",
        "no error",
    ]


def test_an_error_makes_the_status_1(cli, examined):
    called = cli("data", "doctor", "examined", examined, "--version", "bad", "--json")
    assert called.code == 1
    told = json.loads(called.out)
    assert told["ok"] is False
    assert told["findings"][-1] == {
        "level": "error",
        "subject": "labels",
        "text": "expected 1 to 200, found 0",
        "fix": "Say the base.",
    }


def test_what_cannot_be_read_is_a_finding(cli, examined):
    called = cli("data", "doctor", "examined", "--version", "unreadable")
    assert called.code == 1
    assert "error   examined: " in called.out
    assert "data-root/examined/x.mat is damaged." in called.out
    assert "Fetch it again." in called.out
    assert called.err == ""


def test_path_must_be_a_folder_and_the_only_one(cli, examined, tmp_path):
    called = cli("data", "doctor", "examined", tmp_path / "none")
    assert called.code == 2
    assert "none is no folder" in called.err
    called = cli("data", "doctor", "examined", examined, "--data-dir", tmp_path)
    assert called.code == 2
    assert "--data-dir" in called.err
    assert cli("data", "doctor").code == 2


def test_dataset_without_doctor_is_looked_for_and_loaded(cli, toy, tmp_path):
    missing = cli("data", "doctor", "toy-files")
    assert missing.code == 1
    assert "error   rows.npz: missing" in missing.out
    assert "ask the author" in missing.out
    cli("data", "demo", "toy-files", tmp_path / "root")
    found = cli("data", "doctor", "toy-files", tmp_path / "root" / "toy-files", "--json")
    assert found.code == 0
    findings = {each["subject"]: each for each in json.loads(found.out)["findings"]}
    assert findings["rows.npz"]["text"] == "present"
    assert findings["train"]["text"] == "8"
    assert len(findings["fingerprint"]["text"]) == 64
    (tmp_path / "root" / "toy-files" / "rows.npz").write_bytes(b"PK")
    broken = cli("data", "doctor", "toy-files", "--data-dir", tmp_path / "root")
    assert broken.code == 1
    assert "rows.npz is not a whole .npz file" in broken.out


def test_embedded_dataset_needs_no_folder(cli, toy):
    called = cli("data", "doctor", "toys", "--samples", 5)
    assert called.code == 0
    assert "ok      train: 5" in called.out
