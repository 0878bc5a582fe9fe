"""``mlzoo predict``: what the core asks of a model's ``predict``, and what it does with the answer."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

import mlzoo
from mlzoo.cli import output
from mlzoo.errors import NonFiniteError, PluginError
from mlzoo.prediction import checked_columns, csv_text, records
from mlzoo.progress import Progress
from mlzoo.registry import registry

PREDICT = """

def predict(model, data, inputs, progress):
    import random

    import torch

    random.random(), torch.rand(1), np.random.rand()
    progress.message(f"warning: {len(inputs)} inputs")
    words = [path.read_text().split() for path in inputs]
    if words[0][:1] == ["break"]:
        raise KeyError("not prepared for this")
    rows = np.float32([[float(word) for word in line] for line in words])
    with torch.no_grad():
        predicted = model.line(torch.from_numpy(rows))[:, 0].numpy()
    return {"input": [path.name for path in inputs], "predicted": predicted}
"""


@pytest.fixture
def predictor(toy, monkeypatch):
    """The made-up plugin whose model predicts new inputs."""
    module = toy.folder / "mlzoo_toy.py"
    source = module.read_text(encoding="utf-8")
    source = source.replace(
        'default_dataset="toys",', 'default_dataset="toys", predict=f"{ME}:predict",'
    )
    module.write_text(source + PREDICT, encoding="utf-8")
    registry.cache_clear()
    output.installed.cache_clear()
    return toy


def trained(**options):
    return mlzoo.run("toy", preset="smoke", progress=Progress(quiet=True), figures=False, **options)


@pytest.fixture
def run(predictor):
    """A finished run, and two inputs in the working folder."""
    Path("a.txt").write_text("1 2")
    Path("b.txt").write_text("0.5 -1")
    return trained().directory


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_new_inputs_are_predicted_with_the_scored_weights_in_their_order(run, cli):
    import torch

    called = cli("predict", run, "b.txt", "a.txt")
    assert called.code == 0
    line = torch.load(run / "checkpoints" / "best.pt", weights_only=True)["model"]["line"]
    inputs = torch.tensor([[0.5, -1.0], [1.0, 2.0]])
    expected = torch.nn.functional.linear(inputs, line["weight"], line["bias"])[:, 0].numpy()
    rows = rows_of(called.out)
    assert [row["input"] for row in rows] == ["b.txt", "a.txt"]
    np.testing.assert_array_equal(np.float32([row["predicted"] for row in rows]), expected)
    assert called.err == "warning: 2 inputs\n"


def test_python_gets_the_same_columns(run, cli):
    columns = mlzoo.predict(run, ["a.txt", "b.txt"], progress=Progress(quiet=True))
    assert rows_of(cli("predict", run, "a.txt", "b.txt").out) == [
        {"input": name, "predicted": str(value)}
        for name, value in zip(columns["input"], columns["predicted"], strict=True)
    ]


def test_json_holds_one_object_a_row(run, cli):
    rows = json.loads(cli("predict", run, "a.txt", "--json").out)
    assert [set(row) for row in rows] == [{"input", "predicted"}]
    assert isinstance(rows[0]["predicted"], float)


def test_out_is_written_and_replaced_only_with_force(run, cli):
    called = cli("predict", run, "a.txt", "--out", "p.csv")
    assert (called.code, called.out) == (0, "")
    assert "1 predictions written to p.csv" in called.err
    first = Path("p.csv").read_text()
    assert first == cli("predict", run, "a.txt").out
    again = cli("predict", run, "b.txt", "--out", "p.csv")
    assert again.code == 2
    assert "p.csv exists" in again.err
    assert "--force" in again.err
    assert Path("p.csv").read_text() == first
    assert cli("predict", run, "b.txt", "--out", "p.csv", "--force").code == 0
    assert Path("p.csv").read_text() != first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.txt", "--out", "none/p.csv"], "there is no folder none"),
        (["a.txt", "--out", "."], "is a folder"),
        (["a.txt", "--out", "a.txt", "--force"], "a.txt is an input"),
        (["a.txt", "c.txt", "d.txt"], "there is no input c.txt, d.txt"),
        ([], "needs an INPUT"),
        (["a.txt", "--device", "toaster"], "'toaster' is not one of"),
    ],
)
def test_wrong_requests_are_refused_and_nothing_is_written(run, cli, words, message):
    before = sorted(Path().rglob("*"))
    called = cli("predict", run, *words)
    assert called.code == 2
    assert message in called.err
    assert "Traceback" not in called.err
    assert sorted(Path().rglob("*")) == before
    assert Path("a.txt").read_text() == "1 2"


def test_a_model_that_cannot_predict_says_so(toy, cli):
    called = cli("predict", trained().directory, __file__)
    assert (called.code, called.err) == (2, "mlzoo: error: toy does not predict new inputs.\n")


def test_an_unfinished_run_is_refused_with_the_way_on(predictor, cli):
    with pytest.raises(mlzoo.experiment.Interrupted):
        trained(stop_after=1)
    (directory,) = (path.parent for path in Path("runs").rglob("run.json"))
    called = cli("predict", directory, __file__)
    assert called.code == 1
    assert "is not done" in called.err
    assert f"mlzoo resume {directory}" in called.err


def test_no_run_is_named(predictor, cli):
    called = cli("predict", "nowhere", __file__)
    assert called.code == 1
    assert "nowhere" in called.err


def test_missing_training_data_is_named_with_what_needs_it(predictor, cli, tmp_path):
    assert cli("data", "demo", "toy-files", tmp_path / "d").code == 0
    directory = trained_on_files(tmp_path / "d")
    assert cli("predict", directory, __file__, "--data-dir", tmp_path).code == 1
    called = cli("predict", directory, __file__, "--data-dir", tmp_path)
    assert (
        f"{directory} predicts with the data it was trained on: dataset 'toy-files'" in called.err
    )
    assert "rows.npz: missing" in called.err


def test_changed_training_data_is_refused(predictor, cli, tmp_path):
    for seed in (0, 1):
        assert cli("data", "demo", "toy-files", tmp_path / str(seed), "--seed", seed).code == 0
    directory = trained_on_files(tmp_path / "0")
    called = cli("predict", directory, __file__, "--data-dir", tmp_path / "1")
    assert called.code == 1
    assert "the data of toy-files is not what" in called.err


def trained_on_files(folder):
    quiet = {"progress": Progress(quiet=True), "figures": False}
    return mlzoo.run("toy", dataset="toy-files", data_dir=folder, epochs=1, **quiet).directory


def test_a_failure_inside_the_model_is_the_plugins(run, cli):
    Path("bad.txt").write_text("break")
    called = cli("predict", run, "bad.txt")
    assert called.code == 1
    assert "predict of mlzoo-toy 1.0 failed: KeyError: 'not prepared for this'" in called.err


def test_predicting_leaves_the_callers_random_streams_alone(run):
    np.random.seed(0)
    expected = np.random.rand(2)
    np.random.seed(0)
    first = np.random.rand()
    mlzoo.predict(run, ["a.txt"], progress=Progress(quiet=True))
    assert [first, np.random.rand()] == expected.tolist()


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "returned NoneType instead of named columns"),
        ({}, "returned dict instead of named columns"),
        ({"a": [1], "b": [1, 2]}, "columns of different length: a 1, b 2"),
        ({"": [1]}, "without a proper name"),
        ({"a\n": [1]}, "without a proper name"),
        ({3: [1]}, "without a proper name: 3"),
        ({"a": "text"}, "returned str for the column 'a'"),
        ({"a": iter([1])}, "for the column 'a'"),
        ({"a": np.zeros(())}, "for the column 'a'"),
        ({"a": np.zeros((2, 2))}, "returned ndarray for the column 'a'"),
        ({"a": [[1, 2]]}, "list in column 'a', row 0"),
        ({"a": [1, None]}, "NoneType in column 'a', row 1"),
        ({"a": np.array([1j])}, "complex in column 'a', row 0"),
    ],
)
def test_columns_that_break_the_contract_are_refused(returned, message):
    with pytest.raises(PluginError, match="^it returned") as caught:
        checked_columns(returned, "it")
    assert message in str(caught.value)


@pytest.mark.parametrize("column", [[0.0, float("nan")], np.array([0, np.inf], np.float32)])
def test_a_prediction_that_is_not_finite_is_refused_with_its_row(column):
    with pytest.raises(NonFiniteError, match="in column 'a', row 1"):
        checked_columns({"a": column}, "it")


def test_columns_become_plain_values_that_read_back():
    numbers = np.float32([0.1, 1 / 3])
    columns = checked_columns(
        {
            "number": numbers,
            "count": np.array([1, 2]),
            "name": np.array(["plain", 'a "b", c']),
            "sure": np.array([True, False]),
            "list": [1.5, "x"],
        },
        "it",
    )
    assert columns["number"][0] == 0.1  # the shortest number that is this float32
    rows = rows_of(csv_text(columns))
    np.testing.assert_array_equal(np.float32([row["number"] for row in rows]), numbers)
    assert [row["name"] for row in rows] == ["plain", 'a "b", c']
    assert json.loads(json.dumps(records(columns)))[1]["count"] == 2
    assert records(columns)[0]["sure"] is True


def test_no_rows_are_a_header_alone():
    assert csv_text(checked_columns({"a": [], "b": np.zeros(0)}, "it")) == "a,b\n"
