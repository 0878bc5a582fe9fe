"""Pairs of images: order, held-out sets, where the images are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imagecode_folder import TRAIN, VALID, write_imagecode, write_images, write_json, write_simple

from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import ContextualData
from mlzoo_imagecode.dataset_config import SimpleOptions
from mlzoo_imagecode.imagecode.doctor_simple import examine
from mlzoo_imagecode.imagecode.simple import load, read_pairs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_imagecode(tmp_path / "imagecode")
    return write_simple(tmp_path / "imagecode-simple")


def loaded(root: Path, **options: object) -> ContextualData:
    return load(root, SimpleOptions(**options))


def test_a_pair_is_ordered_by_position_and_the_target_is_the_described_one(root: Path) -> None:
    data = loaded(root)
    assert data.splits == ("val", "test")
    assert data.hidden == ()
    assert data.choices == 2
    test = data.part("test")
    assert test.sets == tuple(VALID)
    assert len(test) == 6
    positions = test.position[test.candidates].tolist()
    assert positions == [[5, 7], [2, 4]] * 3
    assert test.target.tolist() == [1, 0] * 3
    assert test.texts[0] == f"7 of {VALID[0]}"
    names = [test.images.names[row] for row in test.candidates[0]]
    assert names == [f"{VALID[0]}/img5.jpg", f"{VALID[0]}/img7.jpg"]
    red = test.images.crops(np.array([test.candidates[0, 1]]), 10)[..., 0]
    assert abs(red.mean() - 70) < 3


def test_only_images_that_a_pair_shows_take_part(root: Path) -> None:
    assert len(loaded(root).part("test").images) == 4 * len(VALID)


def test_val_is_held_out_of_training_by_sets(root: Path) -> None:
    data = loaded(root)
    train, val = data.part("train"), data.part("val")
    assert len(val.sets) == 2
    assert sorted(train.sets + val.sets) == sorted(TRAIN)
    without = loaded(root, held_out=0)
    assert without.splits == ("test",)
    assert len(without.part("train").sets) == len(TRAIN)


def test_without_training_pairs_there_is_only_test(root: Path) -> None:
    (root / "train_simple.json").unlink()
    data = loaded(root)
    assert data.splits == ("test",)
    assert data.train is None
    assert data.incomparable == ""


def test_its_own_images_come_before_those_of_imagecode(root: Path, tmp_path: Path) -> None:
    of_imagecode = loaded(root).part("test").images.digest()
    write_images(root / "image-sets", [*VALID, *TRAIN])
    own = loaded(root).part("test").images.digest()
    assert own != of_imagecode
    named = loaded(root, images=tmp_path / "imagecode" / "image-sets")
    assert named.part("test").images.digest() == of_imagecode


def test_missing_images_are_those_of_imagecode(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="imagecode/image-sets is no folder") as caught:
        loaded(write_simple(tmp_path / "imagecode-simple"))
    assert "mlzoo data download imagecode" in caught.value.fix


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"directory": "s", "pos_idx": 1, "caption": "x"},
            "entry 0 is no object of directory, pos_idx",
        ),
        ({"directory": 5, "pos_idx": 1, "neg_idx": 2, "caption": "x"}, "the directory is no text"),
        ({"directory": "..", "pos_idx": 1, "neg_idx": 2, "caption": "x"}, "cannot be the name"),
        (
            {"directory": "s", "pos_idx": "1", "neg_idx": 2, "caption": "x"},
            "pos_idx '1' is none of 0 to 9",
        ),
        ({"directory": "s", "pos_idx": True, "neg_idx": 2, "caption": "x"}, "pos_idx True is none"),
        ({"directory": "s", "pos_idx": 1, "neg_idx": 10, "caption": "x"}, "neg_idx 10 is none"),
        (
            {"directory": "s", "pos_idx": 1, "neg_idx": 1, "caption": "x"},
            "both images are number 1",
        ),
        (
            {"directory": "s", "pos_idx": 1, "neg_idx": 2, "caption": " "},
            "set 's', entry 0: the description",
        ),
        ("s", "entry 0 is no object"),
    ],
)
def test_what_is_no_pair_is_refused(tmp_path: Path, entry: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_pairs(write_json(tmp_path / "valid_simple.json", [entry]))


def test_a_file_without_pairs_is_refused(tmp_path: Path) -> None:
    for value in ([], {}):
        with pytest.raises(DataError, match="expected a list of pairs"):
            read_pairs(write_json(tmp_path / "valid_simple.json", value))


def test_training_sets_are_not_tested(root: Path) -> None:
    pair = {"directory": VALID[0], "pos_idx": 1, "neg_idx": 2, "caption": "x"}
    write_json(root / "train_simple.json", [pair])
    with pytest.raises(DataError, match="is in train_simple.json and in valid_simple.json"):
        loaded(root)


def test_doctor_tells_counts_and_where_the_images_are(root: Path) -> None:
    found = examine(root, SimpleOptions())
    assert [finding for finding in found if finding.level == "error"] == []
    told = {(finding.subject, finding.text) for finding in found}
    assert (
        "valid_simple.json",
        "3 sets, 6 pairs, 2 to 2 places apart; published are 1,039 and 2,302",
    ) in told
    assert any("images are those of" in text for _, text in told)
    assert (
        "image-sets",
        "15 sets of ten images in " + str(root.parent / "imagecode" / "image-sets"),
    ) in told
    (root / "valid_simple.json").unlink()
    levels = {finding.subject: finding.level for finding in examine(root, SimpleOptions())}
    assert levels["valid_simple.json"] == "error"
