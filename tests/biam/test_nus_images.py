"""NUS-WIDE from images and the official text files, with a network like VGG-19 of few channels."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from mlzoo.backbones import BACKBONES, WHOLE, SceneHead, load_weights, read_image
from mlzoo.backbones.registry import Backbone
from mlzoo.backbones.vgg import VGG, Design, described
from mlzoo.errors import DataError, UsageError
from mlzoo.progress import Progress
from mlzoo_biam.dataset_config import NusWideOptions
from mlzoo_biam.nus_wide.files import VECTORS, path_of
from mlzoo_biam.nus_wide.loading import load
from mlzoo_biam.nus_wide.prepare import prepare
from mlzoo_biam.nus_wide.prepare_config import PrepareNusWideOptions

QUIET = Progress(quiet=True)
TINY = Design(((4, 4), (4, 4), (4,) * 4, (6,) * 4, (6,) * 4), hidden=10)
TAGS, CONCEPTS = ("nature", "sky", "car", "elk"), ("cars", "elk", "sky")
NAMES = {
    "train": ["bus_0001_11.jpg", "cup_of_tea_0002_22.jpg", "red_car_0004_44.jpg", "zoo_0001_9.jpg"],
    "test": ["cup_of_tea_0007_77.jpg", "red_car_0009_99.jpg"],
}
TAG_BITS = {"train": [[1, 0, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]]}
TAG_BITS["test"] = [[0, 1, 0, 1], [1, 1, 0, 0]]
CONCEPT_BITS = {
    "train": [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]],
    "test": [[1, 1, 0], [0, 0, 1]],
}


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def tiny(classes: int = 1000) -> VGG:
        return VGG(TINY, classes)

    backbone = Backbone(name="vgg19", build=tiny, describe=described, head="classifier.6")
    monkeypatch.setitem(BACKBONES, "vgg19", backbone)
    torch.manual_seed(0)
    network = tiny(3)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0.01, 0.35)
    torch.save(network.state_dict(), tmp_path / "vgg19.pth")
    return tmp_path / "vgg19.pth"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The official text files, in folders of their own."""
    root = tmp_path / "archive"
    for folder in ("ConceptsList", "ImageList", "NUS_WID_Tags", "TrainTestLabels"):
        (root / folder).mkdir(parents=True)
    for place, words in (
        ("NUS_WID_Tags/TagList1k.txt", TAGS),
        ("ConceptsList/Concepts81.txt", CONCEPTS),
    ):
        (root / place).write_bytes("".join(f"{word}\r\n" for word in words).encode())
    of_tags = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    of_concepts = np.concatenate([-of_tags[:1], of_tags[[3, 1]]])
    (root / VECTORS).write_bytes(pickle.dumps([of_tags, of_concepts], protocol=3))
    for part, names in NAMES.items():
        lines = "\n".join(path_of(name).replace("/", "\\") for name in names)
        (root / "ImageList" / f"{part.title()}Imagelist.txt").write_text(lines + "\n")
        bits = "\n".join(" ".join(map(str, row)) for row in TAG_BITS[part])
        (root / "NUS_WID_Tags" / f"{part.title()}_Tags1k.dat").write_text(bits + "\n")
        for column, concept in enumerate(CONCEPTS):
            values = "\n".join(str(row[column]) for row in CONCEPT_BITS[part])
            path = root / "TrainTestLabels" / f"Labels_{concept}_{part.title()}.txt"
            path.write_text(values + "\n")
    return root


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for seed, name in enumerate(NAMES["train"] + NAMES["test"]):
        path = tmp_path / "Flickr" / path_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (30, 41 + seed, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return tmp_path / "Flickr"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "nus-wide").mkdir()
    return tmp_path / "nus-wide"


def options(**given: object) -> PrepareNusWideOptions:
    return PrepareNusWideOptions(**{"device": "cpu", "batch_size": 2, **given})


def test_images_become_features_with_the_labels_of_the_text_files(
    root, images, archive, weights
) -> None:
    facts = prepare(root, options(images=images, archive=archive, weights=weights), QUIET)
    assert facts["train"]["images"] == 4
    assert facts["test"]["positives an image"] == {"seen": 0.5, "unseen": 1.5}
    data = load(root, NusWideOptions(validation="none"))
    assert data.tags == ("nature", "car", "cars", "elk", "sky")
    network = load_weights(weights, "vgg19")
    for part, names in NAMES.items():
        own = data.part(part)
        assert own.own_names == names
        bits = np.concatenate([np.array(TAG_BITS[part])[:, [0, 2]], CONCEPT_BITS[part]], axis=1)
        np.testing.assert_array_equal(own.own_labels.dense(), 2 * bits - 1)
        regions, scene = own.read(slice(None))
        for name, region, whole in zip(names, regions, scene, strict=True):
            pixels = torch.from_numpy(read_image(images / path_of(name), WHOLE).copy())[None]
            with torch.no_grad():
                alone = described(network, WHOLE.normalised(pixels))
            for found, expected in ((region, alone["regions"]), (whole, alone["scene"])):
                near = 1e-5 * float(expected.max())
                np.testing.assert_allclose(found, expected[0], rtol=1e-4, atol=near)


