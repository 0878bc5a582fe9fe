"""The moving average of the weights: what it holds, and that it gives the weights back."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mlzoo.errors import CheckpointError
from mlzoo_multisk.anchor_loss import AnchorLoss
from mlzoo_multisk.ema import MovingAverage


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def changed(module: nn.Module) -> None:
    """As a step of training changes it."""
    with torch.no_grad():
        for value in module.state_dict().values():
            value.add_(1)


def test_average_of_parameters_and_float_buffers_follows_its_formula() -> None:
    one = network()
    before = {name: value.clone() for name, value in one.state_dict().items()}
    average = MovingAverage(0.9, one)
    for _ in range(2):
        changed(one)
        average.update()
    found = average.state_dict()
    assert "network.1.num_batches_tracked" not in found
    assert "network.1.running_var" in found
    for name, value in found.items():
        expected = before[name.removeprefix("network.")] + 0.1 * 0.9 + 0.2
        torch.testing.assert_close(value, expected)


def test_anchors_are_averaged_and_queues_are_not() -> None:
    anchors = AnchorLoss(anchors=4, width_in=3, width_out=2, queue=2)
    names = set(MovingAverage(0.9, network(), anchors).state_dict())
    assert {f"anchors.anchors.{side}_text" for side in ("in", "out")} <= names
    assert sum(name.startswith("anchors.") for name in names) == 6


def test_weights_are_bit_equal_after_averages_stood_in_their_place() -> None:
    one = network()
    average = MovingAverage(0.5, one)
    changed(one)
    average.update()
    weights = {name: value.clone() for name, value in one.state_dict().items()}
    averages = {name: value.clone() for name, value in average.state_dict().items()}
    with average.in_their_place():
        assert one.state_dict()["0.bias"].equal(averages["network.0.bias"])
    assert all(value.equal(weights[name]) for name, value in one.state_dict().items())
    assert all(value.equal(averages[name]) for name, value in average.state_dict().items())


def test_average_goes_on_where_its_state_was_kept() -> None:
    one, other = network(), network()
    averages = [MovingAverage(0.9, each) for each in (one, other)]
    changed(one)
    averages[0].update()
    averages[1].load_state_dict({k: v.clone() for k, v in averages[0].state_dict().items()})
    other.load_state_dict(one.state_dict())
    for module, average in zip((one, other), averages, strict=True):
        changed(module)
        average.update()
    first, second = (average.state_dict() for average in averages)
    assert all(value.equal(second[name]) for name, value in first.items())


def test_weights_that_have_moved_are_followed() -> None:
    one = network()
    average = MovingAverage(0.5, one)
    one.double().float()  # buffers are other tensors afterwards
    changed(one)
    average.update()
    moved = average.state_dict()["network.1.running_mean"]
    torch.testing.assert_close(moved, torch.full((4,), 0.5))


def test_state_of_other_weights_is_refused() -> None:
    state = MovingAverage(0.9, nn.Linear(3, 3)).state_dict()
    average = MovingAverage(0.9, network())
    before = {name: value.clone() for name, value in average.state_dict().items()}
    with pytest.raises(CheckpointError, match="moving average"):
        average.load_state_dict(state)
    assert all(value.equal(before[name]) for name, value in average.state_dict().items())
