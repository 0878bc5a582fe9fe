"""Batch statistics of the audio network over two processes are those of one."""

from __future__ import annotations

import importlib
import os

import pytest
import torch

from mlzoo.launch import launch

PART = """
import torch
import torch.distributed as distributed

from mlzoo_multisk.audio_network import AudioNetwork


def steps(network, x, weight, rows):
    # two steps of plain descent: outputs and what the parameters have become
    found = []
    for _ in range(2):
        network.zero_grad()
        out = network(x[rows])
        (out * weight[rows]).sum().backward()
        for parameter in network.parameters():
            gradient = parameter.grad.clone()
            if distributed.is_initialized():
                distributed.all_reduce(gradient)
            parameter.data.sub_(0.01 * gradient)
        found.append(out.detach())
    return found, {name: value.clone() for name, value in network.state_dict().items()}


def problem():
    torch.manual_seed(0)
    network = AudioNetwork((4, 6, 8), (2, 1)).double()
    x = torch.randn(6, 40, 16, dtype=torch.float64)
    return network, x, torch.randn(6, 4, 8, dtype=torch.float64)


def part(share):
    distributed.init_process_group("gloo")
    mine = [None] * len(share)
    rows = torch.arange(6).split(share)[distributed.get_rank()]
    distributed.all_gather_object(mine, steps(*problem(), rows))
    distributed.destroy_process_group()
    return mine
"""


def test_batch_of_two_processes_is_normalised_as_that_of_one(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "multisk_part.py").write_text(PART)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    module = importlib.import_module("multisk_part")
    (first, state), (second, same) = launch(2, module.part, (4, 2))
    outputs, expected = module.steps(*module.problem(), torch.arange(6))
    for one, other, whole in zip(first, second, outputs, strict=True):
        torch.testing.assert_close(torch.cat([one, other]), whole, rtol=1e-9, atol=1e-9)
    for name, value in expected.items():
        torch.testing.assert_close(state[name], value, rtol=1e-9, atol=1e-9)
        assert state[name].equal(same[name]), name
