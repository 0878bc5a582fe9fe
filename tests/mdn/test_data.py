"""The data class, the synthetic dataset and a user's own npz files, whole and damaged."""

import json
import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from mlzoo.contracts import TaskData
from mlzoo.errors import DataError, UsageError
from mlzoo_mdn.data import (
    ConfoundedData,
    ConfoundedSplit,
    load_images,
    load_synthetic,
)
from mlzoo_mdn.dataset_config import ImagesOptions, SyntheticOptions
from mlzoo_mdn.synthetic import generate


def make_split(count=8, columns=2, seed=0):
    random = np.random.default_rng(seed)
    return ConfoundedSplit(
        images=random.normal(size=(count, 1, 4, 5)).astype(np.float32),
        label=np.arange(count) % 2,
        metadata=random.normal(size=(count, columns)),
    )


def make_data(**changes):
    splits = {name: make_split(seed=seed) for seed, name in enumerate(("train", "val", "test"))}
    return ConfoundedData(**{**splits, "metadata_names": ("age", "site"), **changes})


def arrays_of(count=20, **changes):
    random = np.random.default_rng(count)
    arrays = {
        "images": random.integers(0, 256, size=(count, 6, 7), dtype=np.uint8),
        "label": np.arange(count) % 2,
        "metadata": random.normal(size=count),
    }
    arrays.update(changes)
    return {name: array for name, array in arrays.items() if array is not None}


@pytest.fixture
def folder(tmp_path):
    for count, split in ((40, "train"), (20, "val"), (10, "test")):
        np.savez(tmp_path / f"{split}.npz", **arrays_of(count))
    return tmp_path


def message_of(folder):
    with pytest.raises(DataError) as caught:
        load_images(folder, ImagesOptions())
    return str(caught.value)


# --- the data class ---


def test_data_keep_the_contract_of_task_data():
    data = make_data()
    assert isinstance(data, TaskData)
    assert data.splits == ("val", "test")
    assert data["test"] is data.test
    json.dumps(data.describe(), allow_nan=False)


def test_fingerprint_depends_on_every_array_and_on_nothing_else():
    data = make_data()
    assert data.fingerprint() == make_data(metadata_names=("a", "b")).fingerprint()
    seen = {data.fingerprint()}
    for name in ("train", "val", "test"):
        for array in ("images", "label", "metadata"):
            changed = getattr(data[name], array).copy()
            changed.flat[[0, 1]] = changed.flat[[1, 0]]
            split = replace(data[name], **{array: changed})
            seen.add(replace(data, **{name: split}).fingerprint())
    assert len(seen) == 10
    assert all(len(digest) == 64 for digest in seen)


def test_fingerprint_does_not_depend_on_the_memory_layout():
    data = make_data()
    images = np.asfortranarray(data.train.images)
    assert replace(data, train=replace(data.train, images=images)).fingerprint() == (
        data.fingerprint()
    )


@pytest.mark.parametrize(("count", "expected"), [(2, (1, 1)), (5, (3, 2)), (100, (4, 4))])
def test_limited_keeps_both_labels_in_every_split(count, expected):
    data = make_data()
    limited = data.limited(count)
    for name, split in limited.all_splits().items():
        assert tuple(np.bincount(split.label)) == expected
        kept = np.flatnonzero(np.isin(data[name].metadata[:, 0], split.metadata[:, 0]))
        np.testing.assert_array_equal(data[name].images[kept], split.images)
        np.testing.assert_array_equal(data[name].label[kept], split.label)


def test_a_limit_without_room_for_both_labels_is_refused():
    with pytest.raises(UsageError, match="limit the data to 1 sample"):
        make_data().limited(1)


def test_chance_is_the_share_of_the_frequent_label_of_test():
    split = make_split()
    unequal = replace(split, label=np.array([0, 1, 1, 1, 1, 1, 1, 0]))
    references = make_data(test=unequal, ceilings={"known": 90.0}).references()
    assert references["accuracy"] == {"chance": 75.0, "known": 90.0}
    assert references["balanced_accuracy"] == {"chance": 50.0, "known": 90.0}


