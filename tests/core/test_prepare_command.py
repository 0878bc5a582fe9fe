"""``mlzoo data prepare``: each dataset's own options, facts shown, nothing left behind."""

from __future__ import annotations

import json

import pytest

from mlzoo.errors import PluginError
from mlzoo.registry import registry
from mlzoo.specs import DatasetSpec, refs_of
from mlzoo.testing import check_options, check_refs

PLUGIN = """
from pathlib import Path

from pydantic import Field

from mlzoo import Config, DatasetSpec, hookimpl
from mlzoo.errors import UsageError

ME = "mlzoo_raw"


class Raw(Config):
    lines: Path | None = Field(None, description="a text file")
    times: int = Field(1, gt=0, description="how often each line is kept")
    shout: bool = Field(False, description="in capitals")


class NoConfig:
    pass


def prepare(root, options, progress):
    if options.lines is None:
        raise UsageError("nothing to prepare from.", "Give --lines FILE.")
    lines = options.lines.read_text().splitlines() * options.times
    progress.begin("lines", len(lines), 0)
    for done, _ in enumerate(lines, 1):
        progress.counted(done, len(lines))
    progress.end()
    (root / "kept.txt").write_text("\\n".join(l.upper() if options.shout else l for l in lines))
    return {"lines": len(lines), "widths": {"first": len(lines[0])}}


def prepare_alone(root, options, progress):
    assert options is None
    (root / "kept.txt").write_text("alone")
    return {"lines": 1}


def load(root, options):
    raise NotImplementedError


@hookimpl
def mlzoo_datasets():
    common = {"task": "texts", "load": f"{ME}:load"}
    yield DatasetSpec(name="raw", summary="lines", prepare=f"{ME}:prepare",
                      prepare_config=f"{ME}:Raw", **common)
    yield DatasetSpec(name="alone", summary="a line", prepare=f"{ME}:prepare_alone", **common)
    yield DatasetSpec(name="wrong", summary="a mistake", prepare=f"{ME}:prepare_alone",
                      prepare_config=f"{ME}:NoConfig", **common)
    yield DatasetSpec(name="ready", summary="no lines", **common)
"""


@pytest.fixture
def raw(only_plugin, monkeypatch, tmp_path):
    """The made-up plugin, and a text file of two lines in the working folder."""
    only_plugin("mlzoo-raw", PLUGIN)
    monkeypatch.setenv("MLZOO_DATA", str(tmp_path / "data-root"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.txt").write_text("one\nthree\n")
    return tmp_path / "data-root"


def test_files_are_made_in_the_folder_of_the_dataset(cli, raw):
    called = cli("data", "prepare", "raw", "--lines", "lines.txt", "--times", 2, "--shout")
    assert called.code == 0, called.err
    assert (raw / "raw" / "kept.txt").read_text() == "ONE\nTHREE\nONE\nTHREE"
    assert f"written to {raw / 'raw'}" in called.out
    assert "widths.first  3" in called.out
    assert "lines 4/4" in called.err


def test_facts_can_be_read_by_a_script(cli, raw, tmp_path):
    words = ["data", "prepare", "raw", "--lines", "lines.txt", "--data-dir", tmp_path / "other"]
    called = cli(*words, "--json")
    facts = json.loads(called.out)
    folder = str(tmp_path / "other" / "raw")
    assert facts == {"folder": folder, "lines": 2, "widths": {"first": 3}}
    assert called.err == ""


def test_options_are_those_of_the_preparation(cli, raw):
    shown = cli("data", "prepare", "raw", "--help").out
    assert "--times INTEGER" in shown
    assert "--lines PATH" in shown
    assert "how often each line is kept  [1]" in shown
    called = cli("data", "prepare", "raw", "--times", 0)
    assert called.code == 2
    assert "--times" in called.err


def test_dataset_without_options_is_prepared_with_none(cli, raw):
    assert cli("data", "prepare", "alone").code == 0
    assert (raw / "alone" / "kept.txt").read_text() == "alone"


def test_failure_leaves_no_folder(cli, raw):
    called = cli("data", "prepare", "raw")
    assert called.code == 2
    assert called.err.splitlines()[-2:] == [
        "mlzoo: error: nothing to prepare from.",
        "Give --lines FILE.",
    ]
    assert not (raw / "raw").exists()


def test_dataset_without_preparation_says_which_have_one(cli, raw):
    called = cli("data", "prepare", "ready")
    assert called.code == 2
    assert "ready has nothing to prepare." in called.err
    assert "alone, raw, wrong" in called.err
    assert "ready" not in cli("data", "prepare", "--help").out
    assert cli("data", "prepare").code == 2
    assert "no dataset named 'row'" in cli("data", "prepare", "row").err


def test_options_that_are_no_config_are_the_plugins_fault(cli, raw):
    called = cli("data", "prepare", "wrong")
    assert called.code == 1
    assert "mlzoo_raw:NoConfig must be a subclass of mlzoo.Config" in called.err


def test_contract_suite_looks_at_the_preparation(raw):
    found = registry().dataset("raw")
    assert dict(refs_of(found.spec))["prepare_config"] == "mlzoo_raw:Raw"
    check_refs(found)
    check_options(found)
    with pytest.raises(AssertionError, match="NoConfig must derive"):
        check_options(registry().dataset("wrong"))


def test_spec_refuses_what_is_no_ref():
    for field in ("prepare_config", "doctor"):
        with pytest.raises(ValueError, match=f"{field} must look like"):
            DatasetSpec(name="x", summary="", task="t", load="a:b", **{field: "no ref"})


def test_code_that_is_not_there_is_named(cli, raw, site):
    source = site.folder / "mlzoo_raw.py"
    source.write_text(source.read_text().replace(":prepare_alone", ":absent"))
    called = cli("data", "prepare", "alone")
    assert called.code == PluginError.exit_code
    assert "mlzoo_raw:absent" in called.err
    assert not (raw / "alone").exists()
