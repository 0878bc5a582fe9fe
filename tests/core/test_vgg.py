"""VGG-19 against plain functions of its state dict; both outputs in one pass; scenes of stored maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image

from mlzoo.backbones import BACKBONES, WHOLE, SceneHead, extract, load_weights, read_image
from mlzoo.backbones.registry import Backbone
from mlzoo.backbones.vgg import DESIGNS, VGG, Design, described
from mlzoo.errors import DataError

TINY = Design(((4, 4), (4, 4), (4,) * 4, (6,) * 4, (6,) * 4), hidden=10)


def tiny(classes: int = 1000) -> VGG:
    return VGG(TINY, classes)


TINY_BACKBONE = Backbone(name="vgg-tiny", build=tiny, describe=described, head="classifier.6")


def random_network(classes: int = 3, seed: int = 0) -> VGG:
    torch.manual_seed(seed)
    network = tiny(classes).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0.01, 0.35)
    return network


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a network like VGG-19 with few channels, which has a name here."""
    monkeypatch.setitem(BACKBONES, "vgg-tiny", TINY_BACKBONE)
    path = tmp_path / "vgg-tiny.pth"
    torch.save(random_network().state_dict(), path)
    return path


CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
POOLED_BEFORE = (5, 10, 19, 28)


def published_maps(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """conv5_4 after its ReLU, from nothing but the names and arrays of a state dict."""
    for number in CONVOLUTIONS:
        if number in POOLED_BEFORE:
            x = F.max_pool2d(x, 2)
        at = f"features.{number}"
        x = F.conv2d(x, state[f"{at}.weight"], state[f"{at}.bias"], padding=1).clamp(min=0)
    return x


def published_scene(state: dict[str, torch.Tensor], maps: torch.Tensor) -> torch.Tensor:
    x = F.max_pool2d(maps, 2).reshape(len(maps), -1)
    for number in (0, 3):
        at = f"classifier.{number}"
        x = (x @ state[f"{at}.weight"].T + state[f"{at}.bias"]).clamp(min=0)
    return x


def test_vgg19_is_as_published() -> None:
    with torch.device("meta"):
        network = BACKBONES["vgg19"].build(1000)
    shapes = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    assert sum(p.numel() for p in network.parameters()) == 143_667_240
    assert len(shapes) == 38
    assert shapes["features.0.weight"] == (64, 3, 3, 3)
    assert shapes["features.34.weight"] == (512, 512, 3, 3)
    assert {name for name in shapes if name.startswith("features.")} == {
        f"features.{number}.{part}" for number in CONVOLUTIONS for part in ("weight", "bias")
    }
    assert shapes["classifier.0.weight"] == (4096, 25088)
    assert shapes["classifier.3.weight"] == (4096, 4096)
    assert shapes["classifier.6.weight"] == (1000, 4096)
    assert BACKBONES["vgg19"].outputs() == {"regions": (512, 196), "scene": (4096,)}
    assert len(DESIGNS["vgg19"].stages) == 5


def test_outputs_are_what_the_state_dict_says() -> None:
    network = random_network().double()
    images = torch.randn(2, 3, 224, 224, dtype=torch.float64)
    with torch.no_grad():
        outputs = described(network, images)
        maps = published_maps(network.state_dict(), images)
        scene = published_scene(network.state_dict(), maps)
        torch.testing.assert_close(outputs["regions"], maps.reshape(2, 6, 196))
        torch.testing.assert_close(outputs["scene"], scene)
        last = network.state_dict()["classifier.6.weight"]
        bias = network.state_dict()["classifier.6.bias"]
        torch.testing.assert_close(network(images), scene @ last.T + bias)
    assert maps.shape == (2, 6, 14, 14)
    assert (maps >= 0).all()
    assert (scene > 0).any()
    assert maps.std() > 1e-3


def test_scene_is_that_of_evaluation() -> None:
    network = random_network()
    maps = torch.rand(2, 6, 14, 14)
    with torch.no_grad():
        first = network.train().scene(maps)
        assert not torch.equal(first, network.scene(maps))  # dropout
        network.eval()
        assert torch.equal(network.scene(maps), network.scene(maps))


def test_weights_of_another_network_are_refused(tmp_path: Path, weights: Path) -> None:
    assert isinstance(load_weights(weights, "vgg-tiny"), VGG)
    with pytest.raises(DataError, match="the weights of vgg-tiny, expected vgg19"):
        load_weights(weights, "vgg19")
    with pytest.raises(DataError, match="the weights of vgg-tiny, expected resnet18"):
        load_weights(weights, "resnet18")
    state = random_network().state_dict()
    del state["classifier.3.bias"]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(DataError, match=r"lacks classifier\.3\.bias"):
        load_weights(tmp_path / "cut.pth", "vgg-tiny")


# Extraction


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    """Eleven files below the folder ``images``, of which two are broken."""
    folder = tmp_path / "images"
    folder.mkdir()
    names = [f"{number:02}.png" for number in range(11)]
    for number, name in enumerate(names):
        stream = np.random.default_rng(number)
        pixels = stream.integers(0, 256, (40, 50 + number, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / names[2]).write_bytes(b"broken")
    (folder / names[9]).write_bytes(b"")
    return names


def test_both_outputs_of_the_whole_images_become_a_folder(
    tmp_path: Path, weights: Path, images: list[str]
) -> None:
    root = tmp_path / "images"
    found = extract(
        "vgg-tiny", weights, images, tmp_path / "w", root=root, preprocessing=WHOLE, batch_size=4
    )
    assert found.rows.tolist() == [0, 1, 3, 4, 5, 6, 7, 8, 10]
    (found.store / "names.txt").write_text("\n".join(images[row] for row in found.rows))
    store = found.finish(tmp_path / "features")
    assert not (tmp_path / "w").exists()
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "made.json", "names.txt", "regions.npy", "scene.npy",
    ]  # fmt: skip
    regions, scene = (np.load(store.folder / f"{name}.npy") for name in ("regions", "scene"))
    assert (regions.shape, scene.shape) == ((9, 6, 196), (9, 10))
    state = random_network().state_dict()
    for row, number in enumerate(found.rows):
        pixels = torch.from_numpy(read_image(root / images[number], WHOLE).copy())[None]
        maps = published_maps(state, WHOLE.normalised(pixels))
        scale = float(maps.max())
        np.testing.assert_allclose(regions[row], maps.reshape(6, 196), rtol=1e-4, atol=1e-5 * scale)
        expected = published_scene(state, maps)[0]
        np.testing.assert_allclose(
            scene[row], expected, rtol=1e-4, atol=1e-5 * float(expected.max())
        )
    assert store.places.tolist() == found.rows.tolist()
    assert store.left_out == {
        2: "not an image of a known format",
        9: "not an image of a known format",
    }
    assert "resize=None" in store.identity["preprocessing"]
    store.verify()


# Scenes of stored maps


def test_scenes_of_stored_maps_are_those_of_extraction(
    tmp_path: Path, weights: Path, images: list[str]
) -> None:
    found = extract(
        "vgg-tiny", weights, images, tmp_path / "w", root=tmp_path / "images", batch_size=4
    )
    head = SceneHead(weights, "vgg-tiny", device="cpu", batch_size=2)
    assert (head.channels, head.width) == (6, 10)
    scene = head(found.arrays["regions"])
    assert scene.dtype == np.float32
    scale = float(scene.max())
    np.testing.assert_allclose(scene, found.arrays["scene"], rtol=1e-4, atol=1e-6 * scale)
    assert head(found.arrays["regions"][:0]).shape == (0, 10)


def test_maps_that_are_none_are_refused(weights: Path) -> None:
    head = SceneHead(weights, "vgg-tiny", device="cpu")
    for shape in ((2, 6, 14, 14), (2, 196, 6), (6, 196)):
        with pytest.raises(DataError, match=r"expected maps of shape \(any, 6, 196\)"):
            head(np.zeros(shape, np.float32))
    regions = np.zeros((2, 6, 196), np.float32)
    regions[1, 3, 7] = np.nan
    with pytest.raises(DataError, match="not finite"):
        head(regions)
