"""``mlzoo weights import MODEL FILE``: published weights become a finished run, or nothing at all."""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path

import pytest
import torch

import mlzoo
from mlzoo.cli import output
from mlzoo.data.manifest import sha256_of
from mlzoo.errors import CheckpointError, DataError, RunError
from mlzoo.faults import failing_writes
from mlzoo.progress import Progress
from mlzoo.registry import registry
from mlzoo.run_directory import RunRecord
from mlzoo.testing import check_eval_equals_results, check_published

WEIGHTS = """

def read_weights(file, model, data, progress):
    from mlzoo.checkpoints import load_checkpoint, load_strict

    state = load_checkpoint(file)
    if "answer" in state:
        return eval(state["answer"])
    names = {"W": "weight", "b": "bias"}
    load_strict(model.line, {names.get(key, key): value for key, value in state.items()}, str(file))
    progress.message(f"read {len(state)} arrays")
    return {"arrays": len(state), "rows": len(data.x["test"])}


def predict(model, data, inputs, progress):
    import torch

    with torch.no_grad():
        return {"predicted": model.line(torch.ones(len(inputs), 2))[:, 0].numpy()}
"""

PUBLISHED = """published=(
    Published(dataset="toys", metric="error", value=0.5, source="the paper", selection="test",
              verified=True, tolerance=0.1),
    Published(dataset="toys", metric="error", value=0.0, source="the log of these weights",
              selection="imported", verified=True, tolerance=0.1),
),"""

QUIET = {"progress": Progress(quiet=True), "figures": False}


@pytest.fixture
def importer(toy):
    """The made-up plugin whose model imports weights, and such a file."""
    module = toy.folder / "mlzoo_toy.py"
    text = module.read_text(encoding="utf-8").replace(
        'default_dataset="toys",',
        'default_dataset="toys", weights=f"{ME}:read_weights", predict=f"{ME}:predict",'
        + PUBLISHED,
    )
    module.write_text("from mlzoo import Published\n" + text + WEIGHTS, encoding="utf-8")
    sys.modules.pop("mlzoo_toy", None)
    registry.cache_clear()
    output.installed.cache_clear()
    file = Path("official.pth")
    torch.save({"W": torch.tensor([[1.0, -2.0]]), "b": torch.tensor([0.25])}, file)
    return file


def runs() -> list[Path]:
    return [path for path in Path("runs").rglob("*") if path.is_file()]


def test_weights_become_an_ordinary_finished_run(importer, cli):
    called = cli("weights", "import", "toy", importer, "--dataset", "toys", "--samples", 20)
    assert called.code == 0, called.err
    assert "toy on toys, seed 0: imported weights (official.pth)" in called.out
    assert "read 2 arrays" in called.err
    (info,) = Path("runs").rglob("run.json")
    record = RunRecord(info.parent)
    assert {path.name for path in record.directory.iterdir()} >= {
        "config.json", "run.json", "environment.txt", "metrics.jsonl", "log.txt", "checkpoints",
        "predictions", "results.json", "figures",
    }  # fmt: skip
    assert record.info["status"] == "done"
    assert record.info["weights"] == {
        "file": "official.pth", "sha256": sha256_of(importer), "facts": {"arrays": 2, "rows": 20},
    }  # fmt: skip
    assert record.config["samples"] == 20
    assert record.config["sources"]["samples"] == "option"
    assert record.results["selection"] == {
        "rule": "imported", "label": "imported weights", "epoch": 0,
    }  # fmt: skip
    assert record.results["weights"]["sha256"] == sha256_of(importer)
    assert record.results["metrics"]["test"]["error"] == pytest.approx(0.25**2, rel=1e-5)
    assert record.predictions("test")["predicted"].shape == (20,)
    assert (record.directory / "figures" / "plot.png").exists()
    best = torch.load(record.directory / "checkpoints" / "best.pt", weights_only=True)
    assert best["model"]["line"]["weight"].tolist() == [[1.0, -2.0]]
    assert best["model"]["finished"] == 1  # once, as with every run


def test_eval_predict_resume_and_report_take_it(importer, cli):
    result = mlzoo.import_weights("toy", importer, **QUIET)
    check_eval_equals_results(result)
    assert cli("predict", result.directory, importer).out.splitlines() == ["predicted", "-0.75"]
    assert "is done" in cli("resume", result.directory).err
    trained = mlzoo.run("toy", **QUIET)
    told = cli("report", "runs").out
    assert "imported weights, seeds 0" in told
    assert "best epoch on validation data, seeds 0" in told
    assert f"weights={sha256_of(importer)[:8]}" in told  # a column of its own
    alone = cli("report", result.directory)
    assert alone.code == 0
    assert "has no spread" not in alone.out
    assert "has no spread" in cli("report", trained.directory).out
    assert json.loads(cli("report", result.directory, "--json").out)[0]["seeds"] == [0]


def test_other_weights_are_another_experiment(importer, cli):
    mlzoo.import_weights("toy", importer, **QUIET)
    torch.save({"W": torch.tensor([[1.0, -2.0]]), "b": torch.tensor([0.5])}, "other.pth")
    mlzoo.import_weights("toy", "other.pth", **QUIET)
    assert len(json.loads(cli("report", "runs", "--json").out)) == 2


