"""A made-up plugin with a tiny model, and the command line called in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from mlzoo.cli import output
from mlzoo.cli.main import guarded
from mlzoo.registry import registry

TOY = """
import hashlib
from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field

from mlzoo import Config, DataFile, DatasetSpec, EvaluatorSpec, Metric, ModelSpec, Paper, hookimpl

TASK = "toy-regression"
ME = "mlzoo_toy"


class ToyConfig(Config):
    epochs: int = Field(3, gt=0, description="passes")
    rate: float = Field(0.1, gt=0, description="step size")
    break_at: int = Field(0, ge=0, description="step whose loss is NaN (0: none)")
    ruin_at: int = Field(0, ge=0, description="step after which a weight is NaN (0: none)")
    stop_at: int = Field(0, ge=0, description="epoch after which training stops itself")
    noise: float = Field(0.0, ge=0, description="drawn from every global stream")


class ToyOptions(Config):
    samples: int = Field(16, gt=1, description="rows in each split")


@dataclass(frozen=True)
class ToyData:
    x: dict
    y: dict
    splits: tuple = ("val", "test")
    validation: object = None
    incomparable: str = ""

    def fingerprint(self):
        return hashlib.sha256(b"".join(a.tobytes() for a in self.x.values())).hexdigest()

    def describe(self):
        return {name: len(rows) for name, rows in self.x.items()}

    def limited(self, count):
        cut = lambda arrays: {name: rows[:count] for name, rows in arrays.items()}
        return replace(self, x=cut(self.x), y=cut(self.y))

    def references(self):
        return {"error": {"ceiling": 0.0}}


def load(root, options):
    stream = np.random.RandomState(0)
    x = {s: stream.randn(options.samples, 2).astype("float32") for s in ("train", "val", "test")}
    return ToyData(x, {s: rows @ np.float32([1, -2]) for s, rows in x.items()})


def load_without_val(root, options):
    data = load(root, options)
    return replace(data, splits=("test",))


def load_with_search(root, options):
    # validation has a training set of its own, and is best on the way to its answer
    data = replace(load(root, options), splits=("test",))
    other = ToyData(*({s: 2 * rows for s, rows in a.items()} for a in (data.x, data.y)), ("test",))
    y = {"train": other.y["train"], "test": other.y["test"] * 0.4}
    return replace(data, validation=replace(other, y=y))


def load_files(root, options):
    from mlzoo.data.readers import read_npz

    arrays = read_npz(root / "rows.npz")
    x = {s: arrays["x"] for s in ("train", "val", "test")}
    return ToyData(x, {s: rows.sum(axis=1) for s, rows in x.items()})


def write_files(root, seed):
    np.savez(root / "rows.npz", x=np.random.RandomState(seed).randn(8, 2).astype("float32"))
    return {"slope": 1.0}


def score(predictions, data):
    errors = predictions["predicted"] - predictions["target"]
    return {"error": float(np.mean(errors**2)), "bias": float(np.mean(errors))}


class Toy:
    views = ("shifted",)

    def __init__(self, config, data):
        import torch

        self.config, self.data = config, data
        self.line = torch.nn.Linear(2, 1)
        self.finished = 0

    def fit(self, run):
        import random

        import torch

        x, y = (torch.from_numpy(a["train"]) for a in (self.data.x, self.data.y))
        optimizer = torch.optim.Adam(self.line.parameters(), lr=self.config.rate)
        for epoch in run.epochs(self.config.epochs, model=self, optimizer=optimizer):
            for rows in torch.randperm(len(x), generator=run.generator(epoch)).split(4):
                noise = random.random() + np.random.rand() + torch.rand(1)
                loss = (self.line(x[rows])[:, 0] - y[rows] + self.config.noise * noise).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if run.step + 1 == self.config.ruin_at:
                    self.line.weight.data.fill_(float("nan"))
                broken = run.step + 1 == self.config.break_at
                run.log(loss=loss * float("nan") if broken else loss)
            if not self.config.ruin_at:
                run.evaluate(self)
            if epoch == self.config.stop_at:
                run.stop("as configured")

    def finish(self):
        self.finished += 1

    def predict(self, split):
        import torch

        name, _, view = split.partition("@")
        with torch.no_grad():
            predicted = self.line(torch.from_numpy(self.data.x[name]))[:, 0].numpy()
        return {"predicted": predicted + bool(view), "target": self.data.y[name]}

    def state_dict(self):
        return {"line": self.line.state_dict(), "finished": self.finished}

    def load_state_dict(self, state):
        self.line.load_state_dict(state["line"])
        self.finished = state["finished"]


