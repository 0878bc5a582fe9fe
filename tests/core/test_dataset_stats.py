"""``mlzoo data info NAME --stats``: tables that a dataset makes of its files."""

from __future__ import annotations

import json

import pytest

from mlzoo.registry import registry
from mlzoo.specs import DatasetSpec, refs_of

PLUGIN = """
import numpy as np
from pydantic import Field

from mlzoo import Config, DatasetSpec, hookimpl
from mlzoo.errors import DataError

ME = "mlzoo_counted"


class Options(Config):
    version: str = Field("v1", description="which one")


def stats(root, options):
    if not (root / "texts.txt").is_file():
        raise DataError(f"{root / 'texts.txt'} does not exist.", "Put it there.")
    mean = np.float32([2.5, np.nan])
    return {
        f"by split ({options.version})": {"split": ["train", "test"], "texts": [16594, 2306], "mean": mean},
        "longest": {"words": np.arange(2)},
    }


def uneven(root, options):
    return {"a": {"x": [1], "y": [1, 2]}}


def nothing(root, options):
    return {}


@hookimpl
def mlzoo_datasets():
    common = {"summary": "x", "task": "texts", "load": f"{ME}:stats"}
    yield DatasetSpec(name="counted", config=f"{ME}:Options", stats=f"{ME}:stats", **common)
    yield DatasetSpec(name="plain", **common)
    yield DatasetSpec(name="uneven", stats=f"{ME}:uneven", **common)
    yield DatasetSpec(name="nothing", stats=f"{ME}:nothing", **common)
"""


@pytest.fixture
def counted(only_plugin, monkeypatch, tmp_path):
    """The made-up plugin, and a data root with its file."""
    only_plugin("mlzoo-counted", PLUGIN)
    monkeypatch.setenv("MLZOO_DATA", str(tmp_path / "nowhere"))
    (tmp_path / "root" / "counted").mkdir(parents=True)
    (tmp_path / "root" / "counted" / "texts.txt").touch()
    return tmp_path / "root"


def test_tables_are_printed_one_after_the_other(cli, counted):
    called = cli("data", "info", "counted", "--stats", "--data-dir", counted)
    assert called.code == 0, called.err
    assert called.out.splitlines() == [
        "by split (v1)",
        "split   texts  mean",
        "-----  ------  ----",
        "train  16,594   2.5",
        "test    2,306",
        "",
        "longest",
        "words",
        "-----",
        "    0",
        "    1",
    ]


def test_as_json_an_empty_cell_is_null(cli, counted):
    called = cli("data", "info", "counted", "--stats", "--data-dir", counted, "--json")
    told = json.loads(called.out)
    assert told["dataset"] == "counted"
    assert told["folder"] == str(counted / "counted")
    assert told["tables"]["by split (v1)"] == {
        "split": ["train", "test"],
        "texts": [16594, 2306],
        "mean": [2.5, None],
    }


def test_a_missing_file_is_the_datasets_own_error(cli, counted, tmp_path):
    called = cli("data", "info", "counted", "--stats")
    assert called.code == 1
    assert f"{tmp_path / 'nowhere' / 'counted' / 'texts.txt'} does not exist." in called.err
    assert "Put it there." in called.err


def test_a_dataset_without_statistics_names_those_that_have(cli, counted):
    called = cli("data", "info", "plain", "--stats")
    assert called.code == 2
    assert "plain has no statistics." in called.err
    assert "Datasets that have: counted, nothing, uneven." in called.err


def test_a_data_folder_without_stats_is_refused(cli, counted):
    called = cli("data", "info", "counted", "--data-dir", counted)
    assert called.code == 2
    assert "Add --stats" in called.err


@pytest.mark.parametrize(
    ("name", "message"), [("uneven", "columns of different length"), ("nothing", "no tables")]
)
def test_what_is_no_table_is_the_plugins_fault(cli, counted, name, message):
    called = cli("data", "info", name, "--stats")
    assert called.code == 1
    assert message in called.err
    assert "mlzoo-counted 1.0" in called.err


def test_the_card_says_how_to_get_them(cli, counted):
    assert "mlzoo data info counted --stats" in cli("data", "info", "counted").out
    assert "--stats" not in cli("data", "info", "plain").out


def test_the_ref_is_checked_like_any_other(counted):
    entry = registry().dataset("counted")
    assert ("stats", "mlzoo_counted:stats") in list(refs_of(entry.spec))
    with pytest.raises(ValueError, match="stats must look like"):
        DatasetSpec(name="x", summary="x", task="x", load="a:b", stats="a.b")
