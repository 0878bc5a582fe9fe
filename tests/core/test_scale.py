"""Several processes, precisions and jobs: the same result, and only one process writes."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
import torch

from mlzoo import evaluate, resume, run
from mlzoo.checkpoints import load_checkpoint
from mlzoo.errors import RunError, UsageError
from mlzoo.launch import JobFailedError, launch
from mlzoo.metrics_log import read_rows
from mlzoo.progress import Progress
from mlzoo.run_directory import locked
from mlzoo.run_status import Interrupted

SHARED = """
import hashlib
import os
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from mlzoo import Config, DatasetSpec, EvaluatorSpec, Metric, ModelSpec, Paper, hookimpl

ME, TASK = "mlzoo_shared", "shared-regression"


class Options(Config):
    epochs: int = Field(4, gt=0, description="passes")
    batch_size: int = Field(7, gt=0, description="rows a step, of all processes")
    trap: str = Field("", description="a way to train apart")
    dropout: float = Field(0.0, description="of the hidden units")
    pause: float = Field(0.0, description="seconds a step")


@dataclass(frozen=True)
class Rows:
    x: dict
    y: dict
    splits: tuple = ("val", "test")

    def fingerprint(self):
        return hashlib.sha256(b"".join(a.tobytes() for a in self.x.values())).hexdigest()

    def describe(self):
        return {}

    def limited(self, count):
        return self

    def references(self):
        return {}


def load(root, options):
    stream = np.random.RandomState(0)
    x = {s: stream.randn(30, 3).astype("float32") for s in ("train", "val", "test")}
    return Rows(x, {s: np.sin(rows.sum(axis=1)) for s, rows in x.items()})


def score(predictions, data):
    return {"error": float(np.mean((predictions["predicted"] - predictions["target"]) ** 2))}


class Shared:
    def __init__(self, config, data):
        import torch

        self.config, self.data = config, data

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.first = torch.nn.Linear(3, 8)
                self.drop = torch.nn.Dropout(config.dropout)
                self.last = torch.nn.Linear(8, 1)

            def forward(self, x):
                return self.last(self.drop(torch.tanh(self.first(x))))[:, 0]

            def own(self, x):
                return self.forward(x)

        self.network = Net()

    def fit(self, run):
        import time

        import torch

        config = self.config
        x, y = (torch.from_numpy(a["train"]) for a in (self.data.x, self.data.y))
        optimizer = torch.optim.SGD(self.network.parameters(), lr=0.1, momentum=0.9)
        network, step = self.network, optimizer
        if config.trap == "kept equal":
            run.keep_equal(self.network)  # a lie: it learns from its share alone
        elif config.trap != "not prepared":
            network, step = run.prepare(self.network, optimizer)
        for epoch in run.epochs(config.epochs, model=self, optimizer=optimizer):
            self.network.train()
            order = torch.randperm(len(x), generator=run.generator(epoch))
            for batch in order.split(config.batch_size):
                rows = run.share(batch)
                step.zero_grad()
                loss = self.backward(run, network, x[rows], y[rows], len(batch))
                step.step()
                run.log(loss=loss)
                time.sleep(config.pause)
                if config.trap == f"seed {run.seed} fails":
                    raise ValueError("this seed is ill")
                if config.trap == "one fails" and run.accelerator.process_index == 1:
                    raise ValueError("rank one is ill")
                if config.trap == "one is killed" and run.accelerator.process_index == 1:
                    os.kill(os.getpid(), 9)
            run.evaluate(self)

    def backward(self, run, network, x, y, count):
        trap, backward = self.config.trap, run.accelerator.backward
        if trap == "own method":
            network = getattr(network, "module", network).own
        predicted = network(x)
        loss = run.mean((predicted - y) ** 2, count)
        if trap == "two backwards":
            second = run.mean((network(2 * x) - y) ** 2, count)
            backward(loss)
            backward(second)
        elif trap == "no gradient":
            inputs = x.clone().requires_grad_()
            import torch

            (slope,) = torch.autograd.grad(network(inputs).sum(), inputs, create_graph=True)
            loss = run.mean(slope.square().sum(dim=1), count)
            backward(loss)  # the last bias has no part in it
        else:
            backward(loss)
        return loss

    def predict(self, split):
        import torch

        self.network.eval()
        with torch.no_grad():
            predicted = self.network(torch.from_numpy(self.data.x[split])).numpy()
        return {"predicted": predicted, "target": self.data.y[split]}

    def state_dict(self):
        return self.network.state_dict()

    def load_state_dict(self, state):
        self.network.load_state_dict(state)