def figure(runs):
    from matplotlib.figure import Figure

    return Figure()


def broken_figure(runs):
    raise ValueError("no picture today")


@hookimpl
def mlzoo_datasets():
    yield DatasetSpec(name="toys", summary="a plane", task=TASK, load=f"{ME}:load",
                      config=f"{ME}:ToyOptions", embedded=True)
    yield DatasetSpec(name="no-val", summary="a plane without val", task=TASK,
                      load=f"{ME}:load_without_val", config=f"{ME}:ToyOptions", embedded=True)
    yield DatasetSpec(name="searched", summary="a plane with a world for validation", task=TASK,
                      load=f"{ME}:load_with_search", config=f"{ME}:ToyOptions", embedded=True)
    yield DatasetSpec(name="toy-files", summary="a plane in a file", task=TASK,
                      load=f"{ME}:load_files", config=f"{ME}:ToyOptions", demo=f"{ME}:write_files",
                      files=(DataFile(path="rows.npz", how_to_get="ask the author"),))


@hookimpl
def mlzoo_models():
    yield ModelSpec(
        name="toy", summary="a line", task=TASK, config=f"{ME}:ToyConfig", factory=f"{ME}:Toy",
        paper=Paper(title="Lines", authors="A. Uthor", venue="V", year=2020, url="https://example.org",
                    bibtex="@misc{l, title={Lines}, year=2020}"),
        default_dataset="toys", figures={"plot": f"{ME}:figure", "broken": f"{ME}:broken_figure"},
        presets={"toys": {"epochs": 4, "rate": 0.05}, "toys/smoke": {"epochs": 2},
                 "no-val": {"select": "last"}},
    )


@hookimpl
def mlzoo_evaluators():
    yield EvaluatorSpec(
        name="toy-error", summary="squared error", task=TASK, score=f"{ME}:score",
        metrics={"error": Metric(higher_is_better=False, summary="squared error", main=True),
                 "bias": Metric(higher_is_better=False, summary="mean error")},
    )
"""


def forget_plugins() -> None:
    """Discover anew at the next call."""
    registry.cache_clear()
    output.installed.cache_clear()


@pytest.fixture
def only_plugin(site, monkeypatch):
    """Install a made-up plugin and see no other."""

    def install(distribution: str, source: str) -> None:
        site.add(distribution, source)
        monkeypatch.setenv("MLZOO_PLUGINS", distribution)
        forget_plugins()

    yield install
    monkeypatch.undo()
    forget_plugins()


@pytest.fixture
def toy(only_plugin, site, monkeypatch, tmp_path):
    """A made-up plugin with a tiny model, and an empty working folder."""
    only_plugin("mlzoo-toy", TOY)
    monkeypatch.setenv("MLZOO_DATA", str(tmp_path / "data-root"))
    monkeypatch.setenv("MLZOO_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return site


@dataclass
class Called:
    """What a command did."""

    code: int
    out: str
    err: str


Cli = Callable[..., Called]


@pytest.fixture
def cli(capsys) -> Cli:
    """Call the command line in this process."""

    def call(*words: object) -> Called:
        capsys.readouterr()
        code = guarded([str(word) for word in words])
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return call