@pytest.mark.parametrize(
    ("array", "row", "value", "message"),
    [
        ("images", 3, np.nan, "test: images holds nan in row 3"),
        ("images", 0, np.inf, "test: images holds inf in row 0"),
        ("metadata", 7, np.nan, "test: metadata holds nan in row 7"),
        ("label", 5, 2, "test: label holds 2 in row 5; expected 0 or 1"),
    ],
)
def test_a_wrong_value_is_named_with_split_array_and_row(array, row, value, message):
    split = make_split()
    getattr(split, array)[row] = value
    with pytest.raises(DataError, match=message):
        make_data(test=split)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((8, 4, 5), np.float32)}, r"val: expected images \[N, C, H, W\]"),
        ({"metadata": np.zeros(8)}, r"found .* metadata \[8\]"),
        ({"metadata": np.zeros((8, 0))}, r"val: metadata has shape \[8, 0\]"),
        ({"images": np.zeros((7, 1, 4, 5), np.float32)}, r"images has shape .* beside 8 labels"),
        ({"images": np.zeros((8, 1, 4, 5))}, "images has type float64; expected float32"),
        ({"label": np.ones(8, np.int64)}, "val: no sample has label 0"),
        (
            {"images": np.zeros((8, 3, 4, 5), np.float32)},
            r"val: a row of images has shape \[3, 4, 5\]",
        ),
        ({"metadata": np.zeros((8, 1))}, r"val: a row of metadata has shape \[1\]; exp"),
    ],
)
def test_a_wrong_shape_or_type_is_named_with_its_split(changes, message):
    with pytest.raises(DataError, match=message):
        make_data(val=replace(make_split(), **changes))


def test_each_metadata_column_needs_a_name():
    with pytest.raises(DataError, match="each of 2 metadata columns, found 1: age"):
        make_data(metadata_names=("age",))


def test_constant_metadata_are_allowed():
    split = replace(make_split(), metadata=np.ones((8, 2)))
    assert make_data(train=split).train.metadata.std() == 0


# --- synthetic ---


def test_synthetic_data_are_the_generated_ones_in_float32():
    data = load_synthetic(None, SyntheticOptions(group_size=6))
    for name, seed in (("train", 1234), ("val", 1235), ("test", 1237)):
        groups = generate(6, seed)
        assert data[name].images.dtype == np.float32
        assert data[name].images.flags.c_contiguous
        np.testing.assert_array_equal(data[name].images, groups.images.astype(np.float32))
        np.testing.assert_array_equal(data[name].metadata, groups.confounder[:, None])
        np.testing.assert_array_equal(data[name].label, groups.labels)


def test_synthetic_references_are_the_two_ceilings():
    references = load_synthetic(None, SyntheticOptions(group_size=4)).references()
    for metric in ("accuracy", "balanced_accuracy"):
        assert references[metric] == {
            "chance": 50.0,
            "true effect": pytest.approx(83.333, abs=1e-3),
            "with the confounder": pytest.approx(94.444, abs=1e-3),
        }
    assert references["dcor2_0"] == references["dcor2_1"] == {"independent": 0.0}
    assert "dcor2_pooled" not in references, "it is not 0 even for ideal features"


def test_synthetic_fingerprint_follows_the_options():
    options = [
        SyntheticOptions(group_size=4),
        SyntheticOptions(group_size=5),
        SyntheticOptions(group_size=4, data_seed=1),
        SyntheticOptions(group_size=4, streams="independent"),
    ]
    fingerprints = {load_synthetic(None, each).fingerprint() for each in [*options, options[0]]}
    assert len(fingerprints) == 4


@pytest.mark.parametrize(
    "values", [{"group_size": 3}, {"data_seed": -1}, {"data_seed": 2**32}, {"streams": "other"}]
)
def test_synthetic_options_out_of_range_are_refused(values):
    with pytest.raises(ValidationError):
        SyntheticOptions(**values)


def test_the_greatest_data_seed_works():
    data = load_synthetic(None, SyntheticOptions(group_size=4, data_seed=2**32 - 5))
    assert len(data.test) == 8


# --- images in npz files ---


def test_images_of_bytes_are_scaled_to_one(folder):
    data = load_images(folder, ImagesOptions())
    raw = np.load(folder / "test.npz")
    assert data.test.images.shape == (10, 1, 6, 7)
    np.testing.assert_array_equal(data.test.images[:, 0], np.float32(raw["images"]) / 255)
    np.testing.assert_array_equal(data.test.metadata[:, 0], raw["metadata"])
    assert data.metadata_names == ("metadata_1",)
    assert data.describe()["val"] == "val.npz"
    assert [len(data[name]) for name in ("train", "val", "test")] == [40, 20, 10]


def test_float_images_keep_their_scale_and_channels(folder):
    images = np.random.default_rng(0).normal(size=(10, 3, 4, 4))
    for split in ("train", "val", "test"):
        arrays = arrays_of(
            10,
            images=images,
            label=(np.arange(10) % 2).astype(np.float32),
            metadata=np.arange(20).reshape(10, 2),
            metadata_names=np.array(["age", "site"]),
        )
        np.savez(folder / f"{split}.npz", **arrays)
    data = load_images(folder, ImagesOptions())
    np.testing.assert_array_equal(data.train.images, images.astype(np.float32))
    assert data.train.label.dtype == np.int64
    assert data.metadata_names == ("age", "site")


