"""``mlzoo rescore``: metrics from stored predictions, without a model, by the installed evaluators."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import mlzoo
from mlzoo.cli import output
from mlzoo.errors import DataError, RunError, UsageError
from mlzoo.files import write_json
from mlzoo.progress import Progress
from mlzoo.registry import registry
from mlzoo.rescoring import rescore, rescore_each

SECOND = """

def spread(predictions, data):
    return {"spread": float(np.std(predictions["predicted"]))}


def rows(predictions, data):
    return {"row": list(range(3)), "value": [float(FACTOR * v) for v in predictions["predicted"][:3]]}


FACTOR = 1


@hookimpl(specname="mlzoo_evaluators")
def more_evaluators():
    yield EvaluatorSpec(name="toy-spread", summary="spread", task=TASK, score=f"{ME}:spread",
                        tables={"rows": f"{ME}:rows"}, version="1",
                        metrics={"spread": Metric(higher_is_better=False, summary="spread")})
"""


@pytest.fixture
def change(toy):
    """Edits the made-up plugin as a new version of it would, and has it discovered anew."""
    module = toy.folder / "mlzoo_toy.py"

    def edit(*changes: tuple[str, str]) -> None:
        source = module.read_text(encoding="utf-8")
        for old, new in changes:
            assert source.count(old) >= 1, old
            source = source.replace(old, new)
        module.write_text(source, encoding="utf-8")
        sys.modules.pop("mlzoo_toy", None)
        shutil.rmtree(toy.folder / "__pycache__", ignore_errors=True)
        registry.cache_clear()
        output.installed.cache_clear()

    return edit


ANOTHER_ERROR = (
    ("float(np.mean(errors**2))", "float(np.mean(abs(errors)))"),
    ('name="toy-error", summary="squared error"', 'version="2", name="toy-error", summary="error"'),
)


@pytest.fixture
def two(change):
    """The made-up plugin with a second evaluator, which has a table."""
    change(("@hookimpl\ndef mlzoo_evaluators", SECOND + "\n\n@hookimpl\ndef mlzoo_evaluators"))


def trained(**options) -> Path:
    given = {"preset": None if "dataset" in options else "smoke", "dataset": "toys", **options}
    return mlzoo.run("toy", progress=Progress(quiet=True), figures=False, **given).directory


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def results_of(run: Path) -> dict:
    return json.loads((run / "results.json").read_text())


def mean_error(run: Path, split: str) -> float:
    with np.load(run / "predictions" / f"{split}.npz") as arrays:
        return float(np.mean(abs(arrays["predicted"] - arrays["target"])))


@pytest.mark.parametrize(
    "options",
    [{}, {"select": "test"}, {"dataset": "searched", "epochs": 2}, {"limit": 8, "select": "last"}],
)
def test_the_same_version_gives_the_same_numbers_bit_for_bit(two, cli, options) -> None:
    run = trained(**options)
    before = content(run)
    found = rescore(run)
    assert not found.changed
    assert not found.changes
    assert content(run) == before
    told = cli("rescore", run)
    assert told.code == 0
    assert told.out == f"{run}: toy-error v1, toy-spread v1: nothing changes\n"


def test_neither_checkpoints_nor_the_model_are_needed(change, cli) -> None:
    run = trained()
    shutil.rmtree(run / "checkpoints")
    change(*ANOTHER_ERROR, ("class Toy:\n", "class Renamed:\n"))
    assert cli("rescore", run).code == 0
    found = results_of(run)
    for split in ("val", "test", "val@shifted"):
        assert found["metrics"][split]["error"] == pytest.approx(mean_error(run, split))


def test_a_new_version_is_recorded_with_what_was_before(change, cli) -> None:
    run = trained(select="test")
    before = results_of(run)
    change(*ANOTHER_ERROR)
    told = cli("rescore", run)
    assert told.code == 0, told.err
    assert f"{run}: toy-error v1 -> v2" in told.out
    now = results_of(run)
    assert now["evaluators"] == {"toy-error": "2"}
    (record,) = now["rescored"]
    assert record["evaluators"] == {"toy-error": {"from": "1", "to": "2"}}
    assert record["plugins"] == {"mlzoo-toy": "1.0"}
    for part in ("metrics", "honest"):
        old = before["metrics"] if part == "metrics" else before["honest"]["metrics"]
        assert record["former"][part] == {s: {"error": m["error"]} for s, m in old.items()}
    honest = now["honest"]
    with np.load(run / "predictions" / "honest" / "test.npz") as arrays:
        error = float(np.mean(abs(arrays["predicted"] - arrays["target"])))
    assert honest["metrics"]["test"]["error"] == pytest.approx(error)
    added = now["metrics"]["test"]["error"] - honest["metrics"]["test"]["error"]
    assert honest["selection_inflation"]["error"] == pytest.approx(added)
    for key in ("model", "seed", "selection", "plugins", "data", "references"):
        assert now[key] == before[key]
    assert "nothing changes" in cli("rescore", run).out
    assert len(results_of(run)["rescored"]) == 1


def test_validation_data_score_the_val_split_of_a_search(change) -> None:
    run = trained(dataset="searched", epochs=2)
    change(*ANOTHER_ERROR)
    rescore(run)
    assert results_of(run)["metrics"]["val"]["error"] == pytest.approx(mean_error(run, "val"))


def test_a_dry_run_shows_the_differences_and_writes_nothing(change, cli) -> None:
    run = trained()
    before, old = content(run), results_of(run)["metrics"]["test"]["error"]
    change(*ANOTHER_ERROR)
    told = cli("rescore", run, "--dry-run")
    assert told.code == 0
    assert told.out.endswith("--dry-run: nothing was written\n")
    new = mean_error(run, "test")
    row = next(line.split() for line in told.out.splitlines() if line.startswith("test  "))
    assert row == ["test", "error", f"{old:.4f}", f"{new:.4f}", f"{new - old:+.3g}"]
    (as_json,) = json.loads(cli("rescore", run, "--dry-run", "--json").out)
    assert (as_json["changed"], as_json["written"]) == (True, False)
    assert as_json["evaluators"] == {"toy-error": {"from": "1", "to": "2"}}
    by_place = {(each["split"], each["metric"]): each for each in as_json["changes"]}
    assert len(by_place) == 4
    assert by_place["test", "error"]["old"] == old
    assert by_place["test", "error"]["new"] == pytest.approx(new)
    assert content(run) == before


def test_one_evaluator_leaves_the_others_with_their_versions(two, change, cli) -> None:
    run = trained()
    before = results_of(run)
    change(
        *ANOTHER_ERROR,
        ("FACTOR = 1\n", "FACTOR = 2\n"),
        ("np.std(", "2 * np.std("),
        ('"rows": f"{ME}:rows"}, version="1"', '"rows": f"{ME}:rows"}, version="7"'),
    )
    table = (run / "tables" / "test-rows.csv").read_bytes()
    assert cli("rescore", run, "--evaluator", "toy-error").code == 0
    now = results_of(run)
    assert now["evaluators"] == {"toy-error": "2", "toy-spread": "1"}
    for split, metrics in before["metrics"].items():
        assert now["metrics"][split]["spread"] == metrics["spread"]
        assert now["metrics"][split]["bias"] == metrics["bias"]
        assert now["metrics"][split]["error"] == pytest.approx(mean_error(run, split))
        assert list(now["metrics"][split]) == list(metrics)
    assert (run / "tables" / "test-rows.csv").read_bytes() == table
    told = cli("rescore", run)
    assert "toy-error v2, toy-spread v1 -> v7" in told.out
    assert "tables changed" in told.out
    assert (run / "tables" / "test-rows.csv").read_bytes() != table
    after = results_of(run)
    assert after["evaluators"] == {"toy-error": "2", "toy-spread": "7"}
    assert after["metrics"]["test"]["spread"] == pytest.approx(
        2 * before["metrics"]["test"]["spread"]
    )
    assert len(after["rescored"]) == 2


def test_an_evaluator_that_came_later_joins(change, cli) -> None:
    run = trained()
    change(("@hookimpl\ndef mlzoo_evaluators", SECOND + "\n\n@hookimpl\ndef mlzoo_evaluators"))
    told = cli("rescore", run, "--evaluator", "toy-spread")
    assert told.code == 0, told.err
    assert "toy-spread not yet -> v1" in told.out
    now = results_of(run)
    assert now["evaluators"] == {"toy-error": "1", "toy-spread": "1"}
    assert now["metrics"]["test"]["spread"] > 0
    assert (run / "tables" / "test-rows.csv").is_file()


def test_a_metric_that_a_version_gives_up_goes_and_is_remembered(change) -> None:
    run = trained()
    old = results_of(run)["metrics"]["test"]["bias"]
    change(
        *ANOTHER_ERROR,
        (', "bias": float(np.mean(errors))', ""),
        (',\n                 "bias": Metric(higher_is_better=False, summary="mean error")', ""),
    )
    rescore(run)
    now = results_of(run)
    assert set(now["metrics"]["test"]) == {"error"}
    assert now["rescored"][0]["former"]["metrics"]["test"]["bias"] == old


def test_a_table_that_is_made_no_more_goes(two, change) -> None:
    run = trained()
    assert (run / "tables" / "test-rows.csv").is_file()
    change(
        ('tables={"rows": f"{ME}:rows"}, version="1"', 'tables={"few": f"{ME}:rows"}, version="2"')
    )
    found = rescore(run)
    assert "test-rows.csv" in found.tables
    assert sorted(p.name for p in (run / "tables").iterdir()) == sorted(
        f"{split}-few.csv" for split in ("val", "test", "val@shifted", "test@shifted")
    )


def test_an_evaluator_that_is_gone_is_refused_as_a_whole(two, change, cli) -> None:
    run = trained()
    before = content(run)
    change(*ANOTHER_ERROR, ('specname="mlzoo_evaluators"', 'specname="mlzoo_nothing"'))
    told = cli("rescore", run)
    assert told.code == 1
    assert "was scored by toy-spread, too, which is not installed." in told.err
    assert "--evaluator toy-error" in told.err
    assert content(run) == before
    rescore(run, evaluator="toy-error")
    now = results_of(run)
    assert now["evaluators"] == {"toy-error": "2", "toy-spread": "1"}
    assert now["metrics"]["test"]["spread"] > 0


@pytest.mark.parametrize("gone", ["test.npz", "val@shifted.npz", "honest/test.npz"])
def test_predictions_that_were_not_kept_refuse_the_whole_run(change, cli, gone) -> None:
    run = trained(select="test")
    (run / "predictions" / gone).unlink()
    before = content(run)
    change(*ANOTHER_ERROR)
    for words in ((), ("--evaluator", "toy-error"), ("--dry-run",)):
        told = cli("rescore", run, *words)
        assert told.code == 1
        assert f"keeps no predictions of {gone.removeprefix('honest/')[:-4]}" in told.err
        assert f"Run it again: mlzoo run toy --config {run / 'config.json'}" in told.err
    assert content(run) == before
    assert cli("run", "toy", "--config", run / "config.json", "--show-config").code == 0


def test_damaged_predictions_and_other_data_are_refused(change, cli, toy) -> None:
    run = trained()
    change(*ANOTHER_ERROR)
    path = run / "predictions" / "test.npz"
    whole = path.read_bytes()
    for text in (b"", whole[: len(whole) // 2], b"PK" + whole[2:40]):
        path.write_bytes(text)
        with pytest.raises(DataError, match=r"test\.npz"):
            rescore(run)
    path.write_bytes(whole)
    change(("np.float32([1, -2])", "np.float32([1, -3])"), ("RandomState(0)", "RandomState(5)"))
    before = content(run)
    told = cli("rescore", run)
    assert told.code == 1
    assert "the data of toys is not what" in told.err
    assert content(run) == before


def test_pickled_predictions_are_never_loaded(change) -> None:
    run = trained()
    np.savez(run / "predictions" / "test.npz", predicted=np.array([print], dtype=object))
    with pytest.raises(DataError, match="pickled"):
        rescore(run)


def test_verdicts_follow_the_metrics(change, cli) -> None:
    number = (
        'published=(Published(dataset="toys", metric="error", value=0.0, source="s", selection="val", '
        "verified=True, tolerance=TOLERANCE),), default_dataset"
    )
    change(
        ("ModelSpec, Paper, ", "ModelSpec, Paper, Published, "),
        ("        default_dataset", f"        {number}"),
        ('ME = "mlzoo_toy"', 'ME = "mlzoo_toy"\nTOLERANCE = 1e9'),
    )
    run = trained()
    assert results_of(run)["published"][0]["verdict"] == "consistent (one seed)"
    change(("TOLERANCE = 1e9", "TOLERANCE = 1e-9"))
    told = cli("rescore", run)
    assert "the metrics stay as they are" in told.out
    assert "published error on test: consistent (one seed) -> above" in told.out
    assert results_of(run)["published"][0]["verdict"] == "above"


def test_numbers_that_differ_under_the_same_version_are_told(change, cli) -> None:
    run = trained()
    change(ANOTHER_ERROR[0])
    told = cli("rescore", run)
    assert told.code == 0
    assert "4 metrics differ by" in told.err
    assert "though the evaluators' versions are the same" in told.err


def test_an_evaluator_that_fails_leaves_the_run_as_it_was(change, cli) -> None:
    run = trained()
    before = content(run)
    change(("float(np.mean(errors**2))", 'float(predictions["nothing"])'))
    told = cli("rescore", run)
    assert told.code == 1
    assert "evaluator 'toy-error' of mlzoo-toy 1.0 failed: KeyError" in told.err
    assert content(run) == before


def test_several_runs_are_told_each_and_failures_at_the_end(change, cli) -> None:
    good, bad, half = trained(), trained(seed=1), trained(seed=2)
    (bad / "predictions" / "test.npz").unlink()
    facts = json.loads((half / "run.json").read_text())
    write_json(half / "run.json", facts | {"status": "interrupted"})
    change(*ANOTHER_ERROR)
    told = cli("rescore", good.parent)
    assert told.code == 1
    assert f"{good}: toy-error v1 -> v2" in told.out
    assert f"{bad} keeps no predictions of test" in told.err
    assert f"{half} is not done" in told.err
    assert told.err.endswith("mlzoo: error: 2 of 3 could not be scored again.\n")
    assert results_of(good)["evaluators"] == {"toy-error": "2"}
    assert results_of(bad)["evaluators"] == {"toy-error": "1"}
    assert "nowhere does not exist" in cli("rescore", good, "nowhere").err


def test_neighbours_on_the_same_data_share_it(toy, monkeypatch) -> None:
    from mlzoo.planning import Plan

    loads = []
    load = Plan.load_data
    runs = [trained(), trained(seed=1), trained(samples=20)]
    monkeypatch.setattr(Plan, "load_data", lambda plan: loads.append(plan) or load(plan))
    assert all(not isinstance(found, RunError) for _, found in rescore_each(runs))
    assert len(loads) == 2


def test_unknown_evaluators_and_unfinished_runs_are_refused(toy, cli) -> None:
    run = trained()
    told = cli("rescore", run, "--evaluator", "toy-eror")
    assert told.code == 2
    assert "Did you mean 'toy-error'" in told.err
    with pytest.raises(UsageError, match="toy-eror"):
        rescore(run, evaluator="toy-eror")
    (run / "results.json").unlink()
    with pytest.raises(RunError, match="no results"):
        rescore(run)


def test_a_rescored_run_is_reported_with_others_of_its_version(change, cli) -> None:
    old, other = trained(), trained(seed=1)
    change(*ANOTHER_ERROR)
    rescore(old)
    mixed = cli("report", old.parent)
    assert "scored by different versions of toy-error (v1, v2): do not rank them" in mixed.out
    boards = cli("report", old.parent, "--layout", "runs").out
    assert boards.count("toys (toy-regression), test") == 2
    assert boards.count("other runs were scored by other versions than") == 2
    rescore(other)
    assert "different versions" not in cli("report", old.parent).out
    assert cli("report", old.parent, "--layout", "runs").out.count("toys (toy-regression)") == 1


def test_a_run_that_another_process_trains_is_not_touched(change, cli) -> None:
    from mlzoo.run_directory import locked

    run = trained()
    change(*ANOTHER_ERROR)
    with locked(run):
        told = cli("rescore", run)
    assert told.code == 1
    assert "is still running, in another process" in told.err
    assert results_of(run)["evaluators"] == {"toy-error": "1"}
