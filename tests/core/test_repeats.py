"""Several random splits of one dataset: run together, reported together."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from mlzoo.cli import output
from mlzoo.registry import registry

SPLITS = """
import hashlib
from dataclasses import dataclass, replace

from pydantic import Field

from mlzoo.errors import DataError
from mlzoo import Config, DataFile, DatasetSpec, hookimpl
import mlzoo_toy

ME = "mlzoo_splits"
loaded = []


class SplitOptions(Config):
    split: int = Field(1, ge=1, le=30, description="random split")
    samples: int = Field(16, gt=1, description="rows in each split")
    word: str = Field("a", description="no number")


@dataclass(frozen=True)
class SplitData(mlzoo_toy.ToyData):
    shared: str = ""
    number: int = 0

    def references(self):
        return {"error": {} if self.number == 9 else {"ceiling": float(self.number)}}

    def family(self):
        return hashlib.sha256(self.shared.encode()).hexdigest()


def load(root, options):
    loaded.append(options.split)
    if options.split == 13:
        raise DataError("an unlucky split.")
    data = mlzoo_toy.load(root, options)
    x = {name: rows + options.split for name, rows in data.x.items()}
    return SplitData(x, data.y, shared=options.word, number=options.split)


def load_strangers(root, options):
    data = load(root, options)
    return mlzoo_toy.ToyData(data.x, data.y)


def spec(name, **changes):
    values = {"load": f"{ME}:load", "repeats": "split", "embedded": True, **changes}
    return DatasetSpec(name=name, summary="many planes", task=mlzoo_toy.TASK,
                       config=f"{ME}:SplitOptions", **values)


@hookimpl
def mlzoo_datasets():
    yield spec("many")
    yield spec("strangers", load=f"{ME}:load_strangers")
    yield spec("misnamed", repeats="word")
    file = DataFile(path="split_1.npz", template="split_{split}.npz", how_to_get="ask")
    yield spec("on-file", files=(file,), embedded=False)
