"""Published numbers judged by several runs: verdicts, exit status, and runs that are not repeated."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mlzoo
from mlzoo.checkpoints import load_checkpoint
from mlzoo.displays import Bars, Display
from mlzoo.errors import UsageError
from mlzoo.files import take_lock
from mlzoo.following import STOP, Followed, Mark, Standing, standings
from mlzoo.progress import Progress
from mlzoo.run_directory import RunInfo, locked
from mlzoo.run_status import StopRequested
from mlzoo.testing import same

NUMBERS = """

from mlzoo import Published


def claim(metric, value, dataset="toys", **more):
    values = {"source": "table 1", "selection": "test", "verified": True, "tolerance": 0.5, **more}
    return Published(dataset=dataset, metric=metric, value=value, **values)


def claimed(spec, *numbers, **changes):
    return replace(spec, published=numbers, **changes)


_plain = mlzoo_models


@hookimpl
def mlzoo_models():
    (spec,) = _plain()
    yield claimed(
        spec,
        claim("error", 0.0),
        claim("error", 0.1, selection="val", source="table 2", verified=False),
        claim("error", 3.0, source="table 3"),
        claim("bias", -3.0, source="table 4"),
        claim("error", 0.2, selection="last", source="table 5"),
        claim("bias", 7.0, "searched", selection="last"),
        presets={**spec.presets, "toys": {"epochs": 12, "rate": 0.3}},
    )
    yield claimed(spec, name="fixed", deterministic=True)
    yield claimed(spec, claim("bias", -3.0), name="better")
"""
REPRODUCE = ("reproduce", "toy", "--no-figures", "--device", "cpu")


@pytest.fixture
def claims(toy, monkeypatch):
    """The toy with published numbers, and an empty working folder."""
    module = toy.folder / "mlzoo_toy.py"
    module.write_text(module.read_text(encoding="utf-8") + NUMBERS, encoding="utf-8")
    monkeypatch.setattr("mlzoo.run_directory.git_state", lambda module: None)
    monkeypatch.setattr("mlzoo.run_directory.distributions", list)
    return toy


def called_json(called) -> dict:
    assert called.out, called.err
    return json.loads(called.out, parse_constant=lambda word: pytest.fail(word))


def verdicts(found: dict) -> dict[str, str]:
    return {claim["source"]: claim["verdict"] for claim in found["claims"]}


def runs(folder: str = "runs/reproduce/toy-toys") -> list[Path]:
    return sorted(path.parent for path in Path(folder).rglob("run.json"))


def written(folder: Path) -> dict[str, int]:
    """When each file of a run was written."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_every_published_number_has_a_verdict(cli, claims):
    called = cli(*REPRODUCE, "--seeds", 3, "--json")
    assert called.code == 1, called.err
    found = called_json(called)
    assert verdicts(found) == {
        "table 1": "matches",
        "table 2": "matches",  # published under val: held against the honest choice
        "table 3": "below",
        "table 4": "above",
        "table 5": "not comparable",
    }
    assert [(c["n"], c["selection"]) for c in found["claims"]][:2] == [(3, "test"), (3, "val")]
    low, high = found["claims"][0]["interval"]
    assert low < found["claims"][0]["mean"] < high
    assert found["claims"][4]["reason"] == "published under last, run under test"
    assert found["summary"] == "4 of 5 published numbers compared: 2 match, 1 below, 1 above"
    assert found["verdicts"]["consistent (one seed)"] == 0
    both = found["protocols"][0]["rows"]["toy"]["error"]
    added = both["selected_on_test"]["mean"] - both["honest"]["mean"]
    assert both["selection_inflation"]["mean"] == pytest.approx(added)
    folder = Path("runs/reproduce/toy-toys")
    assert json.loads((folder / "claims.json").read_text()) == found
    assert found["summary"] in (folder / "claims.md").read_text()