def test_verdicts_say_that_weights_were_imported(importer):
    result = mlzoo.import_weights("toy", importer, **QUIET)
    first, second = result.results["published"]
    assert first["verdict"] == "not comparable"
    assert first["reason"] == "published under test, these weights were imported"
    assert second["verdict"] == "consistent (one seed)"
    check_published(registry().model("toy"))
    trained = mlzoo.run("toy", **QUIET).results["published"]
    assert trained[1]["reason"] == "published under imported, run under val"


def _changed(**change):
    state = {"W": torch.tensor([[1.0, -2.0]]), "b": torch.tensor([0.25])}
    return {key: value for key, value in {**state, **change}.items() if value is not None}


@pytest.mark.parametrize(
    ("state", "code", "message"),
    [
        (_changed(b=None), 1, "lacks bias"),
        (_changed(extra=torch.ones(1)), 1, "has unknown extra"),
        (_changed(W=torch.ones(1, 3)), 1, "weight is [1, 3], expected [1, 2]"),
        (_changed(b=torch.tensor([float("nan")])), 1, "line.bias has values that are not finite"),
        ({"answer": "None"}, 1, "weights of mlzoo-toy 1.0 returned NoneType instead of a mapping"),
        ({"answer": "{'a': data}"}, 1, "returned facts that JSON cannot hold"),
        ({"answer": "1 / 0"}, 1, "weights of mlzoo-toy 1.0 failed: ZeroDivisionError"),
        ([1, 2], 1, "holds a list, not a state dict"),
    ],
)
def test_refused_file_leaves_no_run(importer, cli, state, code, message):
    torch.save(state, importer)
    called = cli("weights", "import", "toy", importer, "--dataset", "toys")
    assert called.code == code
    assert message in called.err
    assert "Traceback" not in called.err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["toy", "nowhere.pth"], 1, "nowhere.pth does not exist"),
        (["toy"], 2, "Missing argument 'FILE'"),
        (["toi", "official.pth"], 2, "no model named 'toi'"),
        (["toy", "official.pth", "--dataset", "tois"], 2, "no dataset named 'tois'"),
        (["toy", "official.pth", "--samples", "0"], 2, "--samples: "),
        (["toy", "official.pth", "--preset", "smoky"], 2, "no preset 'smoky'"),
        (["toy", "official.pth", "--select", "val"], 2, "--select"),
        (["toy", "official.pth", "--device", "toaster"], 2, "'toaster' is not one of"),
        (["toy", "official.pth", "--dataset", "toy-files"], 1, "rows.npz: missing"),
    ],
)
def test_wrong_requests_are_refused(importer, cli, words, code, message):
    called = cli("weights", "import", *words)
    assert called.code == code
    assert message in called.err
    assert not Path("runs").exists()


def test_a_model_without_import_says_so(toy, cli):
    called = cli("weights", "import", "toy", __file__)
    assert (called.code, called.err) == (2, "mlzoo: error: toy imports no weights.\n")


def test_help_lists_models_and_their_options(importer, cli):
    assert "toy" in cli("weights", "import", "--help").out
    told = " ".join(cli("weights", "import", "toy", "--dataset", "toys", "--help").out.split())
    assert "weights import toy [OPTIONS] FILE" in told
    assert "--samples INTEGER" in told
    assert "--rate NUMBER step size [0.05, preset toys]" in told
    assert "--select" not in told
    assert "mlzoo weights import toy FILE" in cli("info", "toy").out


def test_preset_and_options_reach_the_model(importer):
    result = mlzoo.import_weights("toy", importer, preset="smoke", rate=0.5, seed=3, **QUIET)
    config = RunRecord(result.directory).config
    assert (config["epochs"], config["rate"], config["seed"]) == (2, 0.5, 3)
    assert result.directory.name.split("-")[2] == "s3"
    assert result.results["published"][1]["reason"] == "options differ from the preset: rate"


def test_full_disk_at_any_write_leaves_no_run(importer, tmp_path):
    with failing_writes(tmp_path / "counted") as operations:
        mlzoo.import_weights("toy", importer, out=tmp_path / "counted", **QUIET)
    assert len(operations) > 20
    for number in range(0, len(operations), 3):
        out = tmp_path / str(number)
        with failing_writes(out, errno.ENOSPC, at=number), pytest.raises(RunError):
            mlzoo.import_weights("toy", importer, out=out, **QUIET)
        assert not [path for path in out.rglob("*") if path.is_file()]


def test_interrupted_import_leaves_no_run(importer, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlzoo.importing.write_environment", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mlzoo.import_weights("toy", importer, **QUIET)
    assert runs() == []


def test_importing_leaves_the_callers_random_streams_alone(importer):
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    first = torch.rand(1)
    mlzoo.import_weights("toy", importer, **QUIET)
    assert torch.equal(torch.cat([first, torch.rand(1)]), expected)


def test_python_raises_what_the_file_lacks(importer):
    torch.save(_changed(b=None), importer)
    with pytest.raises(CheckpointError, match="lacks bias"):
        mlzoo.import_weights("toy", importer, **QUIET)
    importer.write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        mlzoo.import_weights("toy", importer, **QUIET)
