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
from mlzoo.run_directory import find_runs
from mlzoo.testing import same

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs os.fork")

WRITING = """
import itertools, torch
from pathlib import Path
from mlzoo.checkpoints import save_checkpoint
from mlzoo.run_directory import locked
def write(folder):
    last, previous = folder / "last.pt", folder / "previous.pt"
    with locked(folder):
        for count in itertools.count():
            state = {"round": count, "rows": [torch.full((40, 50), float(count))] * 5}
            save_checkpoint(last, state, previous)
"""


def test_checkpoint_survives_kills_at_a_hundred_random_moments(tmp_path):
    stream = random.Random(0)
    rounds = []
    with Victims(WRITING) as victims:
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


TRAINING = """
import torch, mlzoo, mlzoo.experiment, mlzoo.runs, mlzoo.run_directory, mlzoo_toy
from mlzoo.registry import registry
from pathlib import Path
from mlzoo.progress import Progress
mlzoo.run_directory.git_state = lambda module: None
mlzoo.run_directory.distributions = list
registry()
torch.optim.Adam([torch.zeros(1)])  # what is imported late is not imported in every child
def train(out, **options):
    begun = [path.parent for path in Path(out).rglob("run.json")]
    if begun:
        mlzoo.resume(begun[0], figures=False, progress=Progress(quiet=True))
    else:
        mlzoo.run("toy", noise=0.1, samples=4, device="cpu", out=out, figures=False,
                  progress=Progress(quiet=True), **options)
"""


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


def test_training_killed_again_and_again_ends_as_if_undisturbed(toy, tmp_path):
    out, stream = tmp_path / "killed", random.Random(1)
    out.mkdir()
    kills = 0
    with Victims(TRAINING) as victims:
        assert victims.run(f"train({str(tmp_path / 'straight')!r}, epochs=40)") == 0
        train = f"train({str(out)!r}, epochs=40)"
        for _ in range(6):  # before training begins, too
            kills += victims.kill(train, stream.uniform(0, 0.05))
        for _ in range(14):
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
    assert same(content(out), content(tmp_path / "straight"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_training_stopped_at_random_moments_says_so_and_goes_on(toy, tmp_path, number):
    out, stream = tmp_path / "stopped", random.Random(int(number))
    out.mkdir()
    stops = 0
    with Victims(TRAINING) as victims:
        assert victims.run(f"train({str(tmp_path / 'straight')!r}, epochs=40)") == 0
        train = f"train({str(out)!r}, epochs=40)"
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
    assert same(content(out), content(tmp_path / "straight"))


def test_two_processes_in_one_out_directory_share_nothing(toy, tmp_path):
    out = tmp_path / "out"
    with Victims(TRAINING) as one, Victims(TRAINING) as other:
        fresh = f"mlzoo.run('toy', samples=4, out={str(out)!r}, progress=Progress(quiet=True))"
        ended = []
        assert one.run(fresh, when=lambda: ended.append(other.run(fresh))) == 0, one.errors()
    assert ended == [0]
    first, second = find_runs([out])
    assert broken_files(out) == []
    assert same(first.results["metrics"], second.results["metrics"])


def test_second_process_that_resumes_the_same_run_is_refused(toy, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(Interrupted):
        mlzoo.run("toy", epochs=10**6, stop_after=1, out=out, progress=Progress(quiet=True))
    half = one_run(out).directory

    def second():
        log = half / "metrics.jsonl"
        size = log.stat().st_size
        while log.stat().st_size <= size:
            time.sleep(0.01)
        with pytest.raises(RunError, match="is still running, in another process"):
            mlzoo.resume(half, progress=Progress(quiet=True))

    with Victims(TRAINING) as victims:
        assert victims.run(f"train({str(out)!r})", signal.SIGKILL, second) == -signal.SIGKILL
    with pytest.raises(Interrupted):  # the lock went with its holder
        mlzoo.resume(half, stop_after=1, progress=Progress(quiet=True))
    assert broken_files(half) == []
