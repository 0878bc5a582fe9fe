"""The network over clips against plain functions of its state dict; its published checkpoint's form."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from mlzoo.backbones import BACKBONES, CLIP_BACKBONES, KINETICS, extract, load_weights, resnext3d
from mlzoo.backbones.resnext3d import Design, ResNeXt3D
from mlzoo.backbones.weights import read_weights
from mlzoo.errors import DataError, UsageError

NAME = "resnext101-3d"
SMALL = Design((1, 2, 1, 1), groups=32)


SMALL_BACKBONE = replace(CLIP_BACKBONES[NAME], build=partial(ResNeXt3D, SMALL))


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """Of a small network, with running statistics that are not trivial either."""
    torch.manual_seed(0)
    return random_statistics(ResNeXt3D(SMALL)).state_dict()


def random_statistics(network: torch.nn.Module) -> torch.nn.Module:
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.3, 0.8)
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    return network.eval()


def published_forward(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The last map, computed from nothing but the names and arrays of a state dict."""

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        mean, var, weight, bias = (
            state[f"{name}.{part}"][None, :, None, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    x = norm("bn1", F.conv3d(x, state["conv1.weight"], stride=(1, 2, 2), padding=3)).clamp(min=0)
    x = F.max_pool3d(x, 3, 2, 1)
    for stage in (1, 2, 3, 4):
        block = 0
        while f"layer{stage}.{block}.conv1.weight" in state:
            at = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = norm(f"{at}.bn1", F.conv3d(x, state[f"{at}.conv1.weight"])).clamp(min=0)
            middle = state[f"{at}.conv2.weight"]
            y = F.conv3d(y, middle, stride=stride, padding=1, groups=len(middle) // middle.shape[1])
            y = norm(f"{at}.bn2", y).clamp(min=0)
            y = norm(f"{at}.bn3", F.conv3d(y, state[f"{at}.conv3.weight"]))
            if f"{at}.downsample.0.weight" in state:
                x = F.conv3d(x, state[f"{at}.downsample.0.weight"], stride=stride)
                x = norm(f"{at}.downsample.1", x)
            x = (x + y).clamp(min=0)
            block += 1
    return x


def test_parameters_are_as_many_as_described() -> None:
    """47.5 million without the last layer, which Hara et al. give."""
    with torch.device("meta"):
        network = CLIP_BACKBONES[NAME].build(400)
    assert sum(p.numel() for p in network.parameters()) == 48_340_816
    assert sum(p.numel() for n, p in network.named_parameters() if "fc" not in n) == 47_521_216
    assert CLIP_BACKBONES[NAME].outputs(112) == {"features": (2048,)}


def test_names_and_shapes_are_those_of_the_published_file() -> None:
    with torch.device("meta"):
        state = resnext3d(NAME).state_dict()
    shapes = {name: tuple(array.shape) for name, array in state.items()}
    expected = {
        "conv1.weight": (64, 3, 7, 7, 7),
        "bn1.running_var": (64,),
        "layer1.0.conv1.weight": (128, 64, 1, 1, 1),
        "layer1.0.conv2.weight": (128, 4, 3, 3, 3),
        "layer1.0.conv3.weight": (256, 128, 1, 1, 1),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1, 1),
        "layer1.0.downsample.1.bias": (256,),
        "layer2.0.downsample.0.weight": (512, 256, 1, 1, 1),
        "layer2.3.bn3.num_batches_tracked": (),
        "layer3.22.conv2.weight": (512, 16, 3, 3, 3),
        "layer4.2.conv2.weight": (1024, 32, 3, 3, 3),
        "layer4.2.conv3.weight": (2048, 1024, 1, 1, 1),
        "fc.weight": (400, 2048),
        "fc.bias": (400,),
    }
    assert {name: shapes.get(name) for name in expected} == expected
    counts = [
        len({n.split(".")[1] for n in shapes if n.startswith(f"layer{i}.")}) for i in range(1, 5)
    ]
    assert counts == [3, 4, 23, 3]
    assert len(shapes) == 626
    assert "layer2.1.downsample.0.weight" not in shapes


def test_network_computes_what_its_state_dict_says() -> None:
    torch.manual_seed(0)
    network = random_statistics(ResNeXt3D(SMALL, classes=5)).double()
    clips = torch.randn(2, 3, 10, 40, 33, dtype=torch.float64)
    with torch.no_grad():
        reference = published_forward(network.state_dict(), clips)
        torch.testing.assert_close(network.feature_map(clips), reference)
        torch.testing.assert_close(network.features(clips), reference.flatten(2).mean(2))
        logits = reference.flatten(2).mean(2) @ network.fc.weight.T + network.fc.bias
        torch.testing.assert_close(network(clips), logits)
    assert reference.shape == (2, 2048, 1, 2, 2)
    assert reference.std() > 1e-3


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "older-format"])
@pytest.mark.parametrize("wrapped", ["checkpoint", "parallel", "plain"])
def test_published_checkpoint_and_plain_weights_give_the_same_features(
    tmp_path: Path, state: dict[str, torch.Tensor], archive: bool, wrapped: str
) -> None:
    saved: dict[str, object] = {k: v for k, v in state.items() if "num_batches" not in k}
    if wrapped != "plain":
        saved = {f"module.{name}": array for name, array in saved.items()}
    if wrapped == "checkpoint":
        saved = {
            "epoch": 150,
            "arch": "resnext-101",
            "state_dict": saved,
            "optimizer": {"state": {}},
        }
    torch.save(saved, tmp_path / "w.pth", _use_new_zipfile_serialization=archive)
    loaded = read_weights(tmp_path / "w.pth", SMALL_BACKBONE)
    assert not loaded.training
    assert isinstance(loaded, ResNeXt3D)
    for name, array in loaded.state_dict().items():
        assert "num_batches" in name or torch.equal(array, state[name]), name


