"""Batches gathered over two processes: losses, gradients and queues are those of one process."""

from __future__ import annotations

import importlib
import os

import pytest
import torch

from mlzoo.errors import UsageError
from mlzoo.launch import launch
from mlzoo_multisk.gathering import gather_batch

SHARES = ((7, 5), (12, 0))  # clips of each of two processes; the second may have none

PART = '''
import torch
import torch.distributed as distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mlzoo_multisk.anchor_loss import AnchorLoss
from mlzoo_multisk.gathering import gather_batch
from mlzoo_multisk.losses import combinatorial_loss, norm_softmax

MODALITIES = ("text", "video", "audio")
WEIGHTS = {"tv": 1.0, "ta": 0.1, "va": 0.1}


class Network(nn.Module):
    """The least that has embeddings before and after."""

    def __init__(self):
        super().__init__()
        self.token = nn.ModuleDict({m: nn.Linear(3, 4) for m in MODALITIES})
        self.out = nn.ModuleDict({m: nn.Linear(4, 5) for m in MODALITIES})

    def forward(self, clips):
        found = {}
        for m in MODALITIES:
            found[f"in_{m}"] = torch.tanh(self.token[m](clips[m]))
            found[f"out_{m}"] = self.out[m](found[f"in_{m}"])
        return found


def steps(wrap, rows):
    """Four steps of descent on clips of which these rows are this process's."""
    torch.manual_seed(0)
    network, anchors = Network().double(), AnchorLoss(
        anchors=6, width_in=4, width_out=5, queue=20, epsilon=0.3
    ).double()
    wrapped = wrap(network)
    optimizer = torch.optim.SGD([*network.parameters(), *anchors.parameters()], lr=0.05)
    losses = []
    for _ in range(4):
        clips = {m: torch.randn(12, 3, dtype=torch.float64) for m in MODALITIES}
        present = {f"has_{m}": torch.rand(12) < 0.8 for m in MODALITIES}
        mine = wrapped({m: each[rows] for m, each in clips.items()})
        whole = gather_batch({**mine, **{name: each[rows] for name, each in present.items()}})
        contrastive, _ = combinatorial_loss(
            {m: whole[f"out_{m}"] for m in MODALITIES},
            {m: whole[f"has_{m}"] for m in MODALITIES},
            WEIGHTS,
            norm_softmax,
        )
        anchor, info = anchors(whole)
        optimizer.zero_grad()
        (contrastive + anchor).backward()
        optimizer.step()
        losses += [contrastive.detach(), anchor.detach()]
    assert info.npairs == 18
    return {
        "losses": torch.stack(losses),
        **{f"network.{name}": each.detach() for name, each in network.named_parameters()},
        **{f"gradient.{name}": each.grad for name, each in network.named_parameters()},
        **{f"anchors.{name}": each.detach() for name, each in anchors.named_parameters()},
        **{f"queue.{name}": anchors.queues.in_order(name) for name in anchors.queues.rows},
    }


def part(shares):
    distributed.init_process_group("gloo")
    found = {}
    for share in shares:
        rows = torch.arange(12).split(share)[distributed.get_rank()]
        everyone = [None] * len(share)
        distributed.all_gather_object(everyone, steps(DistributedDataParallel, rows))
        found[share] = everyone
    distributed.destroy_process_group()
    return found
'''


def test_two_processes_do_what_one_does(tmp_path, monkeypatch):
    (tmp_path / "multisk_gathered_part.py").write_text(PART)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    module = importlib.import_module("multisk_gathered_part")
    shared = launch(2, module.part, SHARES)
    alone = module.steps(lambda network: network, torch.arange(12))
    assert alone["losses"][-1] > 0
    for share in SHARES:
        first, second = shared[share]
        for name, expected in alone.items():
            assert first[name].equal(second[name]), f"{name} is the same in every process"
            torch.testing.assert_close(first[name], expected, rtol=1e-9, atol=1e-11, msg=name)


def test_one_process_has_the_whole_batch_already():
    arrays = {"x": torch.randn(3, 2, requires_grad=True), "mask": torch.ones(3, dtype=torch.bool)}
    gathered = gather_batch(arrays)
    assert gathered["x"] is arrays["x"]
    assert gathered["mask"] is arrays["mask"]


def test_arrays_of_one_batch_are_equally_long(tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1
    )
    try:
        assert gather_batch({"x": torch.zeros(3, 2)})["x"].shape == (3, 2)
    finally:
        torch.distributed.destroy_process_group()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlzoo_multisk.gathering.process_count", lambda: 2)
        with pytest.raises(UsageError, match="equally long"):
            gather_batch({"x": torch.zeros(3, 2), "mask": torch.ones(2)})
