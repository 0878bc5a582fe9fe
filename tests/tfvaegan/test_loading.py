"""Loaders of the zero-shot datasets, held to recorded arrays and to every mistake in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from pydantic import ValidationError

from mlzoo.errors import DataError
from mlzoo_tfvaegan.dataset_config import ActionsOptions, ImagesOptions, UCF101Options
from mlzoo_tfvaegan.loading import (
    load_awa2,
    load_cub,
    load_custom,
    load_flo,
    load_hmdb51,
    load_sun,
    load_ucf101,
    map_labels,
)
from mlzoo_tfvaegan.zero_shot import ZeroShotData

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "tfvaegan"
MATS = GOLDEN / "mats"
SCALINGS: dict[str, Any] = {"minmax": "minmax", "std": "standard", "raw": "none"}
RECORDED = sorted(path.stem for path in GOLDEN.glob("loader_*.npz"))

Variables = dict[str, Any]


def recorded_world(name: str) -> ZeroShotData:
    """That of ``loader_<folder>_<scaling>``."""
    folder, scaling = name.removeprefix("loader_").rsplit("_", 1)
    if folder.endswith("i3d"):
        return load_hmdb51(MATS / folder, ActionsOptions(scaling=SCALINGS[scaling]))
    return load_custom(MATS / folder.upper(), ImagesOptions(scaling=SCALINGS[scaling]))


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_arrays_come_out(name: str) -> None:
    data, expected = recorded_world(name), np.load(GOLDEN / f"{name}.npz")
    for part in ("train", "test_seen", "test_unseen"):
        samples = getattr(data, part)
        assert samples.features.dtype == np.float32
        assert np.array_equal(samples.features, expected[f"{part}_feature"])
        assert np.array_equal(samples.label, expected[f"{part}_label"])
    assert np.array_equal(data.seen, expected["seenclasses"])
    assert np.array_equal(data.unseen, expected["unseenclasses"])
    assert np.array_equal(data.classes, expected["allclasses"])
    assert len(data.train) == expected["ntrain"]
    mapped = map_labels(data.train.label, data.seen)
    assert np.array_equal(mapped, expected["train_mapped_label"])
    # Recorded norms were added in single precision, in an order of the machine's own.
    assert data.attributes.dtype == np.float32
    assert np.allclose(data.attributes, expected["attribute"], rtol=3e-7, atol=0)
    if "bce_attribute" in expected:
        assert np.allclose(data.bce_attributes, expected["bce_attribute"], atol=3e-7)


def test_targets_of_actions_are_divided_by_the_largest_feature_whatever_the_scaling() -> None:
    data = load_hmdb51(MATS / "tiny_i3d", ActionsOptions(scaling="standard"))
    raw = data.features[data.split.train]
    spread = np.where(raw.std(axis=0) > 0, raw.std(axis=0), 1)
    largest = ((raw - raw.mean(axis=0)) / spread).max()
    assert data.bce_attributes.max() == pytest.approx(1 / largest, rel=1e-6)


def test_labels_are_ranked_and_foreign_ones_refused() -> None:
    assert map_labels([7, 3, 7, 5], [7, 5, 3]).tolist() == [2, 0, 2, 1]
    assert map_labels(np.array([[3], [5]]), [3, 5]).tolist() == [[0], [1]]
    assert map_labels([3], [3]).dtype == np.int64
    with pytest.raises(DataError, match="label 4 is none of the 3 classes"):
        map_labels([3, 4], [3, 5, 7])


# Files


def variables(folder: str = "TINY", file: str = "res101.mat") -> Variables:
    found = scipy.io.loadmat(MATS / folder / file)
    return {name: value for name, value in found.items() if not name.startswith("__")}


def write(root: Path, changes: Variables, features: str = "res101", embedding: str = "att") -> Path:
    """TINY with some variables changed; None leaves one out."""
    for file, name in (("res101.mat", features), ("att_splits.mat", f"{embedding}_splits")):
        whole = variables(file=file)
        whole |= {key: changes[key] for key in changes if key in whole}
        kept = {key: value for key, value in whole.items() if value is not None}
        scipy.io.savemat(root / f"{name}.mat", kept)
    return root


def load(root: Path, **options: Any) -> ZeroShotData:
    return load_custom(root, ImagesOptions(**options))


def column(key: str) -> Any:
    file = "res101.mat" if key in ("labels", "features") else "att_splits.mat"
    return variables(file=file)[key].copy()


def with_value(key: str, place: Any, value: Any, dtype: Any = None) -> Variables:
    array = column(key).astype(dtype or column(key).dtype)
    array[place] = value
    return {key: array}


def shared_class() -> Variables:
    """A sample of an unseen class in trainval instead of test_unseen."""
    unseen, train = column("test_unseen_loc"), column("trainval_loc")
    return {"test_unseen_loc": unseen[1:], "trainval_loc": np.append(train, unseen[:1], axis=0)}


def untrained_class() -> Variables:
    """No training sample is left of the class of the first sample in test_seen."""
    label, train = column("labels"), column("trainval_loc")
    kept = label[train.ravel() - 1] != label[column("test_seen_loc")[0, 0] - 1]
    return {"trainval_loc": train[kept.ravel()]}


MISTAKES: dict[str, tuple[Callable[[], Variables], str]] = {
    "no features": (lambda: {"features": None}, r"res101\.mat holds no 'features'"),
    "no labels": (lambda: {"labels": None}, r"res101\.mat holds no 'labels'"),
    "no att": (lambda: {"att": None}, r"att_splits\.mat holds no 'att'"),
    "no test_seen_loc": (lambda: {"test_seen_loc": None}, r"holds no 'test_seen_loc'"),
    "transposed features": (
        lambda: {"features": column("features").T},
        r"res101\.mat: 'features' is \(126, 24\), but 'labels' has 126 samples\.\n.*transposed",
    ),
    "fewer labels": (lambda: {"labels": column("labels")[1:]}, "'labels' has 125 samples"),
    "labels from 0": (lambda: {"labels": column("labels") - 1}, "'labels' counts classes from 1"),
    "half a label": (lambda: with_value("labels", 0, 1.5, float), "'labels' must hold whole"),
    "label out of any range": (
        lambda: with_value("labels", 0, 1e30, float),
        "'labels' must hold whole",
    ),
    "NaN label": (lambda: with_value("labels", 0, np.nan, float), "'labels' must hold whole"),
    "labels in a matrix": (
        lambda: {"labels": column("labels").reshape(63, 2)},
        r"one column, found shape \(63, 2\)",
    ),
    "labels as text": (lambda: {"labels": "birds"}, "'labels' must be a matrix of numbers"),
    "label without embedding": (
        lambda: with_value("labels", 5, 10),
        r"res101\.mat: 'labels' holds class 10 \(sample 6\), but 'att' of .*att_splits\.mat has 9",
    ),
    "samples from 0": (
        lambda: {"trainval_loc": column("trainval_loc") - column("trainval_loc").min()},
        "'trainval_loc' counts samples from 1, found 0",
    ),
    "sample beyond the last": (
        lambda: with_value("val_loc", 0, 127),
        r"att_splits\.mat: 'val_loc' names sample 127; the features file has 126",
    ),
    "sample named twice": (
        lambda: with_value("trainval_loc", 1, column("trainval_loc")[0]),
        r"'trainval_loc' names sample \d+ twice",
    ),
    "sample in two parts": (
        lambda: with_value("test_seen_loc", 0, column("trainval_loc")[0]),
        r"sample \d+ is in both 'trainval_loc' and 'test_seen_loc'",
    ),
    "empty part": (lambda: {"test_unseen_loc": np.zeros((0, 1))}, "'test_unseen_loc' is empty"),
    "class seen and unseen": (
        shared_class,
        r"att_splits\.mat: class \d+ \(class_\d+\) is both seen \('trainval_loc'\) and unseen",
    ),
    "class tested, not trained": (untrained_class, "'test_seen_loc' without a sample"),
    "NaN feature": (
        lambda: with_value("features", (3, 7), np.nan),
        r"res101\.mat: 'features' holds nan at row 4, column 8",
    ),
    "infinite feature": (lambda: with_value("features", (0, 0), np.inf), "holds inf at row 1"),
    "NaN in att": (lambda: with_value("att", (2, 4), np.nan), "'att' holds nan at row 3, column 5"),
    "transposed att, with names": (
        lambda: {"att": column("att").T},
        "'allclasses_names' has 9 names, 'att' 7 classes\\.\n'att' is transposed",
    ),
    "transposed att": (
        lambda: {"att": column("att").T, "allclasses_names": None},
        r"att_splits\.mat: 'att' is \(9, 7\), but 'labels' of .*\n'att' is transposed",
    ),
    "class without attributes": (
        lambda: with_value("att", (slice(None), 4), 0),
        r"att_splits\.mat: 'att' of class 5 is all zeros",
    ),
    "names of other classes": (
        lambda: {"allclasses_names": column("allclasses_names")[:8]},
        "'allclasses_names' has 8 names, 'att' 9 classes",
    ),
    "files of other samples": (
        lambda: {"image_files": variables()["image_files"][:9]},
        "'image_files' names 9 samples, 'labels' has 126",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_in_a_file_is_one_error_that_names_file_and_variable(
    mistake: str, tmp_path: Path
) -> None:
    changes, message = MISTAKES[mistake]
    with pytest.raises(DataError, match=message):
        load(write(tmp_path, changes()))


@pytest.mark.parametrize("gone", ["res101.mat", "att_splits.mat"])
def test_missing_file_is_named(gone: str, tmp_path: Path) -> None:
    (write(tmp_path, {}) / gone).unlink()
    with pytest.raises(DataError, match=f"{gone} does not exist"):
        load(tmp_path)


def test_misspelt_file_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"res10\.mat does not exist.\nDid you mean 'res101\.mat'"):
        load(write(tmp_path, {}), features="res10")
    with pytest.raises(DataError, match=r"does not exist.\nCheck the data folder"):
        load(tmp_path / "nothing")


@pytest.mark.parametrize("cut", ["res101.mat", "att_splits.mat"])
def test_truncated_file_is_named(cut: str, tmp_path: Path) -> None:
    path = write(tmp_path, {}) / cut
    data = path.read_bytes()
    for end in (0, 100, 200, len(data) // 2, len(data) - 100):
        path.write_bytes(data[:end])
        with pytest.raises(DataError, match=cut):
            load(tmp_path)


def test_files_and_embeddings_are_chosen_by_name(tmp_path: Path) -> None:
    write(tmp_path, {}, features="finetuned", embedding="sent")
    found = load(tmp_path, features="finetuned", embedding="sent")
    assert found.fingerprint() == load(MATS / "TINY").fingerprint()
    with pytest.raises(DataError, match=r"res101\.mat does not exist"):
        load(tmp_path, embedding="sent")


@pytest.mark.parametrize("name", ["../res101", "a/b", ".hidden", ""])
def test_name_of_a_file_is_not_a_path(name: str) -> None:
    with pytest.raises(ValidationError):
        ImagesOptions(features=name)


def test_split_is_one_of_thirty() -> None:
    assert ActionsOptions(split=30).split == 30
    with pytest.raises(ValidationError):
        ActionsOptions(split=31)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float64", "single"])
def test_type_of_labels_and_samples_does_not_matter(dtype: str, tmp_path: Path) -> None:
    changes = {
        key: column(key).astype(dtype) for key in ("labels", "trainval_loc", "test_unseen_loc")
    }
    assert load(write(tmp_path, changes)).fingerprint() == load(MATS / "TINY").fingerprint()


def test_labels_in_a_row_do_as_well(tmp_path: Path) -> None:
    changes = {key: column(key).T for key in ("labels", "trainval_loc")}
    assert load(write(tmp_path, changes)).fingerprint() == load(MATS / "TINY").fingerprint()


def test_labels_above_255_keep_their_value(tmp_path: Path) -> None:
    attributes = np.random.default_rng(0).random((7, 300 + 9))
    labels = column("labels").astype(np.uint16) + 300
    data = load(write(tmp_path, {"att": attributes, "labels": labels, "allclasses_names": None}))
    assert data.seen.tolist() == [300, 301, 303, 304, 305, 307]
    assert data.class_names[300] == "class 301"


def test_file_of_version_73_gives_the_same(tmp_path: Path) -> None:
    for name in ("res101.mat", "att_splits.mat"):
        with h5py.File(tmp_path / name, "w", userblock_size=512) as file:
            for key, value in variables(file=name).items():
                if value.dtype != object:
                    file[key] = value.T
                    file[key].attrs["MATLAB_class"] = np.bytes_(
                        "double" if value.dtype == np.float64 else value.dtype.name
                    )
        with (tmp_path / name).open("r+b") as raw:
            raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    assert load(tmp_path).fingerprint() == load(MATS / "TINY").fingerprint()


def test_features_are_narrowed_only_where_nothing_is_lost(tmp_path: Path) -> None:
    assert load(MATS / "TINY").features.dtype == np.float64
    narrow = column("features").astype(np.float32)
    short = load(write(tmp_path, {"features": narrow}))
    double = load(write(tmp_path, {"features": narrow.astype(np.float64)}))
    assert short.features.dtype == double.features.dtype == np.float32
    assert short.fingerprint() == double.fingerprint()


def test_variables_that_are_not_needed_are_not_read(tmp_path: Path) -> None:
    root = write(tmp_path, {"original_att": None, "train_loc": None})
    odd = {"image_files": {"a": 1}, "extra": {"a": 1}}
    scipy.io.savemat(root / "res101.mat", {**variables(), **odd})
    assert len(load(root).train) == 70


def test_only_lengths_off_1_and_missing_attributes_are_facts(tmp_path: Path) -> None:
    assert "of length 5.56 to 11 on file" in load(MATS / "TINY").describe()["embedding"]
    unit = column("att") / np.linalg.norm(column("att"), axis=0)
    missing = with_value("original_att", (slice(0, 4), 0), -1)
    found = load(write(tmp_path, {"att": unit, **missing})).describe()
    assert "embedding" not in found
    assert found["missing_attributes"] == 4


def test_names_that_differ_from_the_files_names_are_told_and_nothing_is_mapped(
    tmp_path: Path,
) -> None:
    label = column("labels").ravel()
    names = column("allclasses_names").ravel()
    files = np.array([f"images/{names[c - 1].item()}/{c}_x.jpg" for c in label], dtype=object)
    assert "names" not in load(write(tmp_path, {"image_files": files[:, None]})).describe()
    swapped = column("allclasses_names")
    swapped[[2, 4]] = swapped[[4, 2]]
    data = load(write(tmp_path, {"image_files": files[:, None], "allclasses_names": swapped}))
    assert data.describe()["names"].startswith("2 class names differ from the files' names")
    assert data.fingerprint() == load(MATS / "TINY").fingerprint()


# Actions


def write_actions(root: Path, **changes: Any) -> Path:
    """``tiny_i3d`` with variables of the split file changed, as split 3."""
    scipy.io.savemat(root / "i3d.mat", variables("tiny_i3d", "i3d.mat"))
    (root / "split_3").mkdir(exist_ok=True)
    whole = {**variables("tiny_i3d/split_1", "att_splits.mat"), **changes}
    kept = {key: value for key, value in whole.items() if value is not None}
    scipy.io.savemat(root / "split_3" / "att_splits.mat", kept)
    return root


def unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_split_of_actions_is_chosen_by_number(tmp_path: Path) -> None:
    write_actions(tmp_path)
    assert load_hmdb51(tmp_path, ActionsOptions(split=3)).features.shape == (109, 18)
    with pytest.raises(DataError, match=r"split_1.att_splits\.mat does not exist"):
        load_hmdb51(tmp_path, ActionsOptions())


def test_manual_attributes_come_from_their_file_or_from_the_split(tmp_path: Path) -> None:
    original = variables("tiny_i3d/split_1", "att_splits.mat")["original_att"].T
    other = np.random.default_rng(0).random(original.shape)
    options = UCF101Options(split=3)
    write_actions(tmp_path)
    assert np.allclose(load_ucf101(tmp_path, options).attributes, unit(original))
    np.save(tmp_path / "ucf101_manual_att.npy", other)
    assert np.allclose(load_ucf101(tmp_path, options).attributes, unit(other))
    words = load_ucf101(tmp_path, UCF101Options(split=3, embedding="att"))
    assert words.fingerprint() == load_hmdb51(tmp_path, ActionsOptions(split=3)).fingerprint()


def test_missing_manual_attributes_are_told(tmp_path: Path) -> None:
    options = UCF101Options(split=3)
    with pytest.raises(
        DataError, match=r"manual_att\.npy does not exist, and .* no 'original_att'"
    ):
        load_ucf101(write_actions(tmp_path, original_att=None), options)
    original = variables("tiny_i3d/split_1", "att_splits.mat")["original_att"]
    original[2, 5] = -1
    with pytest.raises(DataError, match=r"'original_att' of class 6 is -1 .* attribute 3"):
        load_ucf101(write_actions(tmp_path, original_att=original), options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], r"expected shape \(9, any\), found \(8, 6\)"),
        (lambda rows: rows[:, :5], r"has 5 attributes a class, 'original_att' of .* 6"),
        (lambda rows: rows[::-1], "in another order of the classes"),
        (lambda rows: np.where(np.arange(9)[:, None] == 3, 0, rows), "of class 4 is all zeros"),
        (lambda rows: np.where(np.arange(9)[:, None] == 3, np.nan, rows), "found nan at"),
        (lambda rows: rows.astype(object), "pickled objects"),
    ],
)
def test_wrong_manual_attributes_are_refused(change: Any, message: str, tmp_path: Path) -> None:
    original = variables("tiny_i3d/split_1", "att_splits.mat")["original_att"].T
    np.save(tmp_path / "ucf101_manual_att.npy", change(original), allow_pickle=True)
    with pytest.raises(DataError, match=message):
        load_ucf101(write_actions(tmp_path), UCF101Options(split=3))


# What published numbers speak of


@pytest.mark.parametrize(
    ("loader", "samples"),
    [(load_cub, 11788), (load_awa2, 37322), (load_sun, 14340), (load_flo, 8189)],
)
def test_published_rows_do_not_speak_of_other_images(loader: Any, samples: int) -> None:
    data = loader(MATS / "TINY", ImagesOptions())
    assert data.incomparable == f"126 samples, published rows use {samples}"
    assert data.describe()["version"] == "not known"
    assert data.validation.incomparable == data.incomparable


def test_own_data_have_no_published_rows_to_differ_from() -> None:
    assert load(MATS / "TINY").incomparable == ""
