"""The networks against recorded training steps, and what their forward promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mlzoo.errors import UsageError
from mlzoo_mdn.layer import MetadataNorm
from mlzoo_mdn.networks import ConfoundedClassifier

GOLDEN = Path(__file__).parents[1] / "golden" / "mdn"
WEIGHTS = (
    ("conv1", (16, 1, 5, 5), 0.2),
    ("conv2", (32, 16, 5, 5), 0.05),
    ("fc1", (84, 18432), 0.01),
    ("fc2", (1, 84), 0.2),
)
LAYERS = {  # recorded name -> ours
    "baseline": {},
    "linear": {"metadatanorm": "norm3"},
    "conv": {"metadatanorm1": "norm1", "metadatanorm2": "norm2", "metadatanorm3": "norm3"},
}


def synthetic_images(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """The recorded runs' data: images [2N, 1, 32, 32], labels [2N], confounder [2N]; float64."""
    stream = np.random.RandomState(seed)
    confounder = np.concatenate([stream.uniform(1, 4, count), stream.uniform(3, 6, count)])
    stream = np.random.RandomState(seed + 1)
    effect = np.concatenate([stream.uniform(1, 4, count), stream.uniform(3, 6, count)])
    images = stream.normal(0, 0.01, (2 * count, 32, 32))
    kernel = gaussian_kernel(16, 5.0)
    images[:, :16, :16] += effect[:, None, None] * kernel
    images[:, 16:, :16] += confounder[:, None, None] * kernel
    images[:, 16:, 16:] += effect[:, None, None] * kernel
    labels = np.repeat([0.0, 1.0], count)
    transposed = np.ascontiguousarray(images.transpose(0, 2, 1))[:, None]
    return torch.from_numpy(transposed), torch.from_numpy(labels), torch.from_numpy(confounder)


def gaussian_kernel(length: int, sigmas: float) -> npt.NDArray[np.float64]:
    interval = (2 * sigmas + 1) / length
    edges = torch.linspace(
        -sigmas - interval / 2, sigmas + interval / 2, length + 1, dtype=torch.float64
    )
    density = torch.special.ndtr(edges).diff()
    kernel = torch.outer(density, density).sqrt()
    return (kernel / kernel.sum()).numpy()


def set_recorded_weights(model: ConfoundedClassifier, seed: int) -> None:
    stream = np.random.RandomState(seed)
    for name, shape, scale in WEIGHTS:
        layer = model.get_submodule(name)
        for parameter, size, factor in ((layer.weight, shape, scale), (layer.bias, shape[:1], 0.1)):
            values = (stream.standard_normal(size) * factor).astype(np.float32)
            parameter.data.copy_(torch.from_numpy(values))


def close(actual: Tensor, expected: Any, tolerance: float) -> bool:
    """Largest difference relative to the largest value."""
    expected = torch.as_tensor(expected).double()
    difference = (actual.detach().double() - expected).abs().max()
    return actual.shape == expected.shape and bool(difference <= tolerance * expected.abs().max())


def check_first_gradients(model: ConfoundedClassifier, golden: Any) -> None:
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    for key in golden.files:
        if key.startswith("step0_grad."):
            name, _, cut = key.removeprefix("step0_grad.").partition("_")
            gradient = gradients[name]
            if cut:
                gradient = gradient[
                    tuple(slice(*map(int, part.split(":"))) for part in cut.split("_"))
                ]
            assert close(gradient, golden[key], 1e-4), key
    norms = torch.stack([gradient.norm() for gradient in gradients.values()])
    np.testing.assert_allclose(norms, golden["step0_gradnorm"], rtol=1e-4)


@pytest.mark.parametrize("network", ["baseline", "linear", "conv"])
def test_training_equals_recorded_steps(network: str) -> None:
    with np.load(GOLDEN / f"model_{network}.npz", allow_pickle=False) as golden:
        count, batch_size = int(golden["N"]), int(golden["batch_size"])
        images, labels, confounder = synthetic_images(count, int(golden["data_seed"]))
        metadata = torch.stack([labels, confounder], dim=1)
        model = ConfoundedClassifier(network, metadata, estimator="global", batch_size=batch_size)
        set_recorded_weights(model, int(golden["weight_seed"]))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
        *steps, last = torch.from_numpy(golden["batch_index"])

        for step, index in enumerate(steps):
            target = labels[index].float()[:, None]
            logit, features = model(images[index].float(), metadata[index].float())
            loss = functional.binary_cross_entropy_with_logits(logit, target)
            optimizer.zero_grad()
            loss.backward()
            assert loss.item() == pytest.approx(float(golden["loss"][step]), abs=1e-5)
            if step == 0:
                assert close(logit.sigmoid(), golden["step0_prob"], 1e-5)
                assert close(features, golden["step0_fc"], 1e-5)
                check_first_gradients(model, golden)
            optimizer.step()

        check_final_state(model, golden, LAYERS[network], batch_size)
        model.eval()
        logit, features = model(images[last].float(), metadata[last].float())
        loss = functional.binary_cross_entropy_with_logits(logit, labels[last].float()[:, None])
        assert close(logit.sigmoid(), golden["eval_prob"], 1e-4)
        assert close(features, golden["eval_fc"], 1e-4)
        assert loss.item() == pytest.approx(float(golden["eval_loss"]), rel=1e-4)


