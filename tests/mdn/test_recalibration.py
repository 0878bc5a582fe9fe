"""Exact statistics against their definition by brute force."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mlzoo.errors import DataError, UsageError
from mlzoo_mdn.layer import MetadataNorm
from mlzoo_mdn.networks import ConfoundedClassifier
from mlzoo_mdn.recalibration import (
    load_running_statistics,
    recalibrate,
    running_statistics,
    using_statistics,
)

COUNT = 40


def training_set() -> tuple[Tensor, Tensor]:
    """images [N, 1, 11, 10] and metadata [N, 3]: label and two confounders, all in the images."""
    generator = torch.Generator().manual_seed(2)
    label = (torch.arange(COUNT) % 2).double()
    confounders = label[:, None] + torch.randn(COUNT, 2, generator=generator).double()
    metadata = torch.cat([label[:, None], confounders], dim=1)
    pattern = torch.randn(3, 1, 11, 10, generator=generator).double()
    noise = 0.3 * torch.randn(COUNT, 1, 11, 10, generator=generator).double()
    return noise + torch.einsum("nk,kchw->nchw", metadata, pattern), metadata


def loader(batch_size: int = 16) -> list[tuple[Tensor, Tensor]]:
    images, metadata = training_set()
    return list(zip(images.split(batch_size), metadata.split(batch_size), strict=True))


def trained(network: Any = "conv", **options: Any) -> nn.Module:
    """A float64 network whose running statistics have seen a few batches."""
    images, metadata = training_set()
    torch.manual_seed(0)
    model = ConfoundedClassifier(network, metadata, images.shape[1:], **options).double()
    for start in (0, 10, 20):
        model(images[start : start + 10], metadata[start : start + 10])
    return model


def least_squares(features: Tensor, metadata: Tensor) -> Tensor:
    design = torch.cat([metadata, torch.ones(len(metadata), 1).double()], dim=1)
    return torch.linalg.lstsq(design, features.flatten(1)).solution


@pytest.mark.parametrize("inplace", [False, True])
def test_three_layers_get_least_squares_of_features_behind_exact_layers(inplace: bool) -> None:
    model = trained(inplace=inplace)
    recalibrate(model, loader())

    x, metadata = training_set()
    design = torch.cat([metadata, torch.ones(COUNT, 1).double()], dim=1)
    producers = (model.conv1, model.conv2, lambda x: model.fc1(x.flatten(1)))
    for produce, norm in zip(producers, (model.norm1, model.norm2, model.norm3), strict=True):
        features = produce(x)
        exact = least_squares(features, metadata)
        torch.testing.assert_close(norm.coefficients, exact, atol=1e-10, rtol=1e-8)
        x = (features.flatten(1) - design[:, 1:] @ exact[1:]).reshape(features.shape).relu()


def test_one_layer_gets_the_least_squares_coefficients() -> None:
    model = trained("linear")
    x, metadata = training_set()
    recalibrate(model, loader())
    features = model.fc1(model.conv2(model.conv1(x).relu()).relu().flatten(1))
    exact = least_squares(features, metadata)
    torch.testing.assert_close(model.norm3.coefficients, exact, atol=1e-10, rtol=1e-8)


def test_no_nuisance_effect_is_left_in_evaluation() -> None:
    model, (images, metadata) = trained(), training_set()
    recalibrate(model, loader())
    _, features = model.eval()(images, metadata)
    left = least_squares(features, metadata)[1:]
    torch.testing.assert_close(left, torch.zeros_like(left), atol=1e-9, rtol=0)


def test_result_depends_neither_on_batch_size_nor_on_order() -> None:
    results = []
    shuffled = [(x.flip(0), metadata.flip(0)) for x, metadata in reversed(loader(7))]
    for batches in (loader(40), loader(16), loader(1), shuffled):
        model = trained()
        recalibrate(model, batches)
        results.append(running_statistics(model))
    for other in results[1:]:
        for name, value in results[0].items():
            torch.testing.assert_close(other[name], value, atol=1e-11, rtol=1e-9)


def test_result_depends_on_no_earlier_statistic_and_repeats_bit_for_bit() -> None:
    model = trained()
    recalibrate(model, loader())
    first = running_statistics(model)
    load_running_statistics(model, {name: torch.ones_like(v) for name, v in first.items()})
    recalibrate(model, loader())
    assert all(torch.equal(v, first[name]) for name, v in running_statistics(model).items())


def test_change_of_every_layer_is_reported_in_forward_order() -> None:
    model = trained()
    before = running_statistics(model)
    changes = recalibrate(model, loader())
    assert list(changes) == ["norm1", "norm2", "norm3"]
    exact = running_statistics(model)["norm2"]
    distance = float((before["norm2"] - exact).norm() / exact.norm())
    assert changes["norm2"] == pytest.approx(distance)
    assert all(change < 1e-9 for change in recalibrate(model, loader()).values())


def test_ridge_of_the_layer_is_used() -> None:
    model, (images, metadata) = trained("linear", ridge=0.5), training_set()
    recalibrate(model, loader())
    full = MetadataNorm(metadata, 84, ridge=0.5, momentum=1.0)
    full(model.fc1(model.conv2(model.conv1(images).relu()).relu().flatten(1)), metadata)
    torch.testing.assert_close(model.norm3.running, full.running)


def test_modes_gradients_and_random_state_are_left_as_found() -> None:
    model = trained()
    model.add_module("dropout", nn.Dropout())
    model.norm2.eval()
    modes = {name: module.training for name, module in model.named_modules()}
    state = torch.get_rng_state()
    recalibrate(model, loader())
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_compiled_model_is_recalibrated_too() -> None:
    images, metadata = training_set()
    model = trained()
    compiled = torch.compile(model, backend="eager")
    compiled.eval()(images, metadata)
    changes = recalibrate(compiled, loader())
    assert list(changes) == ["_orig_mod.norm1", "_orig_mod.norm2", "_orig_mod.norm3"]
    expected = trained()
    recalibrate(expected, loader())
    torch.testing.assert_close(compiled(images, metadata)[0], expected.eval()(images, metadata)[0])


def test_model_without_the_layer_is_left_alone() -> None:
    assert recalibrate(trained("baseline"), loader()) == {}


class Branches(nn.Module):
    """Calls its layers as often as it is told, by keyword."""

    def __init__(self, calls: tuple[str, ...]) -> None:
        super().__init__()
        _, metadata = training_set()
        self.encoder = nn.ModuleDict({n: MetadataNorm(metadata, 110) for n in ("early", "late")})
        self.calls = calls

    def forward(self, x: Tensor, metadata: Tensor) -> Tensor:
        x = x.flatten(1)
        for name in self.calls:
            x = self.encoder[name](x=x, metadata=metadata).relu()
        return x


def test_order_is_that_of_the_calls_not_of_the_definition() -> None:
    model = Branches(("late", "early"))
    assert list(recalibrate(model, loader())) == ["encoder.late", "encoder.early"]


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        (("early",), "'encoder.late' is called 0 times"),
        (("early", "late", "early"), "'encoder.early' is called 2 times"),
    ],
)
def test_layer_that_does_not_run_once_is_named(calls: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        recalibrate(Branches(calls), loader())


def test_loader_that_goes_only_once_is_refused() -> None:
    with pytest.raises(UsageError, match="generator goes once"):
        recalibrate(trained(), (batch for batch in loader()))


def test_loader_that_misses_or_repeats_samples_is_refused() -> None:
    for batches, count in ((loader()[:-1], 32), (loader() * 2, 80)):
        with pytest.raises(UsageError, match=f"gave {count} samples to layer 'norm1'.* of {COUNT}"):
            recalibrate(trained(), batches)


def test_loader_that_runs_dry_is_refused() -> None:
    class Once:
        """Hides a one-shot iterator behind an iterable."""

        def __init__(self) -> None:
            self.batches = iter(loader())

        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            yield from self.batches

    with pytest.raises(UsageError, match="samples to layer 'norm1'"):
        recalibrate(trained(), Once())
    with pytest.raises(UsageError, match="empty"):
        recalibrate(trained(), [])


def test_batches_that_are_no_tuples_are_refused() -> None:
    with pytest.raises(UsageError, match="tuples of model arguments, got Tensor"):
        recalibrate(trained(), [images for images, _ in loader()])


def test_collinear_metadata_of_the_loader_name_layer_and_column() -> None:
    batches = [(x, metadata * torch.tensor([1, 1, 0])) for x, metadata in loader()]
    with pytest.raises(DataError, match=r"layer 'norm1'.*column 2"):
        recalibrate(trained(), batches)


def test_failure_half_way_leaves_all_statistics_and_modes_as_found() -> None:
    model = trained()
    before = running_statistics(model)

    class Interrupted:
        """Fails in the third pass, when two layers are done."""

        passes = 0

        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            self.passes += 1
            if self.passes == 4:  # the first reads one batch for the order
                raise KeyboardInterrupt
            yield from loader()

    with pytest.raises(KeyboardInterrupt):
        recalibrate(model, Interrupted())
    assert model.training
    assert all(torch.equal(v, before[name]) for name, v in running_statistics(model).items())


def test_statistics_swap_for_a_while_and_come_back() -> None:
    images, metadata = training_set()
    model = trained()
    running = running_statistics(model)
    with_running = model.eval()(images, metadata)[0]
    recalibrate(model, loader())
    exact = model(images, metadata)[0]
    with using_statistics(model, running):
        assert torch.equal(model(images, metadata)[0], with_running)
    assert torch.equal(model(images, metadata)[0], exact)
    assert not torch.equal(exact, with_running)
    with pytest.raises(ZeroDivisionError), using_statistics(model, running):
        raise ZeroDivisionError
    assert torch.equal(model(images, metadata)[0], exact)


def test_statistics_of_another_model_are_refused_whole() -> None:
    model = trained()
    before = running_statistics(model)
    with pytest.raises(UsageError, match="norm3"):
        load_running_statistics(model, {"norm1": before["norm1"]})
    wrong = {name: value + 1 for name, value in before.items()} | {"norm3": torch.zeros(4, 85)}
    with pytest.raises(UsageError, match=r"norm3 must be \[4, 84\], got \[4, 85\]"):
        load_running_statistics(model, wrong)
    assert all(torch.equal(v, before[name]) for name, v in running_statistics(model).items())
