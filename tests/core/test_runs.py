"""Runs: exact resume, selection rules, NaN, interruption, and what stays on disk."""

from __future__ import annotations

import json
import os
import signal
import threading
import time

import pytest

import mlzoo
from mlzoo.checkpoints import load_checkpoint
from mlzoo.errors import NonFiniteError, RunError, UsageError
from mlzoo.experiment import Interrupted
from mlzoo.progress import Progress
from mlzoo.run_directory import RunRecord, create, find_runs, locked
from mlzoo.selection import Selector, require_choice
from mlzoo.testing import same

pytestmark = pytest.mark.usefixtures("toy")
QUIET = Progress(quiet=True)


def run(**options):
    return mlzoo.run("toy", **{"figures": False, "progress": Progress(quiet=True), **options})


def only_run(out):
    (record,) = find_runs([out])
    return record


def checkpoint(directory, name):
    return load_checkpoint(directory / "checkpoints" / name)


@pytest.mark.parametrize("select", ["val", "last", "test"])
def test_stopped_and_resumed_equals_straight_bit_for_bit(tmp_path, select):
    options = {"select": select, "noise": 0.1, "epochs": 4}
    straight = run(out=tmp_path / "a", **options)
    with pytest.raises(Interrupted, match="mlzoo resume"):
        run(out=tmp_path / "b", stop_after=2, **options)
    half = only_run(tmp_path / "b").directory
    resumed = mlzoo.resume(half, figures=False, progress=QUIET)
    for name in ("last.pt", "best.pt"):
        assert same(checkpoint(straight.directory, name), checkpoint(half, name)), name
    assert resumed.metrics == straight.metrics
    assert RunRecord(half).rows == RunRecord(straight.directory).rows


def test_rows_of_an_unfinished_epoch_are_dropped_on_resume(tmp_path):
    with pytest.raises(Interrupted):
        run(out=tmp_path, stop_after=1)
    half = only_run(tmp_path).directory
    with (half / "metrics.jsonl").open("a") as log:
        log.write('{"epoch": 2, "step": 5, "loss": 9.0}\n{"epoch": 2, "st')
    mlzoo.resume(half, figures=False, progress=QUIET)
    steps = [row["step"] for row in RunRecord(half).rows if "step" in row]
    assert steps == list(range(1, 17))
    assert 9.0 not in [row.get("loss") for row in RunRecord(half).rows]


def test_changed_data_refuses_to_resume(tmp_path):
    with pytest.raises(Interrupted):
        run(out=tmp_path, stop_after=1)
    half = only_run(tmp_path).directory
    info = json.loads((half / "run.json").read_text())
    info["data"]["fingerprint"] = "0" * 64
    (half / "run.json").write_text(json.dumps(info))
    with pytest.raises(RunError, match="data of toys is not what"):
        mlzoo.resume(half, progress=QUIET)


def test_a_done_run_is_not_resumed(tmp_path):
    done = run(out=tmp_path)
    with pytest.raises(UsageError, match="is done"):
        mlzoo.resume(done.directory, progress=QUIET)


def test_a_run_that_somebody_else_trains_is_not_resumed(tmp_path):
    with pytest.raises(Interrupted):
        run(out=tmp_path, stop_after=1)
    half = only_run(tmp_path).directory
    with locked(half), pytest.raises(RunError, match="still running"):
        mlzoo.resume(half, progress=QUIET)
    assert mlzoo.resume(half, figures=False, progress=QUIET).metrics


def test_resuming_keeps_what_the_first_part_was_made_with(tmp_path):
    with pytest.raises(Interrupted):
        run(out=tmp_path, stop_after=1)
    half = only_run(tmp_path).directory
    info = json.loads((half / "run.json").read_text())
    info["versions"]["torch"] = "1.0"
    (half / "run.json").write_text(json.dumps(info))
    mlzoo.resume(half, figures=False, progress=Progress(quiet=True))
    record = RunRecord(half)
    assert record.info["sessions"][0]["versions"]["torch"] == "1.0"
    assert record.info["versions"]["torch"] != "1.0"
    assert "torch 1.0 ->" in (half / "log.txt").read_text()


