"""The networks against plain functions of their state dicts; weights files; extraction and its stops."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image

from mlzoo.backbones import BACKBONES, extract, load_weights, read_image, resnet
from mlzoo.backbones.extraction import write_unreadable
from mlzoo.backbones.images import IMAGENET, WHOLE
from mlzoo.errors import DataError, MlzooError, RunError, UsageError
from mlzoo.progress import Progress

PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}


def random_network(name: str, seed: int = 0, classes: int = 1000) -> torch.nn.Module:
    """With running statistics and affine terms that are not trivial either."""
    torch.manual_seed(seed)
    network = resnet(name, classes).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.3, 0.8)
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    return network


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(random_network("resnet18").state_dict(), path)
    return path


def published_forward(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The last map, computed from nothing but the names and arrays of a state dict."""

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        mean, var, weight, bias = (
            state[f"{name}.{part}"][None, :, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    x = norm("bn1", F.conv2d(x, state["conv1.weight"], stride=2, padding=3)).clamp(min=0)
    x = F.max_pool2d(x, 3, 2, 1)
    for stage in (1, 2, 3, 4):
        block = 0
        while f"layer{stage}.{block}.conv1.weight" in state:
            at = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            deep = f"{at}.conv3.weight" in state
            strides = (1, stride, 1) if deep else (stride, 1)
            y = x
            for number, step in enumerate(strides, 1):
                kernel = state[f"{at}.conv{number}.weight"]
                y = F.conv2d(y, kernel, stride=step, padding=kernel.shape[-1] // 2)
                y = norm(f"{at}.bn{number}", y)
                y = y if number == len(strides) else y.clamp(min=0)
            if f"{at}.downsample.0.weight" in state:
                x = F.conv2d(x, state[f"{at}.downsample.0.weight"], stride=stride)
                x = norm(f"{at}.downsample.1", x)
            x = (x + y).clamp(min=0)
            block += 1
    return x


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_as_many_as_published(name: str) -> None:
    with torch.device("meta"):
        network = BACKBONES[name].build(1000)
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]
    assert BACKBONES[name].outputs() == {"features": (network.fc.in_features,)}
    assert network.fc.in_features == network.width


@pytest.mark.parametrize("name", ["resnet34", "resnet50"])
def test_network_computes_what_its_state_dict_says(name: str) -> None:
    network = random_network(name).double()
    images = torch.randn(2, 3, 65, 96, dtype=torch.float64)
    with torch.no_grad():
        reference = published_forward(network.state_dict(), images)
        torch.testing.assert_close(network.feature_map(images), reference)
        torch.testing.assert_close(network.features(images), reference.flatten(2).mean(2))
        logits = reference.flatten(2).mean(2) @ network.fc.weight.T + network.fc.bias
        torch.testing.assert_close(network(images), logits)
    assert reference.shape == (2, network.width, 3, 3)
    assert reference.std() > 1e-3


def test_last_map_of_an_image_of_224_pixels_is_7_by_7() -> None:
    network = random_network("resnet18")
    with torch.no_grad():
        assert network.feature_map(torch.randn(1, 3, 224, 224)).shape == (1, 512, 7, 7)


def test_names_are_those_of_the_published_files() -> None:
    names = set(resnet("resnet50").state_dict())
    assert {
        "conv1.weight", "bn1.running_var", "layer1.0.downsample.0.weight",
        "layer1.0.downsample.1.bias", "layer3.5.conv3.weight", "layer4.2.bn3.num_batches_tracked",
        "fc.weight", "fc.bias",
    } <= names  # fmt: skip
    assert len(names) == 320
    assert "layer2.1.downsample.0.weight" not in names
    assert "layer1.0.downsample.0.weight" not in set(resnet("resnet34").state_dict())


# Weights files


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "older-format"])
@pytest.mark.parametrize("counters", [True, False], ids=["counters", "no-counters"])
def test_both_published_formats_are_read(tmp_path: Path, archive: bool, counters: bool) -> None:
    network = random_network("resnet18", classes=7)
    state = {k: v for k, v in network.state_dict().items() if counters or "num_batches" not in k}
    torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=archive)
    loaded = load_weights(tmp_path / "w.pth", "resnet18")
    assert not loaded.training
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded(images), network(images))
    assert loaded(images).shape == (1, 7)


