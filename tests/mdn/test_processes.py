"""The layer over several processes, and compiled: equal to one process, and to plain Python."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys

import pytest
import torch

from mlzoo.launch import launch
from mlzoo_mdn import MetadataNorm

ESTIMATORS = ("global", "batch", "control-variate")
SHARES = ((7, 5), (12, 0))  # samples of each of two processes; the second may have none

PART = """
import os

import torch
import torch.distributed as distributed

from mlzoo_mdn import MetadataNorm


def steps(layer, x, metadata, weight, rows):
    # two steps: outputs, gradients and running coefficients of the samples in rows
    found = []
    for scale in (1.0, 2.0):
        features = (scale * x[rows]).requires_grad_()
        out = layer(features, metadata[rows])
        (out.square() * weight[rows]).sum().backward()
        found += [out.detach(), features.grad]
    return [*found, layer.running.clone()]


def problem():
    torch.manual_seed(0)
    metadata = torch.randn(40, 2, dtype=torch.float64)
    return metadata, *(torch.randn(12, 3, 2, dtype=torch.float64) for _ in "xw")


def part(estimators, shares):
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    metadata, x, weight = problem()
    found = {}
    for estimator in estimators:
        for share in shares:
            layer = MetadataNorm(metadata, (3, 2), estimator=estimator)
            rows = torch.arange(12).split(share)[rank]
            mine = [None] * len(share)
            distributed.all_gather_object(mine, steps(layer, x, metadata, weight, rows))
            found[estimator, share] = mine
    distributed.destroy_process_group()
    return found
"""


def test_batch_shared_by_two_processes_gives_what_one_gives(tmp_path, monkeypatch):
    (tmp_path / "mdn_part.py").write_text(PART)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    module = importlib.import_module("mdn_part")
    shared = launch(2, module.part, ESTIMATORS, SHARES)
    metadata, x, weight = module.problem()
    for (estimator, _), (first, second) in shared.items():
        layer = MetadataNorm(metadata, (3, 2), estimator=estimator)
        *arrays, running = module.steps(layer, x, metadata, weight, torch.arange(12))
        assert torch.equal(first[-1], second[-1]), "every process keeps the same coefficients"
        torch.testing.assert_close(first[-1], running, rtol=1e-12, atol=1e-12)
        for one, a, b in zip(arrays, first, second, strict=False):
            torch.testing.assert_close(torch.cat([a, b]), one, rtol=1e-12, atol=1e-12)


COMPILED = """
import torch
from mlzoo_mdn import MetadataNorm

torch.manual_seed(0)
metadata, x = torch.randn(40, 2, dtype=torch.float64), torch.randn(20, 6)
for estimator in ("global", "batch"):
    plain, compiled = (MetadataNorm(metadata, 6, estimator=estimator) for _ in "ab")
    call = torch.compile(compiled, fullgraph=True, dynamic=False)
    for mode in (True, False):
        outs = []
        for layer, function in ((plain, plain), (compiled, call)):
            layer.train(mode)
            features = x.clone().requires_grad_()
            out = function(features, metadata[:20])
            out.square().sum().backward()
            outs.append((out, features.grad, layer.running))
        for one, other in zip(*outs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
print("equal")
"""


def test_compiled_layer_equals_the_plain_one_in_one_graph():
    if not shutil.which("g++"):
        pytest.skip("torch.compile needs a C++ compiler on a CPU")
    done = subprocess.run(
        [sys.executable, "-c", COMPILED], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stdout == "equal\n", done.stderr