def test_unfinished_run_is_not_scored(tmp_path):
    with pytest.raises(Interrupted):
        run(out=tmp_path, stop_after=2)
    with pytest.raises(RunError, match="is not done"):
        mlzoo.evaluate(only_run(tmp_path).directory)


def test_changed_data_is_not_scored_as_if_it_were_thesame(tmp_path):
    done = run(out=tmp_path)
    config = json.loads((done.directory / "config.json").read_text()) | {"samples": 9}
    (done.directory / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match="data of toys is not what"):
        mlzoo.evaluate(done.directory)


def test_scoring_leaves_the_callers_random_streams_alone(tmp_path):
    import numpy as np

    done = run(out=tmp_path)
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)
    mlzoo.evaluate(done.directory)
    assert np.random.rand() == expected


def test_nan_weights_are_not_kept_even_if_the_loss_was_still_a_number(tmp_path):
    with pytest.raises(
        NonFiniteError, match=r"model\.line\.weight holds NaN at the end of epoch 1"
    ):
        run(out=tmp_path, ruin_at=4)
    assert not list(tmp_path.rglob("last.pt"))


def test_nothing_is_kept_of_weights_that_a_late_noticed_nan_went_through(tmp_path, monkeypatch):
    monkeypatch.setattr("mlzoo.metrics_log._on_host", lambda value: False)  # as on an accelerator
    with pytest.raises(NonFiniteError, match="at step 6"):
        run(out=tmp_path, break_at=6)
    assert checkpoint(only_run(tmp_path).directory, "best.pt")["epoch"] == 1


