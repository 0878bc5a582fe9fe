"""Open Images: its demo world, loading, packing of h5 files and of images, the doctor, bad input."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from mlzoo.cli.main import guarded
from mlzoo.errors import DataError, RunError, UsageError
from mlzoo.files import write_json
from mlzoo.progress import Progress
from mlzoo_biam.dataset_config import OpenImagesOptions
from mlzoo_biam.open_images import prepare_images as prepare_open_images_images
from mlzoo_biam.open_images.annotations import read_annotations
from mlzoo_biam.open_images.classes import CHOSEN, DESCRIPTIONS, OTHERS, SEEN, read_classes
from mlzoo_biam.open_images.demo import H5, IMAGES, SHARD_SIZE, SHARDS, write_demo
from mlzoo_biam.open_images.doctor import examine
from mlzoo_biam.open_images.loading import load, seen_labels
from mlzoo_biam.open_images.prepare import prepare
from mlzoo_biam.open_images.prepare_config import PrepareOpenImagesOptions
from mlzoo_biam.open_images.spec import annotations_of
from mlzoo_biam.open_images.vectors import PICKLE
from mlzoo_biam.packed import packing_parts
from mlzoo_biam.packed.shards import open_packed, open_shards, read_record
from mlzoo_biam.packed.store import PackedFeatures

OPTIONS = OpenImagesOptions()
QUIET = Progress(quiet=True)
LISTS = (SEEN, OTHERS, CHOSEN, DESCRIPTIONS, PICKLE)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A demo world that nobody changes."""
    root = tmp_path_factory.mktemp("demo") / "open-images"
    write_demo(root, 0)
    return root


@pytest.fixture
def lists(world, tmp_path):
    """A folder with the class lists and word vectors of the world alone."""
    root = tmp_path / "open-images"
    root.mkdir()
    for name in LISTS:
        shutil.copy(world / name, root / name)
    return root


def h5_options(folder: Path, **changes: object) -> PrepareOpenImagesOptions:
    return PrepareOpenImagesOptions(**{"h5": folder, "scene": "projection", **changes})


# Loading


def test_demo_world_loads_with_shards_and_all_parts(world):
    data = load(world, OPTIONS)
    classes = read_classes(world)
    assert data.tags == classes.tags
    assert (data.seen_count, len(data.tags)) == (32, 40)
    assert data.shards.tolist() == [SHARD_SIZE * number for number in range(SHARDS + 1)]
    assert {name: len(data.part(name)) for name in ("train", "val", "test")} == {
        "train": IMAGES["train"], "val": IMAGES["validation"], "test": IMAGES["test"],
    }  # fmt: skip
    assert not data.train.labels.default.any()
    for name in ("train", "val"):
        assert not data.part(name).labels.positives()[data.unseen].any()
    assert data.test.labels.positives()[data.unseen].all()
    assert "32 seen and 8 unseen" in data.incomparable
    assert data.references()["seen_map"]["ceiling"] > data.references()["seen_map"]["chance"]


def test_validation_is_a_set_of_its_own_and_can_be_left_out(world):
    data = load(world, OPTIONS)
    assert data.val is not None
    assert data.val.features is not data.train.features
    assert len(data.part("trainval")) == len(data.train)
    without = load(world, OpenImagesOptions(validation=False))
    assert without.val is None
    assert without.splits == ("test",)
    assert without.fingerprint() != data.fingerprint()


def test_labels_are_those_of_the_annotations(world):
    classes = read_classes(world)
    data = load(world, OPTIONS)
    for part, images in (("train", data.train), ("validation", data.val), ("test", data.test)):
        found = read_annotations(world / annotations_of(part), classes.ids)
        labels = found.labels if part == "test" else seen_labels(found.labels, 32)
        row = {name: number for number, name in enumerate(found.images)}
        order = np.array([row[name.removesuffix(".jpg")] for name in images.own_names])
        assert (labels.subset(order).dense() == images.own_labels.dense()).all()