def test_tables_show_verdicts_protocols_and_the_leaderboard(cli, claims):
    called = cli(*REPRODUCE, "--seeds", 2)
    for text in ("95 % interval", "within the tolerance of 0.5", "selection inflation", "@shifted"):
        assert text in called.out
    assert called.out.splitlines()[-2].startswith("4 of 5 published numbers compared:")
    assert "kept in runs/reproduce/toy-toys" in called.out
    assert "selection: test, the rule of 3 of 5 published numbers; the honest choice" in called.err
    assert "0 of 2 runs are there, 2 begin" in called.err
    assert "seed 1: training 12/12" in called.err


def test_one_seed_never_matches(cli, claims):
    found = called_json(cli(*REPRODUCE, "--seeds", "3-3", "--json"))
    assert verdicts(found)["table 1"] == "consistent (one seed)"
    assert found["claims"][0]["interval"] is None
    assert [json.loads((run / "config.json").read_text())["seed"] for run in runs()] == [3]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--epochs", 1), "options differ from the preset: epochs"),
        (("--limit", 8), "the run used limited data"),
        (("--select", "val"), "published under test, run under val"),
    ],
)
def test_other_conditions_are_not_comparable(cli, claims, words, reason):
    called = cli(*REPRODUCE, "--seeds", 1, "--json", *words)
    found = called_json(called)
    assert (found["claims"][0]["verdict"], found["claims"][0]["reason"]) == (
        "not comparable",
        reason,
    )


def test_exit_status_says_whether_numbers_are_worse(cli, claims):
    lower_is_better = ("reproduce", "better", "--no-figures", "--seeds", 2)
    codes = {
        on: cli(*lower_is_better, "--fail-on", on).code for on in ("below", "different", "any")
    }
    assert codes == {"below": 1, "different": 1, "any": 1}  # bias 0 instead of -3
    error = ("--select", "last", "--seeds", 2)
    codes = {on: cli(*REPRODUCE, *error, "--fail-on", on).code for on in codes}
    assert codes == {
        "below": 0,
        "different": 0,
        "any": 1,
    }  # only table 5 is comparable, and matches


def test_better_than_published_is_a_difference_and_no_failure(cli, claims):
    words = (*REPRODUCE, "--dataset", "searched", "--seeds", 2, "--epochs", 2)
    assert cli(*words, "--fail-on", "below").code == 0
    assert cli(*words, "--fail-on", "any").code == 1  # --epochs: not comparable


def test_model_without_published_numbers_says_so(cli, claims):
    words = ("reproduce", "toy", "--dataset", "no-val", "--seeds", 2, "--no-figures")
    called = cli(*words)
    assert called.code == 0, called.err
    assert "toy has no published numbers on no-val" in called.out
    assert "selection: last, the preset's" in called.err
    assert cli(*words, "--fail-on", "any").code == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--select", "last"), "selection: last, as asked for (option)"),
        (("--dataset", "searched"), "selection: last, the rule of 1 of 1 published numbers"),
    ],
)
def test_rule_of_selection_is_told(cli, claims, words, line):
    assert line in cli(*REPRODUCE, "--seeds", 1, "--epochs", 1, *words).err.splitlines()