def test_unreadable_images_are_left_out_with_their_labels_and_listed(
    root, images, archive, weights
) -> None:
    (images / path_of(NAMES["train"][1])).write_bytes(b"no image")
    (images / path_of(NAMES["train"][3])).unlink()
    facts = prepare(root, options(images=images, archive=archive, weights=weights), QUIET)
    assert (facts["train"]["images"], facts["train"]["unreadable"]) == (2, 2)
    assert (root / "train.unreadable.csv").read_text().splitlines() == [
        "file,reason",
        "cup_of_tea/0002_22.jpg,not an image of a known format",
        "zoo/0001_9.jpg,there is no such file",
    ]
    data = load(root, NusWideOptions(validation="none"))
    assert data.train.own_names == [NAMES["train"][0], NAMES["train"][2]]
    assert data.train.own_labels.dense()[:, :2].tolist() == [[1, -1], [-1, -1]]
    assert "unreadable" not in facts["test"]


def test_images_may_lie_in_the_archives_folder_or_all_in_one(
    root, images, archive, weights, tmp_path
) -> None:
    given = options(images=images.parent, archive=archive, weights=weights, part="test")
    prepare(root, given, QUIET)
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in NAMES["test"]:
        (flat / name).write_bytes((images / path_of(name)).read_bytes())
    (tmp_path / "other").mkdir()
    prepare(tmp_path / "other", given.model_copy(update={"images": flat}), QUIET)
    for name in ("regions.npy", "scene.npy", "names.txt"):
        assert (root / "test" / name).read_bytes() == (
            tmp_path / "other" / "test" / name
        ).read_bytes()


class Stopping(Progress):
    def counted(self, done: int, total: int) -> None:
        if total == 4 and done >= 2:
            raise KeyboardInterrupt


def test_stopped_extraction_goes_on(root, images, archive, weights, tmp_path, capsys) -> None:
    given = options(images=images, archive=archive, weights=weights)
    with pytest.raises(KeyboardInterrupt):
        prepare(root, given, Stopping())
    assert "the same command goes on" in capsys.readouterr().err
    prepare(root, given, QUIET)
    (tmp_path / "straight").mkdir()
    prepare(tmp_path / "straight", given, QUIET)
    data = [load(folder, NusWideOptions()) for folder in (root, tmp_path / "straight")]
    assert data[0].fingerprint() == data[1].fingerprint()
    assert not list(root.glob("*.part"))


def test_scene_of_h5_files_is_that_of_the_network(root, images, archive, weights, tmp_path) -> None:
    """What was extracted, written as an h5 file and packed again, is the same."""
    prepare(root, options(images=images, archive=archive, weights=weights), QUIET)
    data = load(root, NusWideOptions(validation="none"))
    again = tmp_path / "again"
    again.mkdir()
    for part in ("train", "test"):
        own = data.part(part)
        regions, labels = own.read(slice(None))[0], own.own_labels.dense()
        with h5py.File(again / f"nus_wide_{part}.h5", "w") as file:
            for name, image, row in zip(own.own_names, regions, labels, strict=True):
                file[f"{name}-features"] = image.reshape(6, 14, 14)
                file[f"{name}-labels"] = row[:2] if part == "train" else row
                file[f"{name}-labels_81"] = row[2:]
    prepare(again, options(archive=archive, weights=weights), QUIET)
    packed = load(again, NusWideOptions(validation="none"))
    for part in ("train", "test"):
        for one, two in zip(
            data.part(part).read(slice(None)), packed.part(part).read(slice(None)), strict=True
        ):
            np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5)
    regions, scene = packed.train.read(slice(None))
    np.testing.assert_allclose(SceneHead(weights, device="cpu")(regions), scene, rtol=1e-5)


def test_what_is_missing_is_named(root, images, archive, weights, tmp_path) -> None:
    with pytest.raises(UsageError, match="needs --weights"):
        prepare(root, options(images=images, archive=archive), QUIET)
    with pytest.raises(DataError, match=r"vgg20.pth does not exist"):
        prepare(
            root, options(images=images, archive=archive, weights=tmp_path / "vgg20.pth"), QUIET
        )
    with pytest.raises(DataError, match="nowhere is no folder"):
        prepare(root, options(images=tmp_path / "nowhere", weights=weights), QUIET)
    (archive / "ImageList" / "TrainImagelist.txt").unlink()
    with pytest.raises(DataError, match=r"TrainImagelist.txt or img_names.pkl is not in"):
        prepare(root, options(images=images, archive=archive, weights=weights), QUIET)
    assert not list(root.glob("train*"))