def test_rows_of_several_shards_are_read_as_one(world):
    data = load(world, OPTIONS)
    rows = np.array([SHARD_SIZE, 0, 3 * SHARD_SIZE + 1, SHARD_SIZE - 1])
    regions, scene = data.train.read(rows)
    shard = PackedFeatures(world / "train" / "3")
    np.testing.assert_array_equal(regions[2], shard.regions(np.array([1]))[0])
    np.testing.assert_array_equal(scene[2], shard.scene(np.array([1]))[0])
    names = data.train.names
    assert names[3 * SHARD_SIZE + 1] == shard.names[1]
    assert names[-1] == list(names)[-1] == names[len(names) - 1]
    assert names[SHARD_SIZE - 1 : SHARD_SIZE + 1] == [names[SHARD_SIZE - 1], names[SHARD_SIZE]]
    with pytest.raises(IndexError):
        names[len(names)]


def test_limited_data_keep_whole_shards_and_the_rest(world):
    data = load(world, OPTIONS).limited(SHARD_SIZE + 5)
    assert data.shards.tolist() == [0, SHARD_SIZE, SHARD_SIZE + 5]


def test_other_seed_is_another_world_and_the_same_one_the_same(world, tmp_path):
    write_demo(tmp_path / "same", 0)
    write_demo(tmp_path / "other", 1)
    digests = [load(root, OPTIONS).fingerprint() for root in (world, tmp_path / "same")]
    assert digests[0] == digests[1] != load(tmp_path / "other", OPTIONS).fingerprint()


