"""Splits whose labels nobody has are predicted and stored; they have no score and choose nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import mlzoo
from mlzoo.cli import output
from mlzoo.errors import UsageError
from mlzoo.experiment import evaluate
from mlzoo.progress import Progress
from mlzoo.registry import registry
from mlzoo.selection import require_labels
from mlzoo.testing import check_eval_equals_results, check_scores


@pytest.fixture
def hiding(toy):
    """The made-up plugin with a dataset whose test labels are NaN, and a published number of it."""
    module = toy.folder / "mlzoo_toy.py"
    source = module.read_text(encoding="utf-8")
    loader = """
class HidingData(ToyData):
    hidden = ("test",)


def load_hiding(root, options):
    data = load(root, options)
    return HidingData(data.x, {**data.y, "test": data.y["test"] * np.nan})
"""
    number = (
        'published=(Published(dataset="hiding", metric="error", value=1.0, source="s", '
        'selection="val", verified=True, tolerance=1.0),),'
    )
    changes = {
        "ModelSpec, Paper, ": "ModelSpec, Paper, Published, ",
        "def load_without_val": f"{loader}\n\ndef load_without_val",
        '    yield DatasetSpec(name="no-val"': '    yield DatasetSpec(name="hiding", summary="h", task=TASK, '
        'load=f"{ME}:load_hiding", config=f"{ME}:ToyOptions", embedded=True)\n'
        '    yield DatasetSpec(name="no-val"',
        'default_dataset="toys",': f'default_dataset="toys", {number}',
    }
    for old, new in changes.items():
        assert source.count(old) == 1
        source = source.replace(old, new)
    module.write_text(source, encoding="utf-8")
    registry.cache_clear()
    output.installed.cache_clear()


def trained():
    return mlzoo.run(
        "toy", dataset="hiding", epochs=2, progress=Progress(quiet=True), figures=False
    )


def test_a_run_selects_on_val_and_keeps_predictions_of_test(hiding) -> None:
    result = trained()
    entry = registry().model("toy")
    check_scores(entry, result)
    check_eval_equals_results(result)
    assert result.results["data"]["hidden"] == ["test"]
    assert np.isnan(result.metrics["test"]["error"])
    assert np.isfinite(result.metrics["val"]["error"])
    kept = json.loads((result.directory / "results.json").read_text())
    assert kept["metrics"]["test"]["error"] is None
    with np.load(result.directory / "predictions" / "test.npz") as stored:
        assert np.isfinite(stored["predicted"]).all()
    assert np.isnan(evaluate(result.directory)["test@shifted"]["error"])


def test_a_score_that_is_missing_elsewhere_is_still_a_fault(hiding) -> None:
    result = trained()
    result.results["data"]["hidden"] = []
    with pytest.raises(AssertionError, match="error on .* is not finite"):
        check_scores(registry().model("toy"), result)


def test_published_numbers_are_not_comparable_as_labels_are_hidden(hiding) -> None:
    (number,) = trained().results["published"]
    assert number["verdict"] == "not comparable"
    assert number["reason"] == "the labels of test are hidden"


def test_the_table_after_a_run_says_why_a_column_is_empty(hiding, cli) -> None:
    called = cli(
        "run", "toy", "--dataset", "hiding", "--epochs", 2, "--out", "runs", "--no-figures"
    )
    assert called.code == 0, called.err
    (row,) = (line for line in called.out.splitlines() if line.startswith("error"))
    assert row.split()[3] == row.split()[4] == "-"
    line = "test: its labels are hidden; its predictions are stored, not scored"
    assert line in called.out.splitlines()
    (run,) = [path.parent for path in Path("runs").rglob("results.json")]
    assert line in cli("eval", run).out
    told = cli("report", run)
    assert told.code == 0, told.err
    assert (
        "the labels of test are hidden, it has no scores; look at another split: --split val"
        in (told.out)
    )
    assert "has no scores" not in cli("report", run, "--split", "val").out


def test_no_epoch_is_selected_on_hidden_labels(hiding, cli) -> None:
    called = cli("run", "toy", "--dataset", "hiding", "--select", "test", "--out", "runs")
    assert called.code == 2
    assert "the labels of test are hidden: no epoch can be selected on it." in called.err
    assert not list(Path("runs").glob("*"))
    with pytest.raises(UsageError, match="--select last"):
        require_labels("val", ("val",))
    require_labels("last", ("test",))