def caught(traps):
    # in a process of a job: what each trap ends in
    import mlzoo
    from mlzoo.progress import Progress

    told = []
    for trap in traps:
        try:
            mlzoo.run("shared", device="cpu", trap=trap, progress=Progress(quiet=True))
            told.append("nothing")
        except mlzoo.MlzooError as error:
            told.append(str(error))
    return told


@hookimpl
def mlzoo_datasets():
    yield DatasetSpec(name="rows", summary="a wave", task=TASK, load=f"{ME}:load", embedded=True)


@hookimpl
def mlzoo_models():
    yield ModelSpec(
        name="shared", summary="a small net", task=TASK, config=f"{ME}:Options", factory=f"{ME}:Shared",
        paper=Paper(title="T", authors="A", venue="V", year=2020, url="u", bibtex="@misc{l}"),
        default_dataset="rows", presets={"rows": {"select": "last"}},
    )


@hookimpl
def mlzoo_evaluators():
    yield EvaluatorSpec(
        name="shared-error", summary="squared error", task=TASK, score=f"{ME}:score",
        metrics={"error": Metric(higher_is_better=False, summary="squared error", main=True)},
    )
"""
TOLERANCE = 1e-6  # of weights of the order of one, after 20 steps in float32


@pytest.fixture
def shared(only_plugin, site, mlzoo, monkeypatch):
    """Call the command line in a new process, with the made-up model installed."""
    only_plugin("mlzoo-shared", SHARED)
    monkeypatch.setenv("PYTHONPATH", str(site.folder), prepend=os.pathsep)
    return partial(mlzoo, MLZOO_PLUGINS="shared", OMP_NUM_THREADS="1")


@pytest.fixture
def alone(shared):
    """Train the made-up model in this process."""
    return partial(run, "shared", device="cpu", figures=False, progress=Progress(quiet=True))


def run_of(folder):
    (found,) = folder.rglob("run.json")
    return found.parent


def weights(folder):
    return load_checkpoint(run_of(folder) / "checkpoints" / "last.pt")["state"]["model"]


def difference(one, two):
    assert one.keys() == two.keys()
    return max(float((one[key] - two[key]).abs().max()) for key in one)


def test_two_processes_equal_one_with_the_same_global_batch(shared, alone, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    alone(out=one)
    done = shared("run", "shared", "--devices", 2, "--device", "cpu", "--json", "--out", two)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["metrics"]) == 2, "only the main process prints"
    assert difference(weights(one), weights(two)) < TOLERANCE
    rows = [list(read_rows(run_of(f) / "metrics.jsonl")) for f in (one, two)]
    assert [set(row) for row in rows[0]] == [set(row) for row in rows[1]]
    for alone, together in zip(*rows, strict=True):
        assert alone == pytest.approx(together, abs=TOLERANCE)
    facts = json.loads((run_of(two) / "run.json").read_text())
    assert (facts["status"], facts["processes"], facts["device"]) == ("done", 2, "cpu")
    assert (run_of(two) / "log.txt").read_text().count("epoch 1/4") == 1


def test_resume_with_the_same_and_with_another_number_of_processes(shared, tmp_path):
    start = ("run", "shared", "--device", "cpu", "--devices", 2, "--dropout", 0.5, "--quiet")
    names = ("straight", "same", "other", "damaged")
    straight, same, other, damaged = (tmp_path / name for name in names)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    torchrun += ["--standalone", "-m", "mlzoo", "run", "shared", "--device", "cpu"]
    torchrun += ["--dropout", "0.5", "--quiet", "--out", str(straight)]
    subprocess.run(torchrun, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True, timeout=200)
    stopped = shared(*start, "--stop-after", 2, "--out", same)
    assert stopped.returncode == 130
    assert stopped.stderr.count("mlzoo: error") == 1, "only the main process speaks"
    shutil.copytree(same, other)
    shutil.copytree(same, damaged)
    assert shared("resume", run_of(same), "--devices", 2, "--quiet").returncode == 0
    assert difference(weights(straight), weights(same)) == 0, "bit-equal, random streams included"
    resume(run_of(other), progress=Progress(quiet=True))
    assert "the number of processes is 1, was 2" in (run_of(other) / "log.txt").read_text()
    sessions = json.loads((run_of(other) / "run.json").read_text())["sessions"]
    assert [session["processes"] for session in sessions] == [2]
    (run_of(damaged) / "checkpoints" / "last.pt").write_bytes(b"damaged")
    done = shared("resume", run_of(damaged), "--devices", 2, "--quiet")
    assert done.returncode == 0, done.stderr
    assert difference(weights(straight), weights(damaged)) == 0, "all begin with previous.pt"


def test_job_whose_folder_is_in_use_says_so_once(shared, alone, tmp_path):
    with pytest.raises(Interrupted):
        alone(out=tmp_path, stop_after=1)
    with locked(run_of(tmp_path)):
        done = shared("resume", run_of(tmp_path), "--devices", 2)
    assert done.returncode == 1
    assert done.stderr.count("mlzoo: error") == 1
    assert "is still running, in another process" in done.stderr


def test_what_goes_silently_wrong_over_processes_is_an_error(alone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    traps = ["two backwards", "no gradient", "own method", "kept equal", "not prepared"]
    for trap in traps:
        alone(trap=trap)  # right in one process
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    caught = importlib.import_module("mlzoo_shared").caught
    *apart, unprepared, harmless = launch(2, caught, [*traps, ""])
    for told in apart:
        assert "the processes have trained apart: parameter" in told
    assert "cannot train in several processes" in unprepared
    assert harmless == "nothing"


@pytest.mark.parametrize(
    ("trap", "told"), [("one fails", "rank one is ill"), ("one is killed", "ended")]
)
def test_failure_of_one_process_ends_the_job(shared, tmp_path, trap, told):
    words = ("run", "shared", "--device", "cpu", "--quiet", "--out", tmp_path)
    done = shared(*words, "--devices", 2, "--trap", trap)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "by peer" not in done.stderr, "what the others notice is told in plain words"
    assert not list(tmp_path.rglob("results.json"))


def test_failure_in_a_job_started_from_python_says_why(alone, tmp_path):
    with pytest.raises(JobFailedError, match="UsageError: --precision fp16 needs a GPU"):
        alone(devices=2, precision="fp16", out=tmp_path)


def test_terminated_job_is_resumable(shared, tmp_path):
    words = ["run", "shared", "--device", "cpu", "--devices", "2", "--epochs", "100000"]
    words += ["--pause", "0.002", "--quiet", "--out", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlzoo", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("last.pt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert told.count("stopped by SIGTERM") == 1, "only the main process speaks"
    assert "torch" not in told
    assert json.loads((run_of(tmp_path) / "run.json").read_text())["status"] == "interrupted"
    assert load_checkpoint(run_of(tmp_path) / "checkpoints" / "last.pt")["epoch"] >= 1


def test_devices_that_contradict_the_launcher_are_refused(alone, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="--devices 3 in a job of 2 processes"):
        alone(devices=3)


def test_jobs_give_what_one_after_the_other_gives(shared, alone, tmp_path):
    words = ("run", "shared", "--seeds", "0-2", "--device", "cpu", "--json", "--epochs", 2)
    at_once = shared(*words, "--jobs", 2, "--out", tmp_path / "jobs")
    assert at_once.returncode == 0, at_once.stderr
    results = json.loads(at_once.stdout)
    assert [result["seed"] for result in results] == [0, 1, 2]
    for result in results:
        serial = alone(seed=result["seed"], epochs=2, out=tmp_path / "serial")
        assert result["metrics"]["test"] == pytest.approx(serial.metrics["test"], abs=TOLERANCE)
    assert "[3/3]" in at_once.stderr


def test_failed_seed_leaves_the_others_and_is_told(shared, tmp_path):
    words = ("run", "shared", "--seeds", "0-2", "--jobs", 2, "--epochs", 1, "--out", tmp_path)
    done = shared(*words, "--trap", "seed 1 fails")
    assert done.returncode == 1
    assert "seed 1 failed: ValueError: this seed is ill" in done.stderr
    assert "1 of 3 runs failed: seeds 1." in done.stderr
    assert "Traceback" not in done.stderr
    assert len(list(tmp_path.rglob("results.json"))) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_jobs_leave_resumable_runs_and_begin_no_other(shared, tmp_path, number):
    words = ["run", "shared", "--seeds", "0-3", "--jobs", "2", "--device", "cpu", "--quiet"]
    words += ["--epochs", "100000", "--pause", "0.002", "--out", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlzoo", *words], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 100
    while len(list(tmp_path.rglob("last.pt"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)  # i.e. no process is left that holds its end
    assert process.returncode == 130, told
    assert "Traceback" not in told
    states = [json.loads(path.read_text())["status"] for path in tmp_path.rglob("run.json")]
    assert states == ["interrupted"] * 2


def test_jobs_of_several_processes_each_are_refused(shared):
    done = shared("run", "shared", "--seeds", "0,1", "--jobs", 2, "--devices", 2)
    assert done.returncode == 2
    assert "--jobs and --devices exclude each other" in done.stderr


def test_half_precision_trains_and_is_scored_in_full(alone, tmp_path):
    full, half = alone(out=tmp_path / "full"), alone(precision="bf16", out=tmp_path / "half")
    assert evaluate(half.directory) == half.metrics
    assert all(value.dtype == torch.float32 for value in weights(tmp_path / "half").values())
    assert 0 < abs(full.metrics["test"]["error"] - half.metrics["test"]["error"]) < 0.05


def test_compiled_training_equals_plain_training(shared, alone, tmp_path):
    if not shutil.which("g++"):
        pytest.skip("torch.compile needs a C++ compiler on a CPU")
    alone(out=tmp_path / "plain", batch_size=10, epochs=2)  # batches of one size, compiled once
    words = ("run", "shared", "--batch-size", 10, "--epochs", 2, "--device", "cpu", "--compile")
    done = shared(*words, "--quiet", "--out", tmp_path / "compiled")
    assert done.returncode == 0, done.stderr
    assert difference(weights(tmp_path / "plain"), weights(tmp_path / "compiled")) < TOLERANCE
    assert json.loads((run_of(tmp_path / "compiled") / "run.json").read_text())["compile"] is True


@pytest.mark.parametrize(
    ("asked", "told"), [({"precision": "bf16"}, "mixed"), ({"compile": True}, "compiled")]
)
@pytest.mark.parametrize("trap", ["not prepared", "kept equal"])
def test_what_a_model_would_ignore_is_refused(alone, tmp_path, asked, told, trap):
    with pytest.raises(RunError, match=f"cannot train.*{told}"):
        alone(trap=trap, out=tmp_path, **asked)


def test_fp16_on_a_cpu_is_refused_before_anything_is_made(alone, tmp_path):
    with pytest.raises(UsageError, match="needs a GPU"):
        alone(precision="fp16", out=tmp_path / "a")
    assert not (tmp_path / "a").exists()