def test_demo_replaces_nothing(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(UsageError, match="exists"):
        write_demo(tmp_path, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train"]


def copied(world: Path, folder: Path) -> Path:
    """The packed folders and lists, without what they could be made of."""
    root = folder / "open-images"
    shutil.copytree(world, root, ignore=shutil.ignore_patterns(H5, "*.csv.part"))
    return root


def test_shard_of_other_classes_is_refused(world, tmp_path):
    root = copied(world, tmp_path)
    chosen = (root / CHOSEN).read_text(encoding="utf-8-sig").splitlines()
    (root / CHOSEN).write_text("\n".join(chosen[::-1]))
    with pytest.raises(DataError, match="labels of other classes") as caught:
        load(root, OPTIONS)
    assert "train/0" in str(caught.value)


def test_missing_shard_and_wrong_record_are_named(world, tmp_path):
    root = copied(world, tmp_path)
    record = json.loads((root / "train" / "shards.json").read_text())
    shutil.rmtree(root / "train" / "2")
    with pytest.raises(DataError, match=r"train/2 does not exist"):
        load(root, OPTIONS)
    record["shards"][0]["images"] = 7
    write_json(root / "train" / "shards.json", record)
    with pytest.raises(DataError, match=r"train/0 has 40 images, shards.json tells of 7"):
        load(root, OPTIONS)
    record["shards"][0]["name"] = "../test"
    write_json(root / "train" / "shards.json", record)
    with pytest.raises(DataError, match="distinct folders beside it"):
        read_record(root / "train")


def test_shard_whose_rows_are_cut_is_named(world, tmp_path):
    root = copied(world, tmp_path)
    path = root / "train" / "1" / "regions.npy"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1000)
    with pytest.raises(DataError, match=r"train/1"):
        load(root, OPTIONS)


def test_labels_of_zero_and_one_are_refused(world, tmp_path):
    root = copied(world, tmp_path)
    path = root / "test" / "labels.npz"
    with np.load(path) as arrays:
        kept = dict(arrays)
    kept["label_values"] = np.ones_like(kept["label_values"])
    np.savez(path, **kept)
    with pytest.raises(DataError, match="no label says that a class is absent"):
        load(root, OPTIONS)


# From h5 files


def test_h5_files_become_the_packed_folders_of_the_demo(world, lists):
    facts = prepare(lists, h5_options(world / H5), QUIET)
    assert facts["train"] == {"images": IMAGES["train"], "shards": SHARDS}
    assert facts["test"]["images"] == IMAGES["test"]
    demo, made = load(world, OPTIONS), load(lists, OPTIONS)
    for part in ("train", "val", "test"):
        one, other = demo.part(part), made.part(part)
        assert one.features.digest() == other.features.digest()
        assert one.own_names == other.own_names
        assert (one.own_labels.dense() == other.own_labels.dense()).all()
    assert made.shards.tolist() == demo.shards.tolist()
    assert not list(lists.glob("*.part"))


def test_only_real_rows_of_a_short_shard_are_packed(world, lists, tmp_path):
    folder = tmp_path / "h5"
    folder.mkdir()
    source = world / H5 / "CHUNK_3_CONV5_4_NO_CENTERCROP.h5"
    with h5py.File(source) as old, h5py.File(folder / "CHUNK_12_x.h5", "w") as new:
        names = sorted({key.partition("-")[0] for key in old})[:5]
        for name in names:
            for ending in ("features", "seenlabels"):
                old.copy(f"{name}-{ending}", new)
    shutil.copy(world / H5 / "CHUNK_0_CONV5_4_NO_CENTERCROP.h5", folder / "CHUNK_2_x.h5")
    facts = prepare(lists, h5_options(folder, part="train"), QUIET)
    assert facts["train"] == {"images": SHARD_SIZE + 5, "shards": 2}
    assert read_record(lists / "train") == [("0", SHARD_SIZE), ("1", 5)]  # by number: 2, then 12
    assert PackedFeatures(lists / "train" / "1").names == names


def test_stopped_packing_goes_on_and_gives_the_same(world, lists, monkeypatch):
    from mlzoo_biam.open_images import prepare_h5 as prepare_open_images_h5

    real, calls = prepare_open_images_h5.pack_features, []

    def stopping(target, *arguments, **changes):
        calls.append(target.name)
        if calls.count("2") == 1 and target.name == "2":
            raise KeyboardInterrupt
        return real(target, *arguments, **changes)

    monkeypatch.setattr(prepare_open_images_h5, "pack_features", stopping)
    with pytest.raises(KeyboardInterrupt):
        prepare(lists, h5_options(world / H5, part="train"), QUIET)
    assert not (lists / "train").exists()
    prepare(lists, h5_options(world / H5, part="train"), QUIET)
    assert calls == ["0", "1", "2", "2", "3"]
    classes = read_classes(lists)
    made, _ = open_shards(lists / "train", classes.digest(), len(classes.ids))
    assert made.features.digest() == load(world, OPTIONS).train.features.digest()


def test_packing_does_not_go_on_with_shards_of_other_files(world, lists, tmp_path, monkeypatch):
    from mlzoo_biam.open_images import prepare_h5 as prepare_open_images_h5

    monkeypatch.setattr(
        prepare_open_images_h5,
        "write_record",
        lambda *a, **b: (_ for _ in ()).throw(KeyboardInterrupt),
    )
    with pytest.raises(KeyboardInterrupt):
        prepare(lists, h5_options(world / H5, part="train"), QUIET)
    other = tmp_path / "h5"
    other.mkdir()
    shutil.copy(world / H5 / "CHUNK_1_CONV5_4_NO_CENTERCROP.h5", other / "CHUNK_0_y.h5")
    with pytest.raises(RunError, match="made of other images"):
        prepare(lists, h5_options(other, part="train"), QUIET)


@pytest.fixture
def one_shard(world, tmp_path):
    folder = tmp_path / "h5"
    folder.mkdir()
    path = folder / "CHUNK_7_CONV5_4_NO_CENTERCROP.h5"
    shutil.copy(world / H5 / "CHUNK_1_CONV5_4_NO_CENTERCROP.h5", path)
    return path


def first_name(path: Path) -> str:
    with h5py.File(path) as file:
        return min(file).partition("-")[0]


def test_shard_cut_short_is_one_error_that_names_it(lists, one_shard):
    with one_shard.open("r+b") as file:
        file.truncate(one_shard.stat().st_size // 2)
    with pytest.raises(DataError, match="CHUNK_7_CONV5_4"):
        prepare(lists, h5_options(one_shard.parent, part="train"), QUIET)
    assert not (lists / "train").exists()


@pytest.mark.parametrize(
    ("ending", "value", "said"),
    [
        ("seenlabels", None, "images have no seenlabels"),
        ("features", None, "images have no features"),
        ("seenlabels", np.zeros(31, np.int8), "expected 32 labels"),
        ("seenlabels", np.full(32, 2, np.int8), "other labels than"),
        ("features", np.full((512, 196), np.nan, np.float32), "not finite"),
        ("features", np.zeros((512, 195), np.float32), "195 regions"),
        ("features", np.zeros((512, 196, 1, 1), np.float32), "expected floats"),
        ("features", np.zeros((512, 196), np.int32), "expected floats"),
    ],
)
def test_damaged_image_of_a_shard_is_one_clear_error(lists, one_shard, ending, value, said):
    key = f"{first_name(one_shard)}-{ending}"
    with h5py.File(one_shard, "r+") as file:
        del file[key]
        if value is not None:
            file[key] = value
    with pytest.raises(DataError, match=said) as caught:
        prepare(lists, h5_options(one_shard.parent, part="train"), QUIET)
    assert one_shard.name in str(caught.value)


def test_h5_labels_of_zero_and_one_are_refused(lists, one_shard):
    with h5py.File(one_shard, "r+") as file:
        for key in [key for key in file if key.endswith("-seenlabels")]:
            row = np.maximum(file[key][()], 0)
            row[:5] = 1
            del file[key]
            file[key] = row
    with pytest.raises(DataError, match="CHUNK_7.*: no label says that a class is absent"):
        prepare(lists, h5_options(one_shard.parent, part="train"), QUIET)


def test_image_in_two_shards_is_refused(lists, one_shard):
    shutil.copy(one_shard, one_shard.with_name("CHUNK_9_x.h5"))
    with pytest.raises(DataError, match="is in two shards"):
        prepare(lists, h5_options(one_shard.parent, part="train"), QUIET)
    assert not (lists / "train").exists()


def test_shard_stored_elsewhere_is_refused(lists, one_shard, world):
    key = f"{first_name(one_shard)}-features"
    with h5py.File(one_shard, "r+") as file:
        del file[key]
        source = world / H5 / "CHUNK_1_CONV5_4_NO_CENTERCROP.h5"
        file[key] = h5py.ExternalLink(str(source), f"/{key}")
    with pytest.raises(DataError, match="is stored in another file"):
        prepare(lists, h5_options(one_shard.parent, part="train"), QUIET)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"h5": None}, "nothing to prepare from"),
        ({"images": Path()}, "does not go with --images"),
        ({"scene": "vgg19"}, "need --weights"),
        ({"h5": None, "images": Path(), "scene": "projection"}, "projection does not go"),
    ],
)
def test_options_that_do_not_go_together(lists, changes, said):
    with pytest.raises(UsageError, match=said):
        prepare(lists, h5_options(Path(), **changes), QUIET)


