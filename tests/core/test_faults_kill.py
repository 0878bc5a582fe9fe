"""Killed, stopped and doubled processes: the last good checkpoint loads and the run goes on exactly."""

from __future__ import annotations

import random
import signal
import sys
import time

import pytest

import mlzoo
from mlzoo.checkpoints import load_checkpoint
from mlzoo.errors import RunError
from mlzoo.experiment import Interrupted
from mlzoo.faults import Victims, broken_files
from mlzoo.progress import Progress
from mlzoo.run_directory import create, find_runs
from mlzoo.testing import same

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs os.fork")

SETUP = """
import itertools, os, sys
from pathlib import Path
import torch, mlzoo.experiment, mlzoo.runs, mlzoo.run_directory
from mlzoo.checkpoints import save_checkpoint
from mlzoo.progress import Progress
from mlzoo.run_directory import locked
mlzoo.run_directory.git_state = lambda module: None
mlzoo.run_directory.distributions = list
torch.optim.Adam([torch.zeros(1)])  # what is imported late is not imported in every child

def write(folder):
    last, previous = folder / "last.pt", folder / "previous.pt"
    with locked(folder):
        for count in itertools.count():
            state = {"round": count, "rows": [torch.full((40, 50), float(count))] * 5}
            save_checkpoint(last, state, previous)

def train(site, out, anew=False, **options):
    sys.path.insert(0, site)
    os.environ["MLZOO_PLUGINS"] = "toy"
    begun = [path.parent for path in Path(out).rglob("run.json")]
    if begun and not anew:
        mlzoo.resume(begun[0], figures=False, progress=Progress(quiet=True))
    else:
        mlzoo.run("toy", noise=0.1, samples=4, device="cpu", out=out, figures=False,
                  progress=Progress(quiet=True), **options)
"""


@pytest.fixture(scope="module")
def victims():
    with Victims(SETUP) as shared:
        yield shared


@pytest.fixture
def quick(toy, monkeypatch):
    """The toy plugin without what takes time and is beside the point."""
    monkeypatch.setattr("mlzoo.run_directory.git_state", lambda module: None)
    monkeypatch.setattr("mlzoo.run_directory.distributions", list)
    return toy


def straight_run(out):
    options = {"epochs": 40, "noise": 0.1, "samples": 4, "device": "cpu", "figures": False}
    return mlzoo.run("toy", out=out, progress=Progress(quiet=True), **options)


def training(site, out, epochs=40):
    return f"train({str(site.folder)!r}, {str(out)!r}, epochs={epochs})"


def test_checkpoint_survives_kills_at_a_hundred_random_moments(victims, tmp_path):
    stream = random.Random(0)
    rounds = []
    for _ in range(120):
        assert victims.kill(f"write(Path({str(tmp_path)!r}))", stream.uniform(0.005, 0.06))
        for path in tmp_path.glob("*.pt"):
            state = load_checkpoint(path)
            assert all((rows == state["round"]).all() for rows in state["rows"])
            if path.name == "last.pt":
                rounds.append(state["round"])
        names = {path.name for path in tmp_path.iterdir()}
        leftovers = {name for name in names if name.endswith(".tmp")}
        assert len(leftovers) <= 1, "each start removes what the kill before left"
        assert names - leftovers <= {".lock", "last.pt", "previous.pt"}
    assert len(rounds) >= 100
    assert len(set(rounds)) > 1, "the kills came at different moments"


def one_run(out):
    (record,) = find_runs([out])
    return record


def content(directory):
    """What must be equal, bit for bit."""
    record = one_run(directory)
    weights = {path.name: load_checkpoint(path) for path in directory.rglob("[bl]*.pt")}
    return {**weights, "rows": record.rows, "results": record.results}


def statuses(out):
    return {record.info["status"] for record in find_runs([out])}


def going_on(out, most, stream):
    """Returns when a training process has come forward, and a random time after."""
    log = (one_run(out).directory if list(out.rglob("run.json")) else out) / "metrics.jsonl"
    before = log.stat().st_mtime_ns if log.exists() else 0
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if log.exists() and log.stat().st_mtime_ns > before:
            break
        if not log.exists() and list(out.rglob("run.json")):
            log = one_run(out).directory / "metrics.jsonl"
        time.sleep(0.001)
    time.sleep(stream.uniform(0, most))