def _without(key):
    return lambda state: {k: v for k, v in state.items() if k != key}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without("bn1.bias"), "lacks bn1.bias"),
        (_without("fc.weight"), "lacks fc.weight"),
        (lambda s: {**s, "layer9.weight": torch.ones(1)}, "unknown layer9.weight"),
        (lambda s: {**s, "conv1.weight": torch.ones(64, 3, 3, 3)}, r"conv1.weight is \[64, 3, 3"),
        (lambda s: {**s, "fc.weight": torch.ones(1000, 2048)}, r"fc.weight is \[1000, 2048\]"),
        (lambda s: {**s, "fc.weight": torch.tensor(1.0)}, r"fc.weight is \[\]"),
        (
            lambda s: {**s, "fc.bias": torch.full((1000,), torch.nan)},
            "fc.bias has values that are not finite",
        ),
        (lambda s: {**s, "bn1.running_var": -torch.ones(64)}, "bn1.running_var has negative"),
        (lambda s: {**s, "fc.bias": torch.ones(1000, dtype=torch.int64)}, "fc.bias is torch.int64"),
        (lambda s: {**s, "fc.bias": s["fc.bias"].to_sparse()}, "fc.bias is .* dense"),
        (lambda s: {"state_dict": s, "epoch": 3}, "'state_dict' is a"),
        (lambda s: list(s.values()), "holds a list, not a state dict"),
        (lambda s: {}, "it is empty"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, change, said: str) -> None:
    path = tmp_path / "wrong.pth"
    torch.save(change(random_network("resnet18").state_dict()), path)
    with pytest.raises(DataError, match=said) as error:
        load_weights(path, "resnet18")
    assert str(path) in error.value.message
    assert len(str(error.value).splitlines()) <= 2


def test_weights_of_another_depth_are_named(weights: Path) -> None:
    with pytest.raises(DataError, match="the weights of resnet18, expected resnet101"):
        load_weights(weights, "resnet101")


def test_unknown_backbone_is_a_usage_error(weights: Path) -> None:
    with pytest.raises(UsageError, match="no backbone named 'resnet19'"):
        load_weights(weights, "resnet19")


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("was-run"),))


def test_code_in_weights_never_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"fc.weight": Evil()}, "archive.pth")
    torch.save({"fc.weight": Evil()}, "older.pth", _use_new_zipfile_serialization=False)
    Path("pickle.pth").write_bytes(pickle.dumps({"fc.weight": Evil()}))
    for name in ("archive.pth", "older.pth", "pickle.pth"):
        with pytest.raises(DataError, match=name):
            load_weights(Path(name), "resnet18")
    assert not Path("was-run").exists()


@pytest.mark.parametrize("older", [True, False])
def test_damaged_weights_are_refused(tmp_path: Path, weights: Path, older: bool) -> None:
    path = tmp_path / "cut.pth"
    if older:
        torch.save(torch.load(weights), path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(weights.read_bytes())
    whole = path.read_bytes()
    for size in (0, 10, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match="cut.pth"):
            load_weights(path, "resnet18")
    with pytest.raises(DataError, match="does not exist"):
        load_weights(tmp_path / "none.pth", "resnet18")


# Images


def noise(width: int, height: int, seed: int = 0, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("size", [(300, 400), (640, 481), (256, 256), (31, 97), (224, 224)])
def test_image_is_resized_then_cut_from_the_middle(tmp_path: Path, size: tuple[int, int]) -> None:
    image = noise(*size)
    image.save(tmp_path / "a.png")
    width, height = (
        (256, int(256 * size[1] / size[0]))
        if size[0] <= size[1]
        else (int(256 * size[0] / size[1]), 256)
    )
    resized = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    top, left = round((height - 224) / 2.0), round((width - 224) / 2.0)
    pixels = read_image(tmp_path / "a.png", IMAGENET)
    assert np.array_equal(pixels, resized[top : top + 224, left : left + 224])


def test_pixels_are_normalised_by_channel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    found = IMAGENET.normalised(torch.from_numpy(pixels)).numpy()
    expected = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(found, expected.transpose(0, 3, 1, 2), atol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_images_of_other_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    noise(40, 30, mode=mode).save(path)
    assert read_image(path, IMAGENET).shape == (224, 224, 3)


@pytest.mark.parametrize("size", [(300, 400), (640, 31), (224, 224), (1, 300)])
def test_whole_image_is_resized_to_the_square(tmp_path: Path, size: tuple[int, int]) -> None:
    image = noise(*size)
    image.save(tmp_path / "a.png")
    expected = np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR))
    assert np.array_equal(read_image(tmp_path / "a.png", WHOLE), expected)


def test_unreadable_images_say_why(tmp_path: Path) -> None:
    good = tmp_path / "good.png"
    noise(60, 60).save(good)
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:5000])
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "empty.jpg").touch()
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(tmp_path / "deep.png")
    Image.new("RGB", (1, 200)).save(tmp_path / "narrow.png")
    noise(60, 60).save(tmp_path / "program.jpg", format="EPS")
    for name, reason in {
        "cut.png": "truncated",
        "text.jpg": "not an image",
        "empty.jpg": "not an image",
        "program.jpg": "not an image of a known format",
        "deep.png": "mode I;16, expected 8 bits",
        "narrow.png": "1×200 pixels",
        "none.png": "no such file",
    }.items():
        with pytest.raises(ValueError, match=reason):
            read_image(tmp_path / name, IMAGENET)