def test_missing_part_says_how_to_make_the_others(lists, one_shard):
    with pytest.raises(DataError, match=r"no \*test\*\.h5") as caught:
        prepare(lists, h5_options(one_shard.parent), QUIET)
    assert "--part train" in str(caught.value)
    prepare(lists, h5_options(one_shard.parent, part="train"), QUIET)
    with pytest.raises(UsageError, match="exists"):
        prepare(lists, h5_options(one_shard.parent, part="train"), QUIET)


def test_two_files_of_one_number_are_refused(lists, one_shard):
    shutil.copy(one_shard, one_shard.with_name("CHUNK_7_again.h5"))
    with pytest.raises(DataError, match="both train number 7"):
        prepare(lists, h5_options(one_shard.parent, part="train"), QUIET)


# From images


@pytest.fixture
def pictures(world, lists, tmp_path):
    """Annotations of the world, and made-up images for some of them."""
    folder = tmp_path / "images"
    rng = np.random.default_rng(0)
    for part, count in (("train", 11), ("validation", 4), ("test", 5)):
        csv = lists / annotations_of(part)
        shutil.copy(world / csv.name, csv)
        (folder / part).mkdir(parents=True)
        names = read_annotations(csv, ()).images[:count]
        for name in names:
            pixels = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / part / f"{name}.jpg")
    return folder


def image_options(folder: Path, weights: Path, **changes: object) -> PrepareOpenImagesOptions:
    values = {
        "images": folder,
        "weights": weights,
        "shard_size": 4,
        "device": "cpu",
        "batch_size": 3,
    }
    return PrepareOpenImagesOptions(**{**values, **changes})