def test_nan_stops_names_the_step_and_keeps_the_last_good_checkpoint(tmp_path):
    with pytest.raises(NonFiniteError) as caught:
        run(out=tmp_path, break_at=6)
    assert "loss became nan in epoch 2, at step 6" in str(caught.value)
    record = only_run(tmp_path)
    assert "last.pt" in str(caught.value)
    assert str(record.directory) in str(caught.value)
    assert record.info["status"] == "failed"
    assert checkpoint(record.directory, "last.pt")["epoch"] == 1
    assert not (record.directory / "results.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_leaves_a_resumable_run(tmp_path, number):
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored here, as under nohup, and stays so")

    def interrupt():
        while not list(tmp_path.rglob("last.pt")):
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(Interrupted, match="mlzoo resume"):
        run(out=tmp_path, epochs=100_000)
    thread.join()
    record = only_run(tmp_path)
    assert record.info["status"] == "interrupted"
    assert checkpoint(record.directory, "last.pt")["epoch"] >= 1


def test_early_stop_is_kept_and_scored(tmp_path):
    done = run(out=tmp_path, epochs=9, stop_at=3, select="last")
    assert done.results["selection"]["epoch"] == 3
    assert checkpoint(done.directory, "last.pt")["stopped"] == "as configured"


def test_same_seed_same_result_other_seed_other_result(tmp_path):
    first, again, other = (run(out=tmp_path, seed=s).metrics["test"]["error"] for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_best_epoch_on_val_is_scored_and_equals_eval(tmp_path):
    done = run(out=tmp_path, rate=2.0, epochs=6)
    values = RunRecord(done.directory).curve("error", "val")[1]
    best = min(values)
    assert done.results["selection"]["epoch"] == values.index(best) + 1
    assert done.metrics["val"]["error"] == pytest.approx(best)
    assert mlzoo.evaluate(done.directory) == done.metrics


def test_selection_on_test_is_labelled_with_the_honest_choice_beside_it(tmp_path):
    results = run(out=tmp_path, rate=2.0, epochs=6, select="test").results
    assert results["selection"]["label"] == "selected on test data"
    assert results["honest"]["rule"] == "val"
    inflation = results["honest"]["selection_inflation"]["error"]
    honest = results["honest"]["metrics"]["test"]["error"]
    assert results["metrics"]["test"]["error"] - honest == pytest.approx(inflation)
    assert results["metrics"]["test"]["error"] <= honest


def test_views_are_predicted_scored_and_stored_beside_their_split(tmp_path):
    done = run(out=tmp_path)
    assert set(done.metrics) == {"val", "val@shifted", "test", "test@shifted"}
    shift = done.metrics["test@shifted"]["bias"] - done.metrics["test"]["bias"]
    assert shift == pytest.approx(1, abs=1e-5)
    assert set(RunRecord(done.directory).predictions("test@shifted")) == {"predicted", "target"}


def test_finish_runs_once_on_the_scored_weights(tmp_path):
    done = run(out=tmp_path)
    best = checkpoint(done.directory, "best.pt")
    assert best["finished"] is True
    assert best["model"]["finished"] == 1


def test_data_without_val_needs_another_rule(tmp_path):
    with pytest.raises(UsageError, match="no val split"):
        run(dataset="no-val", select="val", out=tmp_path)
    assert not list(tmp_path.glob("toy-no-val/**/*")), "nothing may be created"
    done = run(dataset="no-val", out=tmp_path)
    assert done.results["selection"]["rule"] == "last"


def test_nan_never_wins_a_selection():
    selector = Selector("val", ("val", "test"), higher_is_better=True)
    (best,) = selector.watched
    assert not best.offer(1, float("nan"))
    assert best.offer(2, 0.5)
    assert not best.offer(3, float("nan"))
    assert not best.offer(4, 0.5), "the first of equals stays"


def test_two_runs_of_the_same_second_have_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr("time.strftime", lambda *_: "20260101-000000")
    folders = {create(tmp_path, "toy", "toys", 0) for _ in range(20)}
    assert len(folders) == 20


def test_run_directory_says_everything_a_number_needs(tmp_path):
    done = run(out=tmp_path, figures=True)
    record = RunRecord(done.directory)
    assert record.info["status"] == "done"
    assert record.info["versions"]["mlzoo-toy"] == "1.0"
    assert record.info["data"]["fingerprint"] == done.results["data"]["fingerprint"]
    assert {"started", "finished", "seconds", "peak_memory_mb", "argv", "git"} <= set(record.info)
    assert record.config["epochs"] == 4
    assert record.config["sources"]["epochs"] == "preset toys"
    assert "torch==" in (done.directory / "environment.txt").read_text()
    assert "epoch 4/4" in (done.directory / "log.txt").read_text()
    assert done.results["evaluators"] == {"toy-error": "1"}
    assert done.results["references"] == {"error": {"ceiling": 0.0}}


def test_failing_figure_is_a_message_and_not_a_failed_run(tmp_path):
    done = run(out=tmp_path, figures=True)
    assert (done.directory / "figures" / "plot.png").is_file()
    assert not (done.directory / "figures" / "broken.png").exists()
    assert "no picture today" in (done.directory / "log.txt").read_text()


def test_config_of_a_run_is_a_valid_config_file(tmp_path):
    first = run(out=tmp_path / "a", rate=0.3, seed=5)
    again = run(out=tmp_path / "b", config=first.directory / "config.json")
    assert again.metrics == first.metrics
    assert RunRecord(again.directory).config["sources"]["rate"] == "file config.json"


def test_limited_data_is_marked(tmp_path):
    assert run(out=tmp_path, limit=4).results["data"]["limited"] is True


def test_a_grid_needs_a_rule_that_chooses() -> None:
    for rule, values in (("val", (1, 2)), ("test", (1, 2)), ("last", (1,))):
        require_choice(rule, "penalties", values)
    with pytest.raises(UsageError, match="chooses none of the 2 values of penalties"):
        require_choice("last", "penalties", (1, 2))
