"""Runs on a Dask cluster: a real one of two workers, which the test starts."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

import mlzoo
from mlzoo.checkpoints import load_checkpoint
from mlzoo.displays import Display
from mlzoo.experiment import Result
from mlzoo.seeds import Outcome, _bring_home
from mlzoo.testing import same

distributed = pytest.importorskip("distributed", reason="needs mlzoo-core[dask]")

DEADLY = """

_train = Toy.fit


def fit(self, run):
    import os, signal, time

    if self.config.stop_at == 77 and run.seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if self.config.stop_at == 88:
        for epoch in run.epochs(100000, model=self):
            time.sleep(0.01)
            run.log(loss=0.0)
    _train(self, run)


Toy.fit = fit
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers, processes of this machine: its address and their plugin folder."""
    folder, scratch = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("dask")
    environment = {
        **os.environ,
        "PYTHONPATH": _path_with(folder),
        "MLZOO_PLUGINS": "mlzoo-toy",
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    }
    found = scratch / "scheduler.json"
    shared = ["--scheduler-file", str(found)]
    words = [
        ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", *shared],
        ["worker", "--nworkers", "2", "--nthreads", "1", "--no-dashboard", *shared],
    ]
    with ExitStack() as started:
        for each in words:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *each],
                env=environment,
                cwd=scratch,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            started.callback(process.wait, 120)
            started.callback(process.terminate)
        deadline = time.monotonic() + 400
        while not found.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        address = json.loads(found.read_text())["address"]
        with distributed.Client(address, timeout=120, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=400)
        yield address, folder


def _path_with(folder: Path) -> str:
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


@pytest.fixture
def scheduler(cluster, toy, monkeypatch) -> str:
    """The address of the cluster, whose workers have the plugin of this process."""
    address, folder = cluster
    module = toy.folder / "mlzoo_toy.py"
    module.write_text(module.read_text(encoding="utf-8") + DEADLY, encoding="utf-8")
    shutil.copytree(toy.folder, folder, dirs_exist_ok=True)
    monkeypatch.setattr("mlzoo.run_directory.git_state", lambda module: None)
    monkeypatch.setattr("mlzoo.cluster.SECONDS", 120)  # a busy machine
    return str(address)


def infos(folder: str) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(Path(folder).rglob("run.json"))]


def reproduced(**options):
    return mlzoo.reproduce(
        "toy", device="cpu", figures=False, display=Display(quiet=True), **options
    )


def test_both_workers_have_runs_and_results_equal_local_ones(scheduler):
    there = reproduced(seeds=4, out="there", scheduler=scheduler)
    assert there.failed == []
    pids = {info["pid"] for info in infos("there")}
    assert (len(pids), os.getpid() in pids) == (2, False)
    here = reproduced(seeds=4, out="here")
    for one, other in zip(there.runs, here.runs, strict=True):
        assert one.results == other.results
        weights = [
            load_checkpoint(run.directory / "checkpoints" / "last.pt") for run in (one, other)
        ]
        assert same(weights[0]["state"], weights[1]["state"])
    assert [path.name for path in Path("there").glob(".mlzoo-jobs-*")] == []


def test_command_goes_on_with_what_is_there(cli, scheduler):
    words = ("reproduce", "toy", "--no-figures", "--device", "cpu", "--out", "out")
    assert cli("run", "toy", "--stop-after", 1, *words[2:]).code == 130
    called = cli(*words, "--seeds", 2, "--scheduler", scheduler, "--json")
    assert called.code == 0, called.err
    assert "0 of 2 runs are there, 1 goes on, 1 begins" in called.err
    assert "[2/2]" in called.err
    assert len(infos("out")) == 2
    assert json.loads(called.out)["runs"][0].startswith(str(Path.cwd()))


def test_run_that_kills_its_worker_is_told_and_the_others_end(scheduler):
    found = reproduced(seeds=3, stop_at=77, out="out", scheduler=scheduler)
    assert [outcome.repetition for outcome in found.failed] == [(("seed", 1),)]
    assert re.match(r"its worker tcp://\S+ died\.", str(found.failed[0].error))
    assert len(found.runs) == 2
    statuses = {info["status"] for info in infos("out")}
    assert statuses == {"done", "running"}  # which the same call would go on with


def test_stopped_command_leaves_resumable_runs_and_begins_no_other(scheduler, toy):
    words = [
        "reproduce",
        "toy",
        "--seeds",
        "4",
        "--stop-at",
        "88",
        "--device",
        "cpu",
        "--no-figures",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlzoo", *words, "--scheduler", scheduler, "--out", "out"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": _path_with(toy.folder)},
    )
    deadline = time.monotonic() + 400
    while len(list(Path("out").rglob("last.pt"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 130, told
    assert "stopped, seeds 0, 1, 2, 3 not finished." in told
    assert "Traceback" not in told
    assert [info["status"] for info in infos("out")] == ["interrupted"] * 2


def test_cluster_that_does_not_answer_is_one_error_within_seconds(cli, toy):
    start = time.monotonic()
    called = cli("reproduce", "toy", "--scheduler", "tcp://127.0.0.1:9")
    assert time.monotonic() - start < 120
    assert called.code == 1
    lines = called.err.splitlines()
    assert lines[0] == "mlzoo: error: no Dask scheduler answers at tcp://127.0.0.1:9."
    assert (len(lines), Path("runs").exists()) == (2, False)


def test_worker_with_other_versions_is_refused(cli, scheduler, monkeypatch):
    monkeypatch.setattr("mlzoo.reproduction.version", lambda name: "9.9")
    called = cli("reproduce", "toy", "--scheduler", scheduler)
    assert called.code == 1
    assert "instead of 9.9" in called.err
    assert "Install the same versions on every worker" in called.err
    assert not Path("runs").exists()


def test_missing_extra_is_one_error(cli, toy, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    called = cli("reproduce", "toy", "--scheduler", "tcp://127.0.0.1:8786")
    assert called.code == 1
    assert "pip install 'mlzoo-core[dask]'" in called.err


def test_run_of_a_machine_with_another_disk_is_kept_here(tmp_path):
    files = {"run.json": {"status": "done", "kept_on": "far"}, "config.json": {"model": "toy"}}
    result = Result(tmp_path / "toy-toys" / "run", {}, {})
    _bring_home(Outcome((("seed", 0),), result, files=files))
    assert json.loads((result.directory / "run.json").read_text())["kept_on"] == "far"
    changed = {"run.json": {"status": "running"}}
    _bring_home(Outcome((("seed", 0),), result, files=changed))
    assert json.loads((result.directory / "run.json").read_text())["status"] == "done"
