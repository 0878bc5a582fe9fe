"""Files in the benchmark's own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, whosmat

from mlzoo.data.readers import read_mat
from mlzoo.errors import DataError, RunError
from mlzoo_tfvaegan.mat_writing import write_features, write_splits

FEATURES = np.arange(12, dtype=np.float64).reshape(4, 3)
LABEL = np.array([2, 0, 1, 2])
NAMES = ["a/1.jpg", "ä ö/2.jpg", "c,3.jpg", ""]


def splits(path: Path, **other: Any) -> None:
    rows = {
        "trainval": np.array([0, 2]),
        "test_seen": np.array([3]),
        "test_unseen": np.array([1]),
    }
    classes = {"attributes": np.eye(3, 2), "class_names": ["x", "y z", "w"]}
    write_splits(path, **{**classes, **rows, **other})


def test_features_are_columns_and_labels_count_from_one(tmp_path: Path) -> None:
    path = tmp_path / "res101.mat"
    write_features(path, features=FEATURES, label=LABEL, image_files=NAMES)
    assert path.read_bytes()[124:128] == b"\x00\x01IM"  # version 5
    found = loadmat(path)
    np.testing.assert_array_equal(found["features"], FEATURES.T)
    assert found["features"].dtype == np.float64
    np.testing.assert_array_equal(found["labels"], [[3], [1], [2], [3]])
    assert found["labels"].dtype == np.uint8
    assert {name: shape for name, shape, kind in whosmat(path) if kind == "cell"} == {
        "image_files": (4, 1)
    }
    assert read_mat(path, ["image_files"])["image_files"] == NAMES


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_narrow_features_are_stored_as_single_unchanged(tmp_path: Path, kind: type) -> None:
    features = FEATURES.astype(kind) / 7
    write_features(tmp_path / "f.mat", features=features, label=LABEL, image_files=None)
    found = loadmat(tmp_path / "f.mat")
    assert found["features"].dtype == np.float32
    np.testing.assert_array_equal(found["features"], features.T)
    assert "image_files" not in found


@pytest.mark.parametrize(("largest", "kind"), [(254, "uint8"), (255, "uint16"), (716, "uint16")])
def test_labels_take_the_smallest_type_that_holds_them(
    tmp_path: Path, largest: int, kind: str
) -> None:
    label = np.array([0, largest])
    write_features(tmp_path / "f.mat", features=np.ones((2, 1)), label=label, image_files=None)
    found = loadmat(tmp_path / "f.mat")["labels"]
    assert found.dtype == kind
    assert found.max() == largest + 1


def test_splits_hold_all_published_keys(tmp_path: Path) -> None:
    original = np.array([[0, 5], [-1, 7], [100, 2]])
    rows = {"train": np.array([0]), "val": np.array([2])}
    splits(tmp_path / "att_splits.mat", original_attributes=original, **rows)
    found = loadmat(tmp_path / "att_splits.mat")
    np.testing.assert_array_equal(found["att"], np.eye(3, 2).T)
    np.testing.assert_array_equal(found["original_att"], original.T)
    assert [cell.item().item() for cell in found["allclasses_names"]] == ["x", "y z", "w"]
    expected = {"trainval": [1, 3], "test_seen": [4], "test_unseen": [2], "train": [1], "val": [3]}
    for name, index in expected.items():
        np.testing.assert_array_equal(found[f"{name}_loc"], np.array(index)[:, None])


def test_parts_that_are_not_known_are_left_out(tmp_path: Path) -> None:
    splits(tmp_path / "att_splits.mat", class_names=None)
    assert {name for name, _, _ in whosmat(tmp_path / "att_splits.mat")} == {
        "att",
        "trainval_loc",
        "test_seen_loc",
        "test_unseen_loc",
    }


def test_lengths_that_differ_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 image_files for 4 rows"):
        write_features(tmp_path / "f.mat", features=FEATURES, label=LABEL, image_files=NAMES[:3])
    with pytest.raises(DataError, match="2 class names for 3 class embeddings"):
        splits(tmp_path / "s.mat", class_names=["x", "y"])
    assert not list(tmp_path.iterdir())


def test_more_than_a_version_5_file_holds_is_refused(tmp_path: Path) -> None:
    huge = np.broadcast_to(np.float64(0), (2**16, 2**13))  # 4 GiB declared, none in memory
    with pytest.raises(DataError, match="features takes 4,294,967,296 bytes"):
        write_features(
            tmp_path / "f.mat", features=huge, label=np.zeros(2**16, dtype=int), image_files=None
        )
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot write"):
        splits(tmp_path / "none" / "att_splits.mat")
