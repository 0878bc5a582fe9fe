"""The doctor of the zero-shot datasets, on demo worlds with planted faults and on published files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from mlzoo_tfvaegan import doctor
from mlzoo_tfvaegan.dataset_config import ActionsOptions, ImagesOptions, UCF101Options
from mlzoo_tfvaegan.demo import write_cub_demo, write_hmdb51_demo

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "zero-shot"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the published files are not here")


def found(dataset: str, root: Path, options: Any = None, level: str = "") -> str:
    """Findings of ``level``, one a line."""
    findings = getattr(doctor, dataset)(root, options or ImagesOptions())
    return "\n".join(f"{f.subject}: {f.text}" for f in findings if level in ("", f.level))


@pytest.fixture
def world(tmp_path: Path) -> Path:
    write_cub_demo(tmp_path, 0)
    return tmp_path


def change(path: Path, **variables: Any) -> None:
    content = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
    scipy.io.savemat(path, content | variables)


def test_a_whole_world_has_no_error_and_is_not_comparable(world: Path) -> None:
    assert not found("cub", world, level="error")
    assert "published rows: not comparable" in found("cub", world, level="warning")
    assert "published rows: not comparable: none exist" in found("custom", world, level="note")


@pytest.mark.parametrize("name", ["res101.mat", "att_splits.mat"])
def test_each_file_is_examined_without_the_other(world: Path, name: str) -> None:
    (world / name).unlink()
    assert found("cub", world, level="error") == f"{name}: is missing"
    assert found("cub", world, level="ok")


def test_both_broken_files_are_told_at_once(world: Path) -> None:
    for name in ("res101.mat", "att_splits.mat"):
        (world / name).write_bytes(b"no")
    assert len(found("cub", world, level="error").splitlines()) == 2


def test_planted_faults_of_features_are_found(world: Path) -> None:
    mat = scipy.io.loadmat(world / "res101.mat")
    split = scipy.io.loadmat(world / "att_splits.mat")
    features = mat["features"].copy()
    train, tested = split["trainval_loc"][0, 0] - 1, split["test_seen_loc"][0, 0] - 1
    features[:, tested] = features[:, train]
    features[0] = 3
    features[1:, split["trainval_loc"][1, 0] - 1] = 0
    features[:, split["trainval_loc"][2, 0] - 1] = 0
    change(world / "res101.mat", features=features)
    text = found("custom", world)
    assert "1 samples of test_seen equal one of train" in text
    assert "1 samples are all zeros" in text
    features[:, split["trainval_loc"][2, 0] - 1] = features[:, train]
    features[0] = 3
    change(world / "res101.mat", features=features)
    assert "1 features are the same in all samples" in found("custom", world)


def test_planted_faults_of_the_split_are_found(world: Path) -> None:
    path = world / "att_splits.mat"
    attributes = scipy.io.loadmat(path)["att"] * 20
    attributes[:, 1] = attributes[:, 0]
    change(path, att=attributes)
    text = found("custom", world)
    assert "'att' has lengths 20 to 20 on file" in text
    assert "1 classes have another's embedding" in text
    (world / "testclasses.txt").write_text("class_01\nunheard\n")
    assert "1 of 2 names are not in allclasses_names (unheard)" in found("custom", world)


def test_transposed_features_are_one_error_beside_the_findings_of_the_split(world: Path) -> None:
    path = world / "res101.mat"
    change(path, features=scipy.io.loadmat(path)["features"].T)
    assert "transposed" in str(doctor.custom(world, ImagesOptions())[0].fix)
    assert "att_splits.mat: train" in found("custom", world, level="ok")


def test_a_copied_split_of_actions_is_told(tmp_path: Path) -> None:
    write_hmdb51_demo(tmp_path, 0)
    shutil.copytree(tmp_path / "split_1", tmp_path / "split_7")
    text = found("hmdb51", tmp_path, ActionsOptions())
    assert "splits: 4 of 30: 1, 2, 3, 7" in text
    assert "split_7: holds the lists of split_1" in text


@real
@pytest.mark.parametrize(
    ("folder", "version", "text"),
    [("CUB", "", "split version v1"), ("AWA2", "_v1", "version v1"), ("AWA2", "_v2", "version v2")],
)
def test_versions_of_published_splits_are_told_by_content(
    tmp_path: Path, folder: str, version: str, text: str
) -> None:
    (tmp_path / "att_splits.mat").symlink_to(REAL / folder / f"att_splits{version}.mat")
    assert text in found(folder.lower(), tmp_path)


@real
def test_version_2_of_cub_is_version_1_without_the_leak(tmp_path: Path) -> None:
    path = tmp_path / "att_splits.mat"
    shutil.copyfile(REAL / "CUB" / "att_splits.mat", path)
    path.chmod(0o644)
    assert "1173 of train_loc, 591 of val_loc" in found("cub", tmp_path)
    mat = scipy.io.loadmat(path)
    kept = {
        key: np.setdiff1d(mat[key], mat["test_seen_loc"])[:, None]
        for key in ("train_loc", "val_loc")
    }
    change(path, **kept)
    assert "split version v2" in found("cub", tmp_path)
    assert "no sample of test_seen_loc" in found("cub", tmp_path, level="ok")


@real
@pytest.mark.parametrize(("folder", "name"), [("AWA1", "awa1"), ("APY", "apy"), ("FLO", "flo")])
def test_a_split_of_another_dataset_is_recognised(tmp_path: Path, folder: str, name: str) -> None:
    (tmp_path / "att_splits.mat").symlink_to(REAL / folder / "att_splits.mat")
    assert f"this is the benchmark's split of {name}, not cub" in found(
        "cub", tmp_path, level="error"
    )


@real
def test_the_published_split_of_ucf101_uses_its_own_attributes(tmp_path: Path) -> None:
    (tmp_path / "split_1").mkdir()
    (tmp_path / "split_1" / "att_splits.mat").symlink_to(REAL / "UCF101" / "att_splits.mat")
    text = found("ucf101", tmp_path, UCF101Options())
    assert "1070 of train_loc, 272 of val_loc" in text
    assert "'original_att', 115-d, is used" in text