def check_final_state(
    model: ConfoundedClassifier, golden: Any, layers: dict[str, str], batch_size: int
) -> None:
    for name, parameter in model.named_parameters():
        if f"final.{name}" in golden.files:
            assert close(parameter, golden[f"final.{name}"], 1e-4), name
    for recorded, name in layers.items():
        norm = model.get_submodule(name)
        assert isinstance(norm, MetadataNorm)
        beta = norm.published_beta(batch_size)
        assert close(beta[:, :200], golden[f"final.{recorded}.beta_cols_0:200"], 1e-4)
        assert close(beta.sum(dim=1), golden[f"final.{recorded}.beta_rowsum"], 1e-4)
        assert close(beta.norm(dim=1), golden[f"final.{recorded}.beta_rownorm"], 1e-4)


def small_batch(count: int = 12) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(count, 1, 12, 14, generator=generator)
    label = (torch.arange(count) % 2).float()
    return images, torch.stack([label, torch.rand(count, generator=generator)], dim=1)


def test_parameter_count_is_the_papers_and_layers_follow_the_network() -> None:
    _, metadata = small_batch()
    for network, expected in (
        ("baseline", []),
        ("linear", ["norm3"]),
        ("conv", ["norm1", "norm2", "norm3"]),
    ):
        model = ConfoundedClassifier(network, metadata)
        assert sum(parameter.numel() for parameter in model.parameters()) == 1_561_705
        norms = [name for name, part in model.named_modules() if isinstance(part, MetadataNorm)]
        assert norms == expected


@pytest.mark.parametrize("network", ["baseline", "linear", "conv"])
@pytest.mark.parametrize("training", [True, False])
def test_features_are_what_the_output_layer_reads_before_relu(network: str, training: bool) -> None:
    images, metadata = small_batch()
    model = ConfoundedClassifier(network, metadata, (1, 12, 14)).train(training)
    logit, features = model(images, metadata)
    assert logit.shape == (12, 1)
    assert features.shape == (12, 84)
    assert bool((features < 0).any())
    torch.testing.assert_close(logit, model.fc2(features.relu()))


def test_overwriting_buffers_changes_no_result() -> None:
    images, metadata = small_batch()
    model = ConfoundedClassifier("conv", metadata, (1, 12, 14), inplace=False)
    twin = ConfoundedClassifier("conv", metadata, (1, 12, 14))
    twin.load_state_dict(model.state_dict())
    for network in (model, twin):
        network(images, metadata)[0].square().sum().backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(twin.get_parameter(name).grad, parameter.grad)


def test_same_seed_gives_the_same_initial_weights_to_every_network() -> None:
    _, metadata = small_batch()
    weights = []
    for network in ("baseline", "conv"):
        torch.manual_seed(5)
        weights.append(ConfoundedClassifier(network, metadata, (1, 12, 14)).fc2.weight)
    assert torch.equal(*weights)


def test_baseline_needs_no_metadata_and_the_others_say_that_they_do() -> None:
    images, metadata = small_batch()
    assert ConfoundedClassifier("baseline", None, (1, 12, 14))(images)[0].shape == (12, 1)
    with pytest.raises(UsageError, match="metadata"):
        ConfoundedClassifier("conv", metadata, (1, 12, 14))(images)
    with pytest.raises(UsageError, match="metadata"):
        ConfoundedClassifier("linear", None, (1, 12, 14))


def test_unknown_network_and_tiny_images_are_refused() -> None:
    _, metadata = small_batch()
    with pytest.raises(UsageError, match=r"unknown network 'conf'\n.*'conv'"):
        ConfoundedClassifier("conf", metadata)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="9x9"):
        ConfoundedClassifier("conv", metadata, (1, 8, 32))


def test_weights_of_another_network_are_refused() -> None:
    _, metadata = small_batch()
    state = ConfoundedClassifier("conv", metadata, (1, 12, 14)).state_dict()
    with pytest.raises(RuntimeError, match="Unexpected key"):
        ConfoundedClassifier("linear", metadata, (1, 12, 14)).load_state_dict(state)