def test_deterministic_model_runs_once(cli, claims):
    called = cli("reproduce", "fixed", "--no-figures", "--seeds", 5, "--epochs", 1)
    assert called.code == 0
    assert "fixed draws nothing at random: one seed says it all" in called.err
    assert len(runs("runs/reproduce/fixed-toys")) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--seeds", "0"), "there must be one seed at least"),
        (("--seeds", "a"), "'a' is not like 0-4"),
        (("--seeds", "0,0"), "names a seed twice"),
        (("--seed", "1"), "No such option '--seed'"),
        (("--rate", "-1"), "--rate: Input should be greater than 0"),
        (("--preset", "none"), "toy has no preset 'none'"),
        (("--device", "abacus"), "device 'abacus' is not one of"),
        (("--scheduler", "localhost"), "--scheduler 'localhost' is not like tcp://host:8786"),
        (("--dataset", "searched", "--select", "best"), "--select: Input should be"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_made(cli, claims, words, told):
    called = cli("reproduce", "toy", *words)
    assert (called.code, told in called.err) == (2, True), called.err
    assert not Path("runs").exists()


def test_missing_files_are_told_before_anything_is_made(cli, claims):
    called = cli("reproduce", "toy", "--dataset", "toy-files")
    assert (called.code, "rows.npz: missing" in called.err) == (1, True)
    assert not Path("runs").exists()


def test_finished_runs_are_not_repeated(cli, claims):
    cli(*REPRODUCE, "--seeds", 2)
    before = {run: written(run) for run in runs()}
    assert len(before) == 2
    called = cli(*REPRODUCE, "--seeds", "0-2", "--json")
    assert "2 of 3 runs are there, 1 begins" in called.err
    assert {run: written(run) for run in before} == before
    assert [claim["n"] for claim in called_json(called)["claims"]] == [3] * 5
    again = cli(*REPRODUCE, "--seeds", "0-2", "--json")
    assert "3 of 3 runs are there" in again.err
    assert again.out == called.out


def test_runs_of_other_options_are_left_alone_and_named(cli, claims):
    words = (*REPRODUCE, "--seeds", 1)
    cli(*words, "--epochs", 1)
    cli("run", "toy", "--out", "runs/reproduce/toy-toys", "--no-figures", "--select", "last")
    damaged = runs()[0].parent / "damaged"
    damaged.mkdir()
    (damaged / "run.json").write_text("{")
    before = {run: written(run) for run in runs()}
    called = cli(*words)
    assert "0 of 1 runs are there, 1 begins" in called.err
    assert "epochs 1 instead of 12" in called.err
    assert "select last instead of test" in called.err
    assert "left alone: damaged: " in called.err
    assert {run: written(run) for run in before} == before
    assert len(runs()) == 4


@pytest.mark.parametrize("file", ["run.json", "results.json"])
def test_runs_of_other_versions_and_data_are_begun_anew(cli, claims, file):
    cli(*REPRODUCE, "--seeds", 1)
    path = runs()[0] / file
    content = json.loads(path.read_text())
    if file == "run.json":
        content["data"]["fingerprint"] = "other"
    else:
        content["plugins"]["mlzoo-toy"] = "0.9"
    path.write_text(json.dumps(content))
    called = cli(*REPRODUCE, "--seeds", 1)
    reason = "made with other data" if file == "run.json" else "mlzoo-toy 0.9 instead of 1.0"
    assert f"left alone: {path.parent.name}: {reason}" in called.err
    assert len(runs()) == 2


def test_interrupted_run_goes_on_and_equals_one_that_never_stopped(cli, claims):
    cli(*REPRODUCE, "--seeds", 1, "--out", "straight")
    out = ("--out", "runs/reproduce/toy-toys")
    cli(
        "run", "toy", "--select", "test", "--stop-after", 7, "--no-figures", "--device", "cpu", *out
    )
    called = cli(*REPRODUCE, "--seeds", 2)
    assert "0 of 2 runs are there, 1 goes on, 1 begins" in called.err
    assert "seed 0: training 8/12" in called.err
    assert_equal_runs(runs("straight")[0], runs()[0])


def assert_equal_runs(one: Path, other: Path) -> None:
    results = [json.loads((run / "results.json").read_text()) for run in (one, other)]
    assert results[0] == results[1]
    for name in ("best.pt", "last.pt"):
        assert same(*(load_checkpoint(run / "checkpoints" / name) for run in (one, other)))


def test_failed_seed_leaves_the_others_and_begins_anew(cli, claims, monkeypatch):
    assert mlzoo.models()  # which imports the plugin
    import mlzoo_toy  # type: ignore[import-not-found]

    train = mlzoo_toy.Toy.fit

    def fit(self, run):
        if run.seed == 1:
            raise ValueError("this seed is ill")
        train(self, run)

    monkeypatch.setattr(mlzoo_toy.Toy, "fit", fit)
    called = cli(*REPRODUCE, "--seeds", 3, "--json")
    assert called.code == 1
    assert "[2/3] seed 1 failed: ValueError: this seed is ill" in called.err
    assert "1 of 3 runs failed: seeds 1." in called.err
    assert called_json(called)["failed"] == {"seed 1": "ValueError: this seed is ill"}
    assert [claim["n"] for claim in called_json(called)["claims"]] == [2] * 5
    monkeypatch.setattr(mlzoo_toy.Toy, "fit", train)
    again = cli(*REPRODUCE, "--seeds", 3)
    assert "2 of 3 runs are there, 1 begins (failed before: seeds 1)" in again.err
    assert len(runs()) == 4


def test_stopped_reproduction_says_how_it_goes_on(cli, claims, monkeypatch):
    assert mlzoo.models()
    import mlzoo_toy

    train = mlzoo_toy.Toy.fit

    def fit(self, run):
        if run.seed == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        train(self, run)

    monkeypatch.setattr(mlzoo_toy.Toy, "fit", fit)
    called = cli(*REPRODUCE, "--seeds", 3)
    assert called.code == 130
    assert "stopped, seeds 1, 2 not finished." in called.err
    assert "The same command goes on where it ended." in called.err
    monkeypatch.setattr(mlzoo_toy.Toy, "fit", train)
    assert "1 of 3 runs is there, 1 goes on, 1 begins" in cli(*REPRODUCE, "--seeds", 3).err


def test_folder_and_runs_in_use_are_refused(cli, claims):
    cli(*REPRODUCE, "--seeds", 1, "--epochs", 2)
    (run,) = runs()
    info = RunInfo.read(run)
    info.update(status="running")
    with locked(run):
        called = cli(*REPRODUCE, "--seeds", 1, "--epochs", 2)
    assert called.code == 1
    assert f"{run} is still running, in process {os.getpid()} on " in called.err
    with Path("runs/reproduce/toy-toys/.lock").open("a+b") as file:
        take_lock(file.fileno())
        called = cli(*REPRODUCE, "--seeds", 1)
    assert called.code == 1
    assert "another mlzoo reproduce is at work in runs/reproduce/toy-toys" in called.err


def test_killed_process_leaves_finished_runs_and_the_rest_goes_on_exactly(cli, claims, tmp_path):
    out = tmp_path / "out"
    words = ["reproduce", "toy", "--device", "cpu", "--no-figures", "--epochs", "100"]
    words += ["--noise", "0.1", "--out", str(out)]
    cli(*words, "--seeds", 1)
    (finished,) = runs(str(out))
    before = written(finished)
    command = [sys.executable, "-m", "mlzoo", *words, "--seeds", "3", "--jobs", "2"]
    path = os.pathsep.join(filter(None, (str(claims.folder), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    victim = _run_that_has_a_checkpoint(out, finished)
    os.kill(json.loads((victim / "run.json").read_text())["pid"], signal.SIGKILL)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 1, told
    assert "1 of 3 runs is there, 2 begin" in told
    assert "a process with a run was killed" in told
    assert "The same command goes on where it ended." in told
    assert "Traceback" not in told
    assert not (victim / "results.json").exists()
    called = cli(*words, "--seeds", 3, "--jobs", 1)
    assert called.code == 0, called.err
    assert "1 of 3 runs is there, " in called.err
    assert " on" in called.err.splitlines()[1]
    assert written(finished) == before
    seed = json.loads((victim / "config.json").read_text())["seed"]
    options = {"epochs": 100, "noise": 0.1, "seed": seed, "select": "test", "device": "cpu"}
    quiet = Progress(quiet=True)
    straight = mlzoo.run("toy", **options, out="straight", figures=False, progress=quiet)
    assert_equal_runs(straight.directory, victim)


def _run_that_has_a_checkpoint(out: Path, other_than: Path) -> Path:
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        for run in runs(str(out)):
            if run != other_than and (run / "checkpoints" / "last.pt").exists():
                return run
        time.sleep(0.02)
    raise AssertionError("no run has a checkpoint")


def test_python_answers_with_claims_boards_and_runs(claims):
    found = mlzoo.reproduce("toy", seeds=2, figures=False, display=Display(quiet=True), out="here")
    assert isinstance(found, mlzoo.Reproduction)
    assert [claim.verdict for claim in found.claims][:2] == ["matches", "matches"]
    assert len(found.runs) == 2
    assert found.failed == []
    assert found.boards[0].dataset == "toys"
    assert found.fails("below")
    assert not mlzoo.reproduce(
        "toy", seeds=[0], select="last", figures=False, display=Display(quiet=True)
    ).fails("different")
    with pytest.raises(UsageError, match="must name one seed"):
        mlzoo.reproduce("toy", seeds=0)
    with pytest.raises(UsageError, match="has no repetitions"):
        mlzoo.reproduce("toy", repeats=[1])


def test_display_tells_tenths_and_messages_once():
    shown = io.StringIO()
    display = Display(shown)
    progress = Followed("seed 3", display.update)
    progress.begin("training", 20, 0)
    for epoch in range(1, 21):
        progress.step(epoch, {"loss": 0.5})
        progress.epoch(epoch, 20, {"loss": 0.5})
    progress.message("half of it is noise")
    progress.step(21, {})
    lines = shown.getvalue().splitlines()
    assert lines[0] == "seed 3: training 2/20  loss 0.5"
    assert (len(lines), lines[-1]) == (11, "seed 3: half of it is noise")
    display.ended("seed 3", "[1/1] seed 3")
    display.update(Standing("seed 3", "training", 20, 20, messages=("late",)))
    assert shown.getvalue().splitlines()[11:] == ["[1/1] seed 3"]


def test_bars_show_every_run_that_goes_on_and_all_together():
    shown = io.StringIO()
    bars = Bars(shown)
    bars.begin(5, 2)
    bars.update(Standing("seed 3", "training", 4, 20, "loss [0.5]"))
    bars.update(Standing("seed 4", "search", 1, 20))
    assert bars._bars is not None
    tasks = [(task.description, task.completed, task.total) for task in bars._bars.tasks]
    assert tasks == [("runs", 2, 5), ("seed 3: training", 4, 20), ("seed 4: search", 1, 20)]
    bars.ended("seed 3", "[3/5] seed 3")
    tasks = [(task.description, task.completed) for task in bars._bars.tasks]
    assert tasks == [("runs", 3), ("seed 4: search", 1)]
    bars.end()
    assert "[3/5] seed 3" in shown.getvalue()


def test_run_in_another_process_is_followed_and_stopped_through_its_mark(tmp_path, monkeypatch):
    monkeypatch.setattr("mlzoo.following.PERIOD", 0.0)
    mark = Mark(tmp_path / "host-7.json")
    assert list(standings(tmp_path)) == []  # it has told nothing yet
    progress = Followed("seed 0", mark.tell)
    progress.begin("training", 10, 4)
    progress.message("hello")
    (standing,) = standings(tmp_path)
    assert standing == Standing("seed 0", "training", 4, 10, messages=("hello",))
    (tmp_path / STOP).touch()
    with pytest.raises(StopRequested):
        progress.step(5, {"loss": 1.0})
    (tmp_path / STOP).unlink()
    mark.remove()  # or the folder with it
    with pytest.raises(StopRequested):
        progress.step(5, {"loss": 1.0})
    nobody = Mark(tmp_path / "not-here" / "host-7.json")
    Followed("seed 0", nobody.tell).step(5, {"loss": 1.0})
    assert not nobody.is_stopped