def test_images_become_shuffled_shards_with_the_last_one_kept(pictures, lists, small_vgg):
    facts = prepare(lists, image_options(pictures, small_vgg), QUIET)
    assert facts["train"] == {
        "images": 11, "shards": 3, "annotated": 160, "not there": 149, "unreadable": 0,
    }  # fmt: skip
    data = load(lists, OPTIONS)
    assert data.shards.tolist() == [0, 4, 8, 11]
    assert data.train.own_names != sorted(data.train.own_names)
    assert data.test.own_names == sorted(data.test.own_names)
    assert len(data.val) == 4
    assert data.train.features.grid == (14, 14)
    found = read_annotations(lists / annotations_of("train"), read_classes(lists).ids)
    row = {f"{name}.jpg": number for number, name in enumerate(found.images)}
    order = np.array([row[name] for name in data.train.own_names])
    labels = seen_labels(found.labels, 32).subset(order)
    assert (labels.dense() == data.train.own_labels.dense()).all()
    assert not list(lists.glob("*.part"))


def test_unreadable_images_are_listed_and_have_no_row(pictures, lists, small_vgg):
    bad = sorted((pictures / "train").iterdir())[3]
    bad.write_bytes(b"no image")
    facts = prepare(lists, image_options(pictures, small_vgg, part="train"), QUIET)
    assert (facts["train"]["images"], facts["train"]["unreadable"]) == (10, 1)
    assert bad.name in (lists / "train.unreadable.csv").read_text()
    classes = read_classes(lists)
    images, shards = open_shards(lists / "train", classes.digest(), len(classes.ids))
    assert bad.name not in images.own_names
    assert shards[-1] == len(images) == 10


def test_stopped_extraction_goes_on_and_gives_the_same(pictures, lists, small_vgg, monkeypatch):
    other = lists.parent / "straight"
    shutil.copytree(lists, other)
    prepare(other, image_options(pictures, small_vgg, part="train"), QUIET)
    real, done = packing_parts.write_beside, []

    def stopping(store, *arguments, **changes):
        done.append(store)
        if len(done) == 2:
            raise KeyboardInterrupt
        return real(store, *arguments, **changes)

    monkeypatch.setattr(packing_parts, "write_beside", stopping)
    with pytest.raises(KeyboardInterrupt):
        prepare(lists, image_options(pictures, small_vgg, part="train"), QUIET)
    assert (lists / "train.part" / "0").is_dir()
    assert not (lists / "train").exists()
    prepare(lists, image_options(pictures, small_vgg, part="train"), QUIET)
    classes = read_classes(lists)
    one, two = (
        open_shards(root / "train", classes.digest(), len(classes.ids))[0]
        for root in (lists, other)
    )
    assert one.features.digest() == two.features.digest()
    assert one.own_names == two.own_names


def test_extraction_does_not_go_on_with_other_images(pictures, lists, small_vgg, monkeypatch):
    monkeypatch.setattr(
        prepare_open_images_images,
        "write_record",
        lambda *a, **b: (_ for _ in ()).throw(KeyboardInterrupt),
    )
    with pytest.raises(KeyboardInterrupt):
        prepare(lists, image_options(pictures, small_vgg, part="train"), QUIET)
    sorted((pictures / "train").iterdir())[0].unlink()
    with pytest.raises(RunError, match=r"Delete .*train\.part to begin anew"):
        prepare(lists, image_options(pictures, small_vgg, part="train"), QUIET)


def test_folder_without_annotated_images_is_told(pictures, lists, small_vgg):
    for path in (pictures / "test").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="holds none of the 60 images"):
        prepare(lists, image_options(pictures, small_vgg, part="test"), QUIET)
    (lists / annotations_of("test")).unlink()
    with pytest.raises(DataError, match="mlzoo data download open-images fetches it"):
        prepare(lists, image_options(pictures, small_vgg, part="test"), QUIET)


def test_word_vectors_are_built_alone(lists, tmp_path):
    (lists / PICKLE).unlink()
    words = sorted({word.lower() for word in read_classes(lists).names.values()})
    glove = tmp_path / "glove.txt"
    rng = np.random.default_rng(0)
    lines = [
        f"{word} {' '.join(map(str, rng.normal(size=5)))}\n" for word in words if " " not in word
    ]
    glove.write_text("".join(lines))
    facts = prepare(lists, PrepareOpenImagesOptions(glove=glove), QUIET)
    assert facts["word vectors"]["width"] == 5
    assert "train" not in facts


