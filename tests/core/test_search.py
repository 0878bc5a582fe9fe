"""Validation with a training set of its own: search an epoch there, then train on all data."""

from __future__ import annotations

import pytest

import mlzoo
from mlzoo.checkpoints import load_checkpoint
from mlzoo.errors import UsageError
from mlzoo.experiment import Interrupted
from mlzoo.progress import Progress
from mlzoo.run_directory import RunRecord, find_runs
from mlzoo.testing import first_difference, same

pytestmark = pytest.mark.usefixtures("toy")
EPOCHS = 6


def run(**options):
    given = {"dataset": "searched", "epochs": EPOCHS, "figures": False, "noise": 0.1, "rate": 0.1}
    return mlzoo.run("toy", progress=Progress(quiet=True), **{**given, **options})


def weights(result, name="best.pt"):
    return load_checkpoint(result.directory / "checkpoints" / name)["model"]["line"]


def test_the_chosen_epoch_is_trained_on_all_data_as_if_there_had_been_no_search(tmp_path):
    searched = run(out=tmp_path / "a")
    chosen = searched.results["selection"]["epoch"]
    assert 1 < chosen < EPOCHS
    straight = run(out=tmp_path / "b", select="last", epochs=chosen)
    assert same(weights(searched), weights(straight))
    assert searched.metrics["test"] == straight.metrics["test"]
    assert "then trained on all" in searched.results["selection"]["label"]


def test_val_tells_the_score_of_the_chosen_epoch_of_the_search(tmp_path):
    result = run(out=tmp_path)
    rows = [row for row in RunRecord(result.directory / "search").rows if row.get("split") == "val"]
    best = min(rows, key=lambda row: row["error"])
    assert best["epoch"] == result.results["selection"]["epoch"]
    assert result.metrics["val"]["error"] == best["error"]
    assert set(result.metrics) == {"val", "val@shifted", "test", "test@shifted"}
    assert (result.directory / "predictions" / "val.npz").is_file()


@pytest.mark.parametrize("select", ["val", "test"])
@pytest.mark.parametrize("stop_after", [2, EPOCHS, EPOCHS + 1])
def test_stopped_in_either_stage_and_resumed_equals_straight(tmp_path, select, stop_after):
    straight = run(out=tmp_path / "a", select=select)
    with pytest.raises(Interrupted, match="mlzoo resume"):
        run(out=tmp_path / "b", select=select, stop_after=stop_after)
    (half,) = (record.directory for record in find_runs([tmp_path / "b"]))
    resumed = mlzoo.resume(half, figures=False, progress=Progress(quiet=True))
    for name in ("best.pt", "last.pt"):
        one, two = (
            load_checkpoint(r.directory / "checkpoints" / name) for r in (straight, resumed)
        )
        assert first_difference(one, two) is None
    assert {**resumed.results} == {**straight.results}


def test_selection_on_test_has_the_epoch_that_the_search_chose_beside_it(tmp_path):
    published = run(out=tmp_path / "a", select="test").results
    honest = run(out=tmp_path / "b").results
    assert published["honest"]["metrics"]["test"] == honest["metrics"]["test"]
    assert published["honest"]["epoch"] == honest["selection"]["epoch"]
    assert published["selection"]["label"] == "selected on test data"


def test_last_searches_nothing(tmp_path):
    result = run(out=tmp_path, select="last")
    assert set(result.metrics) == {"test", "test@shifted"}
    assert not (result.directory / "search").exists()


@pytest.mark.parametrize("select", ["val", "last", "test"])
def test_scoring_again_gives_the_same_numbers(tmp_path, select):
    result = run(out=tmp_path, select=select)
    assert mlzoo.evaluate(result.directory) == result.metrics


def test_data_without_any_validation_are_refused_under_val():
    with pytest.raises(UsageError, match="no val split"):
        run(dataset="no-val", select="val")


def test_a_damaged_choice_is_named(tmp_path):
    result = run(out=tmp_path)
    path = result.directory / "search" / "choice.json"
    path.write_text("{}")
    with pytest.raises(mlzoo.MlzooError, match=r"choice.json"):
        mlzoo.evaluate(result.directory)