def test_lack_of_memory_or_of_pillow_is_no_fault_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise(60, 60).save(tmp_path / "good.png")

    def full(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Image, "open", full)
        with pytest.raises(MemoryError):
            read_image(tmp_path / "good.png", IMAGENET)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MlzooError, match="images need Pillow") as error:
        read_image(tmp_path / "good.png", IMAGENET)
    assert "mlzoo-core[images]" in error.value.fix


# Extraction


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    """Nine files below the folder ``images``, of which the third and the last are broken."""
    folder = tmp_path / "images"
    folder.mkdir()
    names = [f"{number}.png" for number in range(9)]
    for number, name in enumerate(names):
        noise(50 + number, 40, seed=number).save(folder / name)
    (folder / "2.png").write_bytes(b"broken")
    (folder / "8.png").unlink()
    return names


def test_every_readable_image_has_its_row(tmp_path: Path, weights: Path, images: list[str]) -> None:
    root = tmp_path / "images"
    found = extract("resnet18", weights, images, tmp_path / "work", root=root, batch_size=4)
    assert found.rows.tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert [each.file for each in found.unreadable] == ["2.png", "8.png"]
    network = load_weights(weights, "resnet18")
    for row, number in zip(found.features, found.rows, strict=True):
        pixels = torch.from_numpy(read_image(root / images[number], IMAGENET).copy())[None]
        with torch.no_grad():
            alone = network.features(IMAGENET.normalised(pixels))[0].numpy()
        np.testing.assert_allclose(row, alone, rtol=1e-4, atol=1e-5)
    assert len(np.unique(found.features.round(3), axis=0)) == 7
    write_unreadable(tmp_path / "unreadable.csv", found.unreadable)
    assert (tmp_path / "unreadable.csv").read_text().splitlines() == [
        "file,reason",
        "2.png,not an image of a known format",
        "8.png,there is no such file",
    ]


class Stopping(Progress):
    def __init__(self, after: int) -> None:
        super().__init__(quiet=True)
        self.after = after

    def counted(self, done: int, total: int) -> None:
        self.after -= 1
        if not self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [1, 2, 3])
def test_stopped_work_goes_on_bit_for_bit(
    tmp_path: Path, weights: Path, images: list[str], after: int
) -> None:
    settings = {"root": tmp_path / "images", "batch_size": 3}
    straight = extract("resnet18", weights, images, tmp_path / "straight", **settings)
    with pytest.raises(KeyboardInterrupt):
        extract(
            "resnet18", weights, images, tmp_path / "work", progress=Stopping(after), **settings
        )
    done = json.loads((tmp_path / "work" / "progress.json").read_text())["done"]
    assert done == 3 * after
    with (tmp_path / "work" / "store" / "features.npy").open("ab") as file:
        file.write(b"a row that was not counted")
    again = extract("resnet18", weights, images, tmp_path / "work", **settings)
    assert np.array_equal(again.features, straight.features)
    assert again.unreadable == straight.unreadable
    assert np.array_equal(again.rows, straight.rows)


KILLED = """
import sys
from pathlib import Path
from mlzoo.backbones import extract
from mlzoo.progress import Progress
class Told(Progress):
    def counted(self, done, total):
        print(done, flush=True)
weights, root, folder = map(Path, sys.argv[1:])
names = sorted(path.name for path in root.iterdir())
extract("resnet18", weights, names, folder, root=root, batch_size=2, progress=Told())
"""


