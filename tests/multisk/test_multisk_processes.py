"""Two processes that share a step are one: batch statistics, gradients, the anchor loss."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from mlzoo.launch import launch

PART = """
import torch
import torch.distributed as distributed

from torch.nn.parallel import DistributedDataParallel

from mlzoo_multisk.anchor_loss import AnchorLoss
from mlzoo_multisk.audio_network import AudioNetwork
from mlzoo_multisk.clips import Shape
from mlzoo_multisk.config import MultiSKConfig
from mlzoo_multisk.gathering import gather_batch
from mlzoo_multisk.losses import combinatorial_loss, norm_softmax
from mlzoo_multisk.networks import Embeddings, MultiSKNetwork


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


def training(rows):
    # four steps of plain descent of the whole model, the last two with an anchor loss
    torch.manual_seed(1)
    config = MultiSKConfig(
        width=8, projection=6, heads=2, audio_widths=(3, 3, 3, 4, 4, 4, 5), anchors=4, anchor_queue=12
    )
    network = MultiSKNetwork(config, Shape(4, 5, 3, 6, 128)).double()
    anchors = AnchorLoss.from_config(config).double()
    parameters = [*network.parameters(), *anchors.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.01)
    shared = DistributedDataParallel(network) if distributed.is_initialized() else network
    losses = []
    for _ in range(4):
        shapes = {"text": (4, 5), "video": (3, 6), "audio": (40, 128)}
        batch = {n: torch.randn(6, *shape, dtype=torch.float64) for n, shape in shapes.items()}
        batch |= {f"{n}_mask": torch.ones(6, length).double() for n, length in
                  (("text", 4), ("video", 3), ("audio", 128))}
        batch["text_mask"][1] = batch["audio_mask"][5] = 0
        batch["audio_frames"] = torch.full((6,), -1)
        given = shared({name: x[rows] for name, x in batch.items()}, 2)
        whole = Embeddings(**gather_batch(given.made()))
        present = {n: getattr(whole, f"has_{n}") for n in shapes}
        loss, _ = combinatorial_loss(whole.made(), present, {"tv": 1, "ta": 1, "va": 1}, norm_softmax)
        anchor_loss, info = anchors(whole.both_sides())
        optimizer.zero_grad()
        (loss + anchor_loss).backward()
        optimizer.step()
        losses.append(float((loss + anchor_loss).detach()))
    assert info.npairs == 18
    named = {**network.state_dict(), **anchors.state_dict()}
    return losses, {name: value.clone() for name, value in named.items()}


def part(share):
    distributed.init_process_group("gloo")
    mine = [None] * len(share)
    rows = torch.arange(6).split(share)[distributed.get_rank()]
    distributed.all_gather_object(mine, (steps(*problem(), rows), training(rows)))
    distributed.destroy_process_group()
    return mine
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """What the processes do, as they can import it."""
    folder = tmp_path_factory.mktemp("part")
    (folder / "multisk_part.py").write_text(PART)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        patch.setenv("OMP_NUM_THREADS", "1")
        yield importlib.import_module("multisk_part")


@pytest.fixture(scope="module")
def shared(module: ModuleType) -> list[tuple[Any, Any]]:
    """What two processes found that share six clips, four and two."""
    found: list[tuple[Any, Any]] = launch(2, module.part, (4, 2))
    return found


def assert_equal_states(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    for name, value in other.items():
        torch.testing.assert_close(one[name], value, rtol=1e-9, atol=1e-9, msg=name)


def test_batch_of_two_processes_is_normalised_as_that_of_one(
    module: ModuleType, shared: list[tuple[Any, Any]]
) -> None:
    ((first, state), _), ((second, same), _) = shared
    outputs, expected = module.steps(*module.problem(), torch.arange(6))
    for one, other, whole in zip(first, second, outputs, strict=True):
        torch.testing.assert_close(torch.cat([one, other]), whole, rtol=1e-9, atol=1e-9)
    assert_equal_states(state, expected)
    assert all(value.equal(same[name]) for name, value in state.items())


def test_two_processes_train_as_one_with_all_clips(
    module: ModuleType, shared: list[tuple[Any, Any]]
) -> None:
    (_, (losses, state)), (_, (others, same)) = shared
    expected, whole = module.training(torch.arange(6))
    assert losses == pytest.approx(expected, rel=1e-9)
    assert others == pytest.approx(expected, rel=1e-9)
    assert_equal_states(state, whole)
    assert_equal_states(state, same)
