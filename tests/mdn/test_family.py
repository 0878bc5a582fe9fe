"""The family as one option: every method trains, resumes exactly, and refuses what it does not read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import mlzoo
from mlzoo.checkpoints import load_checkpoint
from mlzoo.errors import CheckpointError, UsageError
from mlzoo.experiment import Interrupted
from mlzoo.progress import Progress
from mlzoo.testing import same
from mlzoo_mdn.config import LAYERS, READERS, MDNConfig
from mlzoo_mdn.data import load_synthetic
from mlzoo_mdn.dataset_config import SyntheticOptions
from mlzoo_mdn.layer import MetadataNorm
from mlzoo_mdn.model import MDN
from mlzoo_mdn.penalty import NormalisedPenaltyMDN
from mlzoo_mdn.recursive import RecursiveMDN
from mlzoo_mdn.training import optimizer_for

METHODS = get_args(MDNConfig.model_fields["method"].annotation)
OTHERS = tuple(method for method in METHODS if method != "mdn")


@pytest.fixture(scope="module")
def data():
    return load_synthetic(Path(), SyntheticOptions(group_size=20))


def model(data, **options) -> MDN:
    torch.manual_seed(0)
    return MDN(MDNConfig(batch_size=16, **options), data)


def run(out: Path, **options: Any) -> Any:
    settings = {"preset": "smoke", "group_size": 20, "batch_size": 16, "figures": False}
    return mlzoo.run("mdn", out=out, progress=Progress(quiet=True), **{**settings, **options})


@pytest.mark.parametrize("method", OTHERS)
def test_every_method_trains_and_resumes_bit_for_bit(tmp_path: Path, method: str) -> None:
    options = {"method": method, "epochs": 3, "select": "val"}
    straight = run(tmp_path / "a", **options)
    with pytest.raises(Interrupted):
        run(tmp_path / "b", stop_after=1, **options)
    (half,) = (path.parent for path in (tmp_path / "b").rglob("run.json"))
    resumed = mlzoo.resume(half, figures=False, progress=Progress(quiet=True))
    assert set(straight.metrics) == {"val", "test"}
    assert resumed.metrics == straight.metrics
    for name in ("last.pt", "best.pt"):
        one, two = (
            load_checkpoint(r.directory / "checkpoints" / name) for r in (straight, resumed)
        )
        assert same(one, two)


def test_run_of_a_method_is_scored_again_from_its_checkpoint(tmp_path: Path) -> None:
    for method in ("adversary", "penalty", "residualise"):
        done = run(tmp_path, method=method, epochs=1)
        assert mlzoo.evaluate(done.directory) == done.metrics


@pytest.mark.parametrize("method", METHODS)
def test_prediction_of_no_method_sees_the_label(data, method: str) -> None:
    net = model(data, method=method)
    net.finish()
    first = net.predict("test")["features"]
    flipped = type(data.test)(data.test.images, 1 - data.test.label, data.test.metadata)
    net.data = type(data)(
        train=data.train, val=data.val, test=flipped, metadata_names=data.metadata_names
    )
    np.testing.assert_array_equal(net.predict("test")["features"], first)


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("mdn", MetadataNorm),
        ("recursive", RecursiveMDN),
        ("penalty", NormalisedPenaltyMDN),
        ("batch-norm", (nn.BatchNorm1d, nn.BatchNorm2d)),
        ("group-norm", nn.GroupNorm),
    ],
)
@pytest.mark.parametrize(("network", "places"), [("conv", 3), ("linear", 1)])
def test_layers_of_the_method_stand_where_the_network_says(
    data, method: str, kind: type[nn.Module], network: str, places: int
) -> None:
    parts = model(data, method=method, network=network).network.children()
    assert sum(isinstance(part, kind) for part in parts) == places


def test_every_method_starts_from_the_same_weights(data) -> None:
    expected = model(data).network.fc2.weight
    for method in OTHERS:
        assert torch.equal(model(data, method=method).network.fc2.weight, expected), method


def test_none_is_the_baseline_and_its_training_the_same(tmp_path: Path) -> None:
    plain, baseline = run(tmp_path, method="none"), run(tmp_path, network="baseline")
    assert plain.metrics == baseline.metrics


def test_method_trains_what_stands_beside_the_network_at_its_own_rate(data) -> None:
    for method, rate, parts in (("penalty", 0.045, 3), ("adversary", 1e-4, 4)):
        net = model(data, method=method, weight_decay=1e-3)
        network, beside = optimizer_for(net.config, net.network, net.added_loss).param_groups
        assert (beside["lr"], beside["weight_decay"]) == (rate, 0)
        assert (network["lr"], network["weight_decay"]) == (1e-4, 1e-3)
        assert len(beside["params"]) == parts
        assert not {id(p) for p in network["params"]} & {id(p) for p in beside["params"]}


def test_one_step_with_the_penalty_equals_one_optimiser_for_each_part(data) -> None:
    """The joint step against two losses, two backwards and two optimisers."""
    joint, apart = model(data, method="penalty"), model(data, method="penalty")
    images = torch.from_numpy(data.train.images[::2])
    columns = np.column_stack([data.train.label, data.train.metadata])[::2]
    metadata, label = torch.from_numpy(columns), torch.from_numpy(columns[:, 0]).float()

    def losses(net: MDN) -> tuple[torch.Tensor, torch.Tensor]:
        logit, features = net.network(images, metadata)
        task = functional.binary_cross_entropy_with_logits(logit[:, 0], label)
        return task, net.added_loss(features, metadata)["fit_error"]

    optimizer = optimizer_for(joint.config, joint.network, joint.added_loss)
    betas = [p for name, p in apart.network.named_parameters() if "coefficients" in name]
    weights = [p for name, p in apart.network.named_parameters() if "coefficients" not in name]
    optimizers = [torch.optim.Adam(weights, lr=1e-4), torch.optim.Adam(betas, lr=0.045)]
    for _ in range(3):
        optimizer.zero_grad()
        sum(losses(joint)).backward()
        optimizer.step()
        task, fit = losses(apart)
        for loss, parameters in ((task, weights), (fit, betas)):
            gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
        for one in optimizers:
            one.step()
    for name, parameter in joint.network.named_parameters():
        torch.testing.assert_close(parameter, apart.network.get_parameter(name))


def test_checkpoint_of_another_method_is_refused(data) -> None:
    with pytest.raises(CheckpointError, match=r"lacks regressor"):
        model(data, method="adversary").load_state_dict(model(data, method="none").state_dict())
    with pytest.raises(CheckpointError, match="does not fit"):
        model(data, method="recursive").load_state_dict(model(data).state_dict())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "recursive", "network": "baseline"}, "needs a place for its layers"),
        ({"method": "adversary", "network": "linear"}, "has no layers, so network linear"),
        ({"method": "none", "estimator": "batch"}, "estimator is an option of mdn, the method is"),
        ({"forgetting": 0.5}, "forgetting is an option of recursive, the method is mdn"),
        ({"method": "penalty", "preset": "published"}, "statistics is an option of mdn"),
        ({"method": "penalty", "adversary_weight": 2}, "of gradient-reversal and adversary"),
        ({"method": "group-norm", "groups": 3}, "16 channels cannot be split into 3"),
        ({"method": "recursiv"}, r"--method: .*recursive"),
    ],
)
def test_combination_that_makes_no_sense_is_refused_before_there_is_a_folder(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    out = tmp_path / "runs"
    with pytest.raises(UsageError, match=message) as raised:
        run(out, **options)
    assert len(str(raised.value).splitlines()) <= 2
    assert not out.exists()


def test_option_class_is_small_and_every_reader_is_a_method() -> None:
    fields = MDNConfig.model_fields
    assert len(fields) <= 40
    assert set(READERS) <= set(fields)
    assert {method for methods in READERS.values() for method in methods} <= set(METHODS)
    assert set(LAYERS) <= set(METHODS)
