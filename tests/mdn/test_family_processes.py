"""Every method that trains in two processes equals itself in one."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import numpy as np

from mlzoo.checkpoints import load_checkpoint
from mlzoo.launch import launch

# Batch normalisation is left out: it knows the statistics of its own process's part only.
METHODS = (
    "mdn",
    "recursive",
    "penalty",
    "group-norm",
    "gradient-reversal",
    "adversary",
    "residualise",
    "none",
)
# Plain gradient descent, as Adam amplifies the rounding of small gradients; uneven shares.
SETTINGS = {
    "preset": "smoke",
    "optimizer": "sgd",
    "learning_rate": 0.02,
    "batch_size": 27,
    "group_size": 20,
    "epochs": 1,
    "device": "cpu",
    "figures": False,
}
TRAIN = """
import mlzoo
from mlzoo.progress import Progress


def train(methods, settings, out):
    return [
        str(mlzoo.run("mdn", method=method, out=out, progress=Progress(quiet=True),
                      **settings, **slow(method)).directory)
        for method in methods
    ]


def slow(method):
    # under plain descent neither coefficients nor a regressor may run away, and the correlation of
    # predictions that hardly differ has gradients that blow rounding up
    return {
        "penalty": {"penalty_learning_rate": 1e-3},
        "adversary": {"adversary_learning_rate": 1e-3, "adversary_weight": 1e-3},
    }.get(method, {})
"""


def weights(directory):
    return load_checkpoint(Path(directory) / "checkpoints" / "last.pt")["state"]["model"]


def numbers(state, prefix=""):
    for key, value in state.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def test_every_method_in_two_processes_equals_itself_in_one(tmp_path, monkeypatch):
    (tmp_path / "mdn_train.py").write_text(TRAIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    train = importlib.import_module("mdn_train").train
    two = launch(2, train, METHODS, SETTINGS, str(tmp_path / "two"))
    one = train(METHODS, SETTINGS, str(tmp_path / "one"))
    for method, *directories in zip(METHODS, one, two, strict=True):
        alone, together = (dict(numbers(weights(directory))) for directory in directories)
        assert alone.keys() == together.keys()
        for name, value in alone.items():
            np.testing.assert_allclose(
                value.double().numpy(),
                together[name].double().numpy(),
                rtol=1e-4,
                atol=2e-5,
                err_msg=f"{method}: {name}",
            )