def test_training_killed_again_and_again_ends_as_if_undisturbed(quick, victims, tmp_path):
    out, stream = tmp_path / "killed", random.Random(1)
    out.mkdir()
    straight = straight_run(tmp_path / "straight").directory
    train, kills = training(quick, out), 0
    for _ in range(6):  # before training begins, too
        kills += victims.kill(train, stream.uniform(0, 0.05))
    for _ in range(12):
        status = victims.run(train, signal.SIGKILL, lambda: going_on(out, 0.08, stream))
        kills += status == -signal.SIGKILL
        assert [line for line in broken_files(out) if "left behind" not in line] == []
        if "done" in statuses(out):
            break
    if "done" not in statuses(out):
        assert victims.run(train) == 0, victims.errors()
    assert kills >= 8
    assert broken_files(out) == []
    assert statuses(out) == {"done"}
    assert same(content(out), content(straight))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_training_stopped_at_random_moments_says_so_and_goes_on(quick, victims, tmp_path, number):
    out, stream = tmp_path / "stopped", random.Random(int(number))
    out.mkdir()
    straight = straight_run(tmp_path / "straight").directory
    train, stops = training(quick, out), 0
    for _ in range(10):
        code = victims.run(train, number, lambda: going_on(out, 0.1, stream))
        if "done" in statuses(out):
            break
        stops += 1
        assert code == 1
        assert statuses(out) == {"interrupted"}, one_run(out).info["error"]
        assert broken_files(out) == []
    if "done" not in statuses(out):
        assert victims.run(train) == 0, victims.errors()
    assert stops >= 4
    assert same(content(out), content(straight))


def test_two_processes_in_one_out_directory_share_nothing(quick, victims, tmp_path):
    code = training(quick, tmp_path, "40, anew=True")
    assert victims.run(code, when=lambda: straight_run(tmp_path)) == 0, victims.errors()
    first, second = find_runs([tmp_path])
    assert first.directory != second.directory
    assert broken_files(tmp_path) == []
    assert same(content(first.directory), content(second.directory))


def test_second_process_that_resumes_the_same_run_is_refused(quick, victims, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(Interrupted):
        mlzoo.run("toy", epochs=10**6, stop_after=1, out=out, progress=Progress(quiet=True))
    half = one_run(out).directory

    def second():
        going_on(out, 0, random.Random(0))
        with pytest.raises(RunError, match="is still running, in another process"):
            mlzoo.resume(half, progress=Progress(quiet=True))

    assert victims.run(training(quick, out), signal.SIGKILL, second) == -signal.SIGKILL
    with pytest.raises(Interrupted):  # the lock went with its holder
        mlzoo.resume(half, stop_after=1, progress=Progress(quiet=True))
    assert broken_files(half) == []


def test_clock_set_back_spoils_nothing(quick, tmp_path, monkeypatch):
    real, back = time.time, iter(range(0, 10**9, 3600))
    monkeypatch.setattr(time, "time", lambda: real() - next(back))  # an hour less at each look
    names = {create(tmp_path / "names", "toy", "toys", 0).name for _ in range(20)}
    assert len(names) == 20
    with pytest.raises(Interrupted):
        mlzoo.run("toy", epochs=3, stop_after=1, out=tmp_path / "a", progress=Progress(quiet=True))
    directory = one_run(tmp_path / "a").directory
    mlzoo.resume(directory, figures=False, progress=Progress(quiet=True))
    assert one_run(directory).info["seconds"] >= 0
    assert one_run(directory).info["started"] > one_run(directory).info["finished"]
    assert " -" not in (directory / "log.txt").read_text(), "no negative durations"
    mlzoo.run("toy", epochs=3, seed=1, out=tmp_path / "a", progress=Progress(quiet=True))
    found = [record.directory.name for record in find_runs([tmp_path / "a"])]
    assert found == sorted(found)
    assert len(found) == 2
