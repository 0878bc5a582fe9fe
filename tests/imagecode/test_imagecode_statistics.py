"""Counts of descriptions, and the command that shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from imagecode_folder import TRAIN, write_imagecode, write_json, write_simple, write_yaml

from mlzoo.errors import DataError
from mlzoo_imagecode.dataset_config import DescriptionOptions, SimpleOptions
from mlzoo_imagecode.imagecode.descriptions import read_labelled, read_unlabelled
from mlzoo_imagecode.imagecode.files import ANNOTATIONS, ANNOTATORS, TEST
from mlzoo_imagecode.imagecode.simple import tables as pair_tables
from mlzoo_imagecode.imagecode.statistics import statistics_of, tables

VALUE = {
    "open-images-1_a": {"3": " One  two\tthree ", "0": "one"},
    "YouCook-video1-shot1_0": {"3": "Two four"},
    "elsewhere_0": {"9": "é"},
}


def test_every_count_of_a_split(tmp_path: Path) -> None:
    own = statistics_of(read_labelled(write_json(tmp_path / "train_data.json", VALUE)))
    assert (own.sets, own.images, own.descriptions) == (3, 30, 4)
    assert list(own.sets_by_source.values()) == [1, 0, 0, 1, 1]
    assert list(own.descriptions_by_source.values()) == [2, 0, 0, 1, 1]
    assert own.descriptions_per_set.tolist() == [0, 2, 1]
    assert own.words.tolist() == [0, 2, 1, 1]
    assert (own.total_words, own.mean_words) == (7, 1.75)
    assert own.words_static == (4, 2)
    assert own.words_video == (3, 2)
    assert own.static_share == 0.5
    assert own.characters == sum(len(text) for texts in VALUE.values() for text in texts.values())
    assert own.distinct_words == 5
    assert own.targets.tolist() == [1, 0, 0, 2, 0, 0, 0, 0, 0, 1]
    assert own.majority == 0.5


def test_hidden_targets_are_no_counts(tmp_path: Path) -> None:
    own = statistics_of(read_unlabelled(write_json(tmp_path / TEST, {"a": ["x", "y z"]})))
    assert not own.targets.any()
    assert np.isnan(own.majority)


def test_tables_need_the_three_files_of_descriptions_alone(tmp_path: Path) -> None:
    root = write_imagecode(tmp_path / "imagecode")
    (root / "image-sets").rename(tmp_path / "elsewhere")
    found = tables(root, DescriptionOptions())
    assert found["splits"]["sets"] == [12, 3, 2, 17]
    assert found["splits"]["descriptions"] == [24, 6, 3, 33]
    assert found["splits"]["of static sets"] == [8, 2, 1, 11]
    assert found["descriptions of a set"] == {
        "split": ["train", "valid", "test", "all"],
        "1": [0, 0, 1, 1],
        "2": [12, 3, 1, 16],
    }
    assert found["words of a description"]["fewest"] == [4, 4, 1, 1]
    shares = found["target (share in %)"]
    assert (shares["2"], shares["7"], shares["best constant"]) == ([50, 50], [50, 50], [50, 50])
    assert "phenomena of valid" not in found
    (root / TEST).unlink()
    with pytest.raises(DataError, match=r"test_data_unlabeled\.json does not exist"):
        tables(root, DescriptionOptions())


def test_phenomena_and_writers_are_counted_where_they_are_known(tmp_path: Path) -> None:
    root = write_imagecode(tmp_path / "imagecode")
    write_yaml(root / ANNOTATIONS, {"a": {"0": "con,s", "1": "con"}, "b": {"2": ""}})
    write_json(root / ANNOTATORS, {"a": {"0": "train_worker"}, "b": {"2": "unseen_worker"}})
    found = tables(root, DescriptionOptions())
    phenomena = found["phenomena of valid"]
    assert phenomena["descriptions"] == [2, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert phenomena["of"] == [3] * 10
    assert phenomena["%"][0] == pytest.approx(66.7, abs=0.1)
    assert found["writers of valid"]["%"] == [50, 50]


def test_pairs_are_counted(tmp_path: Path) -> None:
    root = write_simple(tmp_path / "imagecode-simple")
    found = pair_tables(root, SimpleOptions())
    assert found["pairs"]["split"] == ["train", "valid"]
    assert found["pairs"]["pairs"] == [2 * len(TRAIN), 6]
    assert found["pairs"]["open-images"] == [8, 2]
    assert found["pairs"]["later one described"] == [12, 3]
    (root / "train_simple.json").unlink()
    assert pair_tables(root, SimpleOptions())["pairs"]["split"] == ["valid"]