"""
MANY = ("run", "toy", "--dataset", "many", "--epochs", 1, "--quiet", "--no-figures")


@pytest.fixture
def loaded(toy, monkeypatch):
    """The splits that were loaded, in order."""
    toy.add("mlzoo-splits", SPLITS)
    monkeypatch.setenv("MLZOO_PLUGINS", "mlzoo-toy,mlzoo-splits")
    registry.cache_clear()
    output.installed.cache_clear()
    registry()
    import mlzoo_splits

    return mlzoo_splits.loaded


def results() -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(Path("runs").rglob("results.json"))]


def test_option_is_offered_where_the_dataset_has_repetitions(cli, loaded):
    assert "--splits 1-30" in cli("run", "toy", "--dataset", "many", "--help").out
    assert "--splits" not in cli("run", "toy", "--help").out
    called = cli("run", "toy", "--splits", "1-2")
    assert (called.code, "No such option" in called.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--splits", "1-2", "--split", 1), "--split and --splits exclude each other"),
        (("--splits", "2,1-3"), "names a split twice"),
        (("--splits", "all"), "Invalid value for --splits: 'all' is not like 0-4"),
        (("--splits", "29-31"), "--split: Input should be less than or equal to 30, got 31"),
        (("--jobs", 2), "--jobs runs several --seeds or --splits at once"),
    ],
)
def test_wrong_splits_are_refused_before_anything_runs(cli, loaded, words, reason):
    called = cli(*MANY, *words)
    assert called.code == 2
    assert reason in called.err
    assert not Path("runs").exists()
    assert loaded == []


def test_option_that_is_no_integer_is_the_plugins_fault(cli, loaded):
    called = cli("run", "toy", "--dataset", "misnamed")
    assert called.code == 1
    assert "'misnamed' repeats over 'word', which is no integer option" in called.err


def test_files_of_every_split_are_there_before_the_first_runs(cli, loaded):
    folder = Path("root/on-file")
    folder.mkdir(parents=True)
    (folder / "split_1.npz").touch()
    words = ("run", "toy", "--dataset", "on-file", "--data-dir", "root", "--quiet")
    called = cli(*words, "--splits", "1-2")
    assert called.code == 1
    assert "split_2.npz: missing" in called.err
    assert "not started" not in called.err
    assert loaded == []
    assert cli(*words, "--splits", "1").code == 0


def test_every_seed_runs_on_every_split_and_each_split_is_loaded_once(cli, loaded):
    called = cli(*MANY, "--splits", "1-2,5", "--seeds", "0-1", "--json")
    assert called.code == 0, called.err
    told = [(r["data"]["repeat"]["split"], r["seed"]) for r in json.loads(called.out)]
    assert told == [(1, 0), (1, 1), (2, 0), (2, 1), (5, 0), (5, 1)]
    assert loaded == [1, 2, 5]
    found = results()
    assert len({r["data"]["fingerprint"] for r in found}) == 3
    assert len({r["data"]["family"] for r in found}) == 1


def test_single_run_names_its_split(cli, loaded):
    called = cli(*MANY, "--split", 7)
    assert "toy on many, split 7, seed 0" in called.out
    assert results()[0]["data"]["repeat"] == {"split": 7}


def test_split_is_no_departure_from_the_preset(loaded):
    from mlzoo.planning import make_plan

    assert make_plan("toy", "many", options={"split": 7}).departures() == []
    assert make_plan("toy", "many", options={"samples": 7}).departures() == ["samples"]


def test_report_takes_the_mean_over_splits_and_seeds(cli, loaded):
    cli(*MANY, "--splits", "1-3", "--seeds", "0-1")
    found = [r["metrics"]["test"]["error"] for r in results()]
    called = cli("report", "runs", "--format", "md")
    assert "mean ± standard deviation over splits and seeds" in called.out
    assert "toy (n=3 splits × 2 seeds)" in called.out
    assert "splits 1-3, seeds 0, 1" in called.out
    assert "ceiling 2 |" in called.out  # the mean of 1, 2 and 3
    assert "different" not in called.out
    rows = list(csv.DictReader(io.StringIO(cli("report", "runs", "--format", "csv").out)))
    row = next(r for r in rows if (r["split"], r["metric"]) == ("test", "error"))
    assert float(row["mean"]) == pytest.approx(sum(found) / 6)
    assert row["n"] == "6"
    assert row["seeds"] == "0 1 0 1 0 1"
    assert row["repeats"] == "split=1 split=1 split=2 split=2 split=3 split=3"


def test_reference_that_one_split_lacks_is_left_out(cli, loaded):
    assert cli(*MANY, "--splits", "8,9").code == 0
    called = cli("report", "runs", "--format", "md")
    assert (called.code, "ceiling" in called.out) == (0, False)


def test_newest_run_of_a_split_and_seed_counts(cli, loaded):
    cli(*MANY, "--splits", "1-2")
    cli(*MANY, "--split", 2)
    called = cli("report", "runs", "--format", "md")
    assert "toy (n=2 splits)" in called.out
    assert "1 older runs of a seed that was run again are left out" in called.out


def test_half_a_product_says_so(cli, loaded):
    cli(*MANY, "--splits", "1-2", "--seeds", "0-1")
    cli(*MANY, "--split", 3)
    assert "(n=5 of 3 splits × 2 seeds)" in cli("report", "runs", "--format", "md").out


def test_other_options_and_other_families_stand_apart(cli, loaded):
    cli(*MANY, "--splits", "1-2")
    cli(*MANY, "--splits", "1-2", "--word", "b")
    called = cli("report", "runs", "--format", "md")
    assert "word=a (n=2 splits)" in called.out
    assert "word=b (n=2 splits)" in called.out
    assert "these runs used different data" in called.out


def test_columns_over_other_splits_are_not_to_be_ranked(cli, loaded):
    cli(*MANY, "--splits", "1-2")
    cli(*MANY, "--splits", "1,3", "--rate", 0.3)
    assert "cover different repetitions" in cli("report", "runs").out


def test_data_without_a_family_stands_for_itself(cli, loaded):
    cli(*MANY[:3], "strangers", *MANY[4:], "--splits", "1-2")
    assert cli("report", "runs", "--format", "md").out.count("n=1 split)") == 4  # with the view


def test_single_split_has_no_spread_and_says_how_to_get_one(cli, loaded):
    called = cli(*MANY, "--splits", "4")
    assert called.code == 0
    assert "a single run has no spread: use --splits or --seeds" in cli("report", "runs").out


def test_first_failure_ends_the_row_and_the_rest_is_named(cli, loaded):
    words = [word for word in MANY if word != "--quiet"]
    called = cli(*words, "--splits", "12-15")
    assert called.code == 1
    assert "[1/4] split 12, seed 0: test error" in called.err
    assert "not started: splits 14-15, seeds 0" in called.err
    assert len(results()) == 1


def test_stopped_split_is_resumed_and_joins_the_others(cli, loaded):
    cli(*MANY, "--splits", "1-2", "--epochs", 2)
    called = cli(*MANY, "--splits", "3-4", "--epochs", 2, "--stop-after", 1)
    assert called.code != 0
    (half,) = (
        path.parent
        for path in Path("runs").rglob("run.json")
        if not (path.parent / "results.json").exists()
    )
    assert cli("resume", half, "--quiet", "--no-figures").code == 0
    assert "(n=3 splits)" in cli("report", "runs", "--format", "md").out


def test_reproduction_covers_every_split_and_seed(cli, loaded):
    words = ("reproduce", *MANY[1:], "--splits", "1-2", "--seeds", 2)
    called = cli(*words, "--json")
    assert called.code == 0, called.err
    assert json.loads(called.out)["summary"] == "toy has no published numbers on many"
    told = [(r["data"]["repeat"]["split"], r["seed"]) for r in results()]
    assert sorted(told) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert loaded == [1, 2]
    more = cli(*words[:-4], "--splits", "1-3", "--seeds", 2)
    assert "(2 splits" not in more.out
    assert "3 splits × 2 seeds" in more.out
    assert cli(*words, "--split", 1).code == 2


def test_splits_at_once(loaded, mlzoo, toy):
    words = (*MANY[:6], "--no-figures", "--splits", "1-2", "--jobs", 2, "--device", "cpu", "--json")
    done = mlzoo(*words, PYTHONPATH=_path_with(toy.folder), MLZOO_PLUGINS="mlzoo-toy,mlzoo-splits")
    assert done.returncode == 0, done.stderr
    assert [r["data"]["repeat"]["split"] for r in json.loads(done.stdout)] == [1, 2]


def _path_with(folder: Path) -> str:
    import os

    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