def test_without_val_a_share_of_each_label_of_train_takes_its_place(folder):
    whole = load_images(folder, ImagesOptions())
    (folder / "val.npz").unlink()
    data = load_images(folder, ImagesOptions())
    assert np.bincount(data.val.label).tolist() == [2, 2]
    assert np.bincount(data.train.label).tolist() == [18, 18]
    together = np.concatenate([data.train.metadata, data.val.metadata])
    np.testing.assert_array_equal(np.sort(together, axis=0), np.sort(whole.train.metadata, axis=0))
    assert data.describe()["val"].startswith("0.1 of each label of train.npz, chosen by seed 0")
    assert load_images(folder, ImagesOptions()).fingerprint() == data.fingerprint()
    assert load_images(folder, ImagesOptions(split_seed=1)).fingerprint() != data.fingerprint()
    half = load_images(folder, ImagesOptions(val_fraction=0.5))
    assert len(half.val) == 20


def test_too_few_samples_for_a_val_are_named(folder):
    (folder / "val.npz").unlink()
    np.savez(folder / "train.npz", **arrays_of(2))
    assert "train.npz: val: 1 samples of label 0 are too few" in message_of(folder)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_missing_file_is_named(folder, split):
    (folder / f"{split}.npz").unlink()
    message = message_of(folder)
    assert f"{split}.npz does not exist" in message


@pytest.mark.parametrize("keep", [0, 10, 400, 0.5, 0.99])
def test_a_truncated_file_is_named(folder, keep):
    path = folder / "test.npz"
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    assert re.search(r"test\.npz is (empty|not a whole \.npz file)", message_of(folder))


def test_a_damaged_byte_inside_an_array_is_noticed(folder):
    path = folder / "val.npz"
    content = bytearray(path.read_bytes())
    content[300] ^= 0xFF
    path.write_bytes(content)
    assert "val.npz is not a whole .npz file" in message_of(folder)


def test_a_bare_array_is_not_an_npz_file(folder):
    with (folder / "test.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    assert "test.npz is not a whole .npz file" in message_of(folder)


class Payload:
    """Executes its command if it is ever unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickled_object_array_is_refused_and_not_executed(folder, tmp_path):
    trace = tmp_path / "executed"
    label = np.array([Payload(trace)] * 10, dtype=object)
    np.savez(folder / "test.npz", **arrays_of(10, label=label))
    assert "test.npz: array 'label' contains pickled objects" in message_of(folder)
    (folder / "test.npz").write_bytes(pickle.dumps(Payload(trace)))
    assert "test.npz is not a whole .npz file" in message_of(folder)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metadata": None}, "holds no 'metadata'"),
        ({"images": np.zeros((10, 42), np.uint8)}, r"images have shape \[10, 42\]; expected"),
        (
            {"images": np.zeros((10, 6, 7), np.int64)},
            "'images': expected unsigned integers or floats, found int64",
        ),
        ({"images": np.zeros((9, 6, 7), np.uint8)}, r"images has shape \[9, 1, 6, 7\] beside 10"),
        (
            {"images": np.full((10, 6, 7), np.nan)},
            r"'images': expected finite values, found nan at \[0, 0, 0\]",
        ),
        ({"images": np.zeros((10, 6, 8))}, r"row of images has shape \[1, 6, 8\]; expected"),
        ({"label": np.arange(10) % 3}, "label holds 2 in row 2; expected 0 or 1"),
        ({"label": np.full(10, 0.5)}, "label holds 0.5 in row 0"),
        ({"label": np.array(["a", "b"] * 5)}, "'label': expected .* found <U1"),
        ({"label": np.zeros(10)}, "no sample has label 1"),
        (
            {"metadata": np.array([0.0] * 9 + [np.nan])},
            r"'metadata': expected finite values, found nan at \[9\]",
        ),
        ({"metadata": np.array(["x"] * 10)}, "'metadata': expected .* found <U1"),
        ({"metadata": np.zeros((10, 2))}, r"row of metadata has shape \[2\]; expected \[1\]"),
        ({"metadata_names": np.array(["a", "b"])}, r"metadata_names has shape \[2\]"),
        ({"metadata_names": np.array([1])}, "'metadata_names': expected text, found int64"),
        ({"metadata_names": np.array(["age"])}, "metadata_names are age; expected metadata_1"),
    ],
)
def test_unusable_content_is_named_with_its_file(folder, changes, message):
    np.savez(folder / "test.npz", **arrays_of(10, **changes))
    with pytest.raises(DataError, match=message) as caught:
        load_images(folder, ImagesOptions())
    assert str(caught.value).startswith(f"{folder / 'test.npz'}")