def test_killed_process_goes_on_bit_for_bit(tmp_path: Path, weights: Path) -> None:
    root = tmp_path / "images"
    root.mkdir()
    for number in range(24):
        noise(48, 48, seed=number).save(root / f"{number:02}.png")
    names = sorted(path.name for path in root.iterdir())
    words = [sys.executable, "-c", KILLED, *map(str, (weights, root, tmp_path / "work"))]
    for lines in (1, 2):  # killed, gone on with, killed again
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(lines):
                assert process.stdout.readline()
            time.sleep(0.01 * lines)
            process.send_signal(signal.SIGKILL)
    done = json.loads((tmp_path / "work" / "progress.json").read_text())["done"]
    assert 0 < done < 24
    again = extract("resnet18", weights, names, tmp_path / "work", root=root, batch_size=2)
    straight = extract("resnet18", weights, names, tmp_path / "other", root=root, batch_size=2)
    assert np.array_equal(again.features, straight.features)


def test_work_on_something_else_is_not_gone_on_with(
    tmp_path: Path, weights: Path, images: list[str]
) -> None:
    root, work = tmp_path / "images", tmp_path / "work"
    extract("resnet18", weights, images, work, root=root)
    with pytest.raises(RunError, match="other images"):
        extract("resnet18", weights, images[:-1], work, root=root)
    other = tmp_path / "other.pth"
    torch.save(random_network("resnet18", seed=1).state_dict(), other)
    with pytest.raises(RunError, match="other weights"):
        extract("resnet18", other, images, work, root=root)
    torch.save(random_network("resnet34").state_dict(), other)
    with pytest.raises(RunError, match="other backbone and weights") as error:
        extract("resnet34", other, images, work, root=root)
    assert "Delete" in error.value.fix
    noise(10, 10).save(root / "2.png")  # mended meanwhile
    with pytest.raises(RunError, match="other images"):
        extract("resnet18", weights, images, work, root=root)


def test_damaged_work_is_refused(tmp_path: Path, weights: Path, images: list[str]) -> None:
    root, work = tmp_path / "images", tmp_path / "work"
    extract("resnet18", weights, images, work, root=root)
    (work / "store" / "features.npy").write_bytes(b"short")
    with pytest.raises(RunError, match="rows are missing"):
        extract("resnet18", weights, images, work, root=root)
    (work / "progress.json").write_text("{")
    with pytest.raises(RunError, match=r"progress.json cannot be read") as error:
        extract("resnet18", weights, images, work, root=root)
    assert error.value.fix.startswith("Delete")


def test_features_that_are_not_finite_are_never_kept(tmp_path: Path, images: list[str]) -> None:
    state = random_network("resnet18").state_dict()
    state["layer4.1.bn2.weight"] *= 1e38
    torch.save(state, tmp_path / "huge.pth")
    with pytest.raises(DataError, match="huge.pth gives features that are not finite"):
        extract("resnet18", tmp_path / "huge.pth", images, tmp_path / "w", root=tmp_path / "images")


def test_nothing_to_extract_is_said(tmp_path: Path, weights: Path, images: list[str]) -> None:
    root = tmp_path / "images"
    with pytest.raises(UsageError, match="no images"):
        extract("resnet18", weights, [], tmp_path / "work")
    with pytest.raises(UsageError, match="batch size"):
        extract("resnet18", weights, images, tmp_path / "work", batch_size=0)
    with pytest.raises(DataError, match="none of the 2 images can be read; 2.png: not an image"):
        extract("resnet18", weights, ["2.png", "8.png"], tmp_path / "work", root=root)


def test_full_device_is_an_error_with_a_fix(
    tmp_path: Path, weights: Path, images: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("mlzoo.backbones.computing.described", full)
    with pytest.raises(RunError, match="too little memory for 5 images at once") as error:
        extract("resnet18", weights, images, tmp_path / "w", root=tmp_path / "images", batch_size=5)
    assert "smaller batch size" in error.value.fix


def test_folder_is_for_one_process_at_a_time(
    tmp_path: Path, weights: Path, images: list[str]
) -> None:
    root, work = tmp_path / "images", tmp_path / "work"

    class Second(Progress):
        def counted(self, done: int, total: int) -> None:
            extract("resnet18", weights, images, work, root=root)

    with pytest.raises(RunError, match="another process works in .*work"):
        extract("resnet18", weights, images, work, root=root, progress=Second())


def test_plain_progress_says_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.begin("images", 100, 50)
    for done in range(51, 101):
        progress.counted(done, 100)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        f"images {n}/100" for n in range(60, 101, 10)
    ]