def test_whole_network_is_read_and_maps_16_pictures_of_112_pixels_to_1_by_4_by_4(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    network = random_statistics(resnext3d(NAME))
    saved = {f"module.{name}": array for name, array in network.state_dict().items()}
    torch.save({"arch": "resnext-101", "state_dict": saved}, tmp_path / "w.pth")
    clips = torch.randn(1, 3, 16, 112, 112)
    with torch.no_grad():
        last = load_weights(tmp_path / "w.pth", NAME).feature_map(clips)
        assert torch.equal(last, network.feature_map(clips))
    assert last.shape == (1, 2048, 1, 4, 4)
    assert last.isfinite().all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: {k: v for k, v in s.items() if k != "fc.bias"}, "lacks fc.bias"),
        (lambda s: {**s, "module.bn1.bias": s["bn1.bias"]}, "unknown module.bn1.bias"),
        (lambda s: {"state_dict": {**s, "x": torch.ones(1)}}, "unknown x"),
        (lambda s: {"state_dict": list(s.values())}, "'state_dict' is a list"),
        (lambda s: {"state_dict": {}}, "it is empty"),
        (
            lambda s: {**s, "bn1.bias": torch.full((64,), torch.inf)},
            "bn1.bias has values that are not",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    tmp_path: Path, state: dict[str, torch.Tensor], change, said: str
) -> None:
    torch.save(change(state), tmp_path / "wrong.pth")
    with pytest.raises(DataError, match=said) as error:
        read_weights(tmp_path / "wrong.pth", SMALL_BACKBONE)
    assert "wrong.pth" in error.value.message
    assert len(str(error.value).splitlines()) <= 2


def test_weights_of_images_and_of_clips_are_told_apart(tmp_path: Path) -> None:
    torch.save(BACKBONES["resnet18"].build(10).state_dict(), tmp_path / "flat.pth")
    with pytest.raises(DataError, match="the weights of resnet18, expected resnext101-3d"):
        load_weights(tmp_path / "flat.pth", NAME)
    torch.save(resnext3d(NAME, 2).state_dict(), tmp_path / "deep.pth")
    with pytest.raises(DataError, match="the weights of resnext101-3d, expected resnet18"):
        load_weights(tmp_path / "deep.pth", "resnet18")


def test_folders_of_images_are_not_for_networks_over_clips(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no backbone named 'resnext101-3d'"):
        extract(NAME, tmp_path / "w.pth", ["a.png"], tmp_path / "work")


def test_pixels_are_normalised_as_the_published_features_ask_for() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    found = KINETICS.normalised(torch.from_numpy(pixels)).numpy()
    expected = pixels.transpose(0, 3, 1, 2) - np.array([110.6, 103.2, 96.3])[:, None, None]
    np.testing.assert_allclose(found, expected, atol=2e-4)