def test_h5_files_and_images_give_the_same_features(pictures, lists, small_vgg, tmp_path):
    """The scene is computed of stored regions as it is of images."""
    prepare(lists, image_options(pictures, small_vgg, part="test"), QUIET)
    classes = read_classes(lists)
    packed = open_packed(lists / "test", classes.digest(), len(classes.ids))
    rows = np.arange(len(packed))
    folder = tmp_path / "h5"
    folder.mkdir()
    with h5py.File(folder / "x_test.h5", "w") as file:
        for name, regions, labels in zip(
            packed.names, packed.features.regions(rows), packed.labels.dense(), strict=True
        ):
            others = np.zeros(len(classes.others), np.int8)
            others[classes.chosen] = labels[32:]
            file[f"{name}-features"] = regions.reshape(-1, 14, 14)
            file[f"{name}-seenlabels"], file[f"{name}-unseenlabels"] = labels[:32], others
    (lists / "test").rename(lists / "of-images")
    given = PrepareOpenImagesOptions(h5=folder, weights=small_vgg, part="test", device="cpu")
    prepare(lists, given, QUIET)
    made = open_packed(lists / "test", classes.digest(), len(classes.ids))
    assert made.names == packed.names
    assert (made.labels.dense() == packed.labels.dense()).all()
    np.testing.assert_array_equal(made.features.regions(rows), packed.features.regions(rows))
    np.testing.assert_allclose(made.features.scene(rows), packed.features.scene(rows), rtol=1e-4)


# The command line


def test_packed_test_part_reads_labels_of_the_chosen_classes_in_their_order(world):
    classes = read_classes(world)
    test = open_packed(world / "test", classes.digest(), len(classes.ids))
    path = next((world / H5).glob("*TEST*"))
    with h5py.File(path) as file:
        for row, name in enumerate(test.names):
            others = file[f"{name}-unseenlabels"][()]
            assert (
                test.labels.dense(np.array([row]))[0, 32:].tolist()
                == others[classes.chosen].tolist()
            )


def test_baseline_runs_on_the_demo_world(world, tmp_path, capsys):
    words = ["run", "tag-ridge", "--dataset", "open-images", "--data-dir", world.parent,
             "--out", tmp_path / "runs", "--device", "cpu"]  # fmt: skip
    assert guarded([str(word) for word in words]) == 0, capsys.readouterr().err
    assert "seen_f1_5" in capsys.readouterr().out


def levels(root: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in examine(root, OPTIONS):
        found.setdefault(finding.level, []).append(f"{finding.subject}: {finding.text}")
    return found


def test_doctor_finds_no_error_in_the_demo_and_says_what_it_is_not(world):
    found = levels(world)
    assert "error" not in found
    assert any("not comparable: 32 seen and 8 unseen" in text for text in found["warning"])
    assert any("4 shards of 40 to 40 images" in text for text in found["ok"])


def test_doctor_names_each_fault_on_its_own(world, tmp_path):
    root = copied(world, tmp_path)
    (root / PICKLE).write_bytes(pickle.dumps([1, 2]))
    shutil.rmtree(root / "validation")
    (root / "test" / "labels.npz").unlink()
    csv = root / annotations_of("test")
    csv.write_text(csv.read_text() + "x,y\n")
    (root / "train.part").mkdir()
    found = levels(root)
    for text in ("word vectors: ", "annotations-human-imagelabels.csv", "test: ", "files together"):
        assert any(text in line for line in found["error"]), text
    assert any("train.part: is not finished" in line for line in found["note"])
    assert any(line.startswith("validation: is not there") for line in found["note"])


def test_doctor_tells_missing_class_lists_alone(tmp_path):
    found = levels(tmp_path)
    assert list(found) == ["error"]
    assert SEEN in found["error"][0]


def test_command_prepares_and_shows(world, lists, capsys):
    words = ["data", "prepare", "open-images", "--h5", world / H5, "--scene", "projection",
             "--data-dir", lists.parent]  # fmt: skip
    assert guarded([str(word) for word in words]) == 0
    shown = capsys.readouterr().out
    assert "train.shards" in shown
    assert guarded(["data", "show", "open-images", "--data-dir", str(lists.parent)]) == 0
    assert "shards" in capsys.readouterr().out
