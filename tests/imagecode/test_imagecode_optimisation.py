"""Optimisers, accumulated gradients and rates, against recorded values and PyTorch's own."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from imagecode_sets import described, published_counts
from torch import Tensor, nn

from mlzoo.errors import UsageError
from mlzoo_imagecode.batches import epoch_batches, updates_after
from mlzoo_imagecode.config import ImageCoDeConfig
from mlzoo_imagecode.optimisation import (
    ENCODERS,
    HEAD,
    CarriedGradients,
    Rates,
    make_optimizer,
    one_cycle,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "imagecode"


def arrays(name: str) -> dict[str, Any]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


@pytest.mark.parametrize(
    ("name", "kind", "first"),
    [("clip_adam_l2_accumulate", "adam-l2", False), ("clip_adamw_accumulate", "adamw", True)],
)
def test_recorded_steps_on_accumulated_gradients(name: str, kind: Any, first: bool) -> None:
    recorded = arrays(name)
    config = ImageCoDeConfig(
        optimizer=kind,
        learning_rate=float(recorded["lr"]),
        weight_decay=float(recorded["weight_decay"]),
    )
    parameter = nn.Parameter(torch.from_numpy(recorded["p0"].copy()))
    parameter.grad = torch.zeros_like(parameter)
    optimizer = make_optimizer(config, {ENCODERS: [parameter]})
    found, after = [], []
    for index, gradient in enumerate(torch.from_numpy(recorded["grads"].copy())):
        parameter.grad += gradient
        if updates_after(index, int(recorded["accumulate"]), first):
            optimizer.step()
            parameter.grad.zero_()
            found.append(parameter.detach().clone())
            after.append(index)
    assert after == recorded["update_after_index"].tolist()
    expected = torch.from_numpy(recorded["p"])
    torch.testing.assert_close(torch.stack(found), expected, rtol=1e-5, atol=1e-5)


def trained(kind: Any, fused: bool | None, dtype: torch.dtype) -> list[Tensor]:
    torch.manual_seed(0)
    parameters = [nn.Parameter(torch.randn(40, 30, dtype=dtype)) for _ in range(2)]
    config = ImageCoDeConfig(optimizer=kind, learning_rate=1e-2, head_learning_rate=1e-3)
    groups = {ENCODERS: parameters[:1], HEAD: parameters[1:]}
    optimizer = make_optimizer(config, groups)
    if fused is not None:
        for group in optimizer.param_groups:
            group["fused"] = fused
    for _ in range(10):
        for parameter in parameters:
            parameter.grad = torch.randn(40, 30, dtype=dtype)
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


@pytest.mark.parametrize("kind", ["adam-l2", "adamw"])
def test_fused_steps_are_plain_ones_up_to_rounding(kind: str) -> None:
    for dtype, bound in ((torch.float32, 1e-6), (torch.float64, 1e-14)):
        for one, other in zip(trained(kind, None, dtype), trained(kind, False, dtype), strict=True):
            torch.testing.assert_close(one, other, rtol=bound, atol=bound)


def test_groups_have_their_rates_and_leave_out_what_stays() -> None:
    layers = [nn.Linear(2, 2) for _ in range(3)]
    layers[0].requires_grad_(False)
    layers[1].bias.requires_grad_(False)
    optimizer = make_optimizer(
        ImageCoDeConfig(),
        {
            ENCODERS: [*layers[0].parameters(), *layers[1].parameters()],
            HEAD: layers[2].parameters(),
        },
    )
    found = [(g["name"], g["lr"], len(g["params"])) for g in optimizer.param_groups]
    assert found == [("encoders", 4e-6, 1), ("head", 1e-4, 2)]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.2, 0.2]
    alone = make_optimizer(
        ImageCoDeConfig(), {ENCODERS: layers[0].parameters(), HEAD: layers[2].parameters()}
    )
    assert [group["name"] for group in alone.param_groups] == ["head"]
    with pytest.raises(UsageError, match="no parameter to train"):
        make_optimizer(ImageCoDeConfig(), {ENCODERS: layers[0].parameters()})


def optimizer_of(config: ImageCoDeConfig) -> torch.optim.Optimizer:
    groups = {name: [nn.Parameter(torch.zeros(1))] for name in (ENCODERS, HEAD)}
    return make_optimizer(config, groups)


def test_recorded_rates_of_epochs() -> None:
    recorded = arrays("clip_schedules")
    base, head = recorded["head_base_decay"]
    expected = recorded["epoch_lr_base_head"]
    config = ImageCoDeConfig(
        learning_rate=2e-6, head_learning_rate=1e-4, base_decay=base, head_decay=head
    )
    rates, optimizer = Rates(config), optimizer_of(config)
    for epoch, (encoders_rate, head_rate) in enumerate(expected, start=1):
        rates.set(optimizer, epoch, 5)
        found = [group["lr"] for group in optimizer.param_groups]
        assert found == pytest.approx([encoders_rate, head_rate], rel=1e-9)
        assert {group["betas"] for group in optimizer.param_groups} == {(0.9, 0.98)}


def test_recorded_cycle_of_rates_and_momenta() -> None:
    recorded = arrays("clip_schedules")
    steps, peak = len(recorded["onecycle_lr"]), float(recorded["onecycle_max_lr"])
    counted = int(recorded["onecycle_batches_per_epoch"]) // int(recorded["onecycle_divisor"])
    assert counted == recorded["onecycle_steps_per_epoch"]
    assert steps == counted * recorded["onecycle_epochs"]
    found = np.array([one_cycle(step, steps, peak) for step in range(steps)])
    np.testing.assert_allclose(found[:, 0], recorded["onecycle_lr"], rtol=1e-6)
    np.testing.assert_allclose(found[:, 1], recorded["onecycle_beta1"], rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 101])
def test_cycle_is_pytorchs_own(steps: int) -> None:
    config = ImageCoDeConfig(schedule="one-cycle", learning_rate=3e-3)
    rates, optimizer = Rates(config, [steps]), optimizer_of(config)
    theirs = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], betas=(0.9, 0.98))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nothing is optimised here
        schedule = torch.optim.lr_scheduler.OneCycleLR(theirs, 3e-3, total_steps=steps)
        for number in range(steps):
            rates.set(optimizer, 1, number)
            (own, head), (other,) = optimizer.param_groups, theirs.param_groups
            assert own["lr"] == pytest.approx(other["lr"], rel=1e-12)
            assert own["betas"] == pytest.approx(other["betas"], rel=1e-12)
            assert (head["lr"], head["betas"]) == (1e-4, (0.9, 0.98))
            schedule.step()


def test_cycle_lasts_as_long_as_training_whatever_the_epochs_have() -> None:
    config = ImageCoDeConfig(schedule="one-cycle")
    rates, plain = Rates(config, [5, 4, 6]), Rates(config, [15])
    places = [(1, 4), (2, 0), (2, 3), (3, 0), (3, 5)]
    for (epoch, number), step in zip(places, (4, 5, 8, 9, 14), strict=True):
        assert rates.of(ENCODERS, epoch, number) == plain.of(ENCODERS, 1, step)
    assert rates.of(ENCODERS, 3, 5)[0] == pytest.approx(4e-6 / 25e4)
    part = described([1, 2, 3] * 20)
    own = Rates.of_training(config, part, seed=1, epochs=4)
    assert own.steps == sum(own.updates) == 4 * 4
    assert Rates.of_training(ImageCoDeConfig(), part, seed=1, epochs=4).updates == []


def test_published_cycle_is_refused_with_the_update_after_which_it_ends() -> None:
    config = ImageCoDeConfig(schedule="one-cycle-published", group_sets=False)
    with pytest.raises(UsageError, match="ends after 360 of 13830 updates") as error:
        Rates.of_training(config, published_counts(), seed=0, epochs=30)
    assert "it counts 12 in an epoch of 461 batches" in error.value.message
    assert "--schedule one-cycle" in error.value.fix
    with pytest.raises(UsageError, match="ends after 0 of 2 updates"):
        Rates.of_training(config, described([1] * 20), seed=0, epochs=2)


def test_published_cycle_is_right_where_a_batch_is_one_description() -> None:
    config = ImageCoDeConfig(schedule="one-cycle-published", batch_size=1)
    assert Rates.of_training(config, described([2, 3]), seed=0, epochs=3).steps == 15


def test_cycle_and_decay_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="base_decay 0.9 has no meaning under one-cycle"):
        Rates(ImageCoDeConfig(schedule="one-cycle", base_decay=0.9), [3])


def test_resumed_rates_are_the_same_or_refused() -> None:
    config = ImageCoDeConfig(schedule="one-cycle")
    state = Rates(config, [3, 3]).state_dict()
    Rates(config, [3, 3]).load_state_dict(state)
    with pytest.raises(ValueError, match="6 steps, here it would have 9"):
        Rates(config, [3, 3, 3]).load_state_dict(state)
    Rates(ImageCoDeConfig()).load_state_dict(Rates(ImageCoDeConfig(), [4]).state_dict())


def carried_run(stop: int | None) -> tuple[Tensor, list[int]]:
    """Weights after three epochs, and how many descriptions each update has the gradients of."""
    config = ImageCoDeConfig(batch_size=4, leftover="carry", head_learning_rate=0.1)
    part = described([2, 1, 3, 1])  # a full batch, and three descriptions that are left over
    inputs = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))

    def begin() -> tuple[nn.Linear, torch.optim.Optimizer, CarriedGradients]:
        torch.manual_seed(0)
        layer = nn.Linear(3, 1)
        optimizer = make_optimizer(config, {HEAD: layer.parameters()})
        return layer, optimizer, CarriedGradients(layer.parameters())

    (layer, optimizer, carried), counts, since = begin(), [], 0
    for epoch in range(1, 4):
        for batch in epoch_batches(part, config, 0, epoch):
            layer(inputs[batch.rows]).square().sum().backward()
            since += len(batch.rows)
            if batch.update:
                optimizer.step()
                optimizer.zero_grad()
                counts.append(since)
                since = 0
        if epoch == stop:
            saved = layer.state_dict(), optimizer.state_dict(), carried.state_dict()
            layer, optimizer, carried = begin()
            for item, state in zip((layer, optimizer, carried), saved, strict=True):
                item.load_state_dict(state)
    return layer.weight.detach(), counts


def test_gradients_left_by_an_epoch_are_in_the_next_ones_first_update_also_when_resumed() -> None:
    straight, counts = carried_run(None)
    assert counts == [4, 7, 7]
    assert all(torch.equal(carried_run(stop)[0], straight) for stop in (1, 2))


def test_gradients_of_other_parameters_are_refused() -> None:
    layer = nn.Linear(3, 1)
    carried = CarriedGradients(layer.parameters())
    assert carried.state_dict() == {}
    with pytest.raises(ValueError, match=r"gradient 0 \[2\] has no parameter"):
        carried.load_state_dict({"0": torch.zeros(2)})
