"""The published word lists, vectors, names and tables of NUS-WIDE, where they are at hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mlzoo.errors import DataError
from mlzoo_biam.dataset_config import NusWideOptions
from mlzoo_biam.nus_wide.archive import Archive, read_part
from mlzoo_biam.nus_wide.benchmark import IMAGES, SEEN, UNSEEN, other_words
from mlzoo_biam.nus_wide.doctor import examine
from mlzoo_biam.nus_wide.files import (
    VECTORS,
    path_of,
    read_image_names,
    read_raw_vectors,
    read_vocabulary,
    read_word_vectors,
)
from mlzoo_biam.nus_wide.tables import parse_table

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "nus-wide"
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "biam"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the published files are not here")


def test_seen_and_unseen_tags_are_the_published_ones() -> None:
    words = read_vocabulary(REAL)
    with np.load(GOLDEN / "nus_meta.npz", allow_pickle=False) as golden:
        np.testing.assert_array_equal(words.seen_rows, golden["seen_cls_idx"])
        np.testing.assert_array_equal(words.dropped_rows, golden["unseen_cls_idx_in_tags"])
    assert (words.seen_count, len(words.concepts)) == (SEEN, UNSEEN)
    own = [word for word in words.concepts if word not in words.tags]
    assert own == ["computer", "fire", "map", "swimmers", "tattoo", "whales"]


def test_word_vectors_are_the_published_ones() -> None:
    words = read_vocabulary(REAL)
    vectors = read_word_vectors(REAL / VECTORS, words)
    raw = read_raw_vectors(REAL / VECTORS, words)
    assert other_words(words, *raw) == ""
    with np.load(GOLDEN / "nus_meta.npz", allow_pickle=False) as golden:
        for part, array in (("925", vectors[:SEEN]), ("81", vectors[SEEN:])):
            np.testing.assert_allclose(array[:, :6], golden[f"vecs_{part}_first6"], atol=1e-7)
            total = array.sum(axis=0, dtype=np.float64)
            np.testing.assert_allclose(total, golden[f"vecs_{part}_colsum"], atol=1e-6)
        for each, name in zip(raw, ("raw_norm_1000", "raw_norm_81"), strict=True):
            np.testing.assert_allclose(np.linalg.norm(each, axis=1), golden[name], rtol=1e-6)


def test_rows_in_another_order_are_noticed() -> None:
    words = read_vocabulary(REAL)
    shuffled = type(words)(words.tags[1:] + words.tags[:1], words.concepts)
    with pytest.raises(DataError, match="has one vector as a tag and another as a concept"):
        read_word_vectors(REAL / VECTORS, shuffled)


def test_pickled_names_are_those_of_the_official_list() -> None:
    names = read_image_names(REAL / "test_img_names.pkl")
    assert names == read_image_names(REAL / "TestImagelist.txt")
    assert len(names) == IMAGES["test"]
    assert len({path_of(name).split("/")[0] for name in names}) == 698


def test_labels_of_test_have_the_mean_that_the_published_log_implies() -> None:
    words = read_vocabulary(REAL)
    found = read_part(Archive([REAL]), "test", words)
    assert len(found.names) == IMAGES["test"]
    unseen = found.dense[:, SEEN:]
    assert (unseen > 0).sum(axis=1).mean() == pytest.approx(1.877, abs=1e-3)
    assert not found.dense[:, :SEEN].any()
    assert found.repaired[1] == "labels_test.zip: 13,331 mangled ids, named by the image list"


def test_damage_of_the_training_table_is_found() -> None:
    table = parse_table(REAL / "labels_train.zip", read_vocabulary(REAL).concepts)
    assert len(table.ids) == IMAGES["train"]
    assert table.not_ids == 19_997
    assert table.damaged == [(78_372, "-1130179")]
    assert (table.bits == 1).sum() / len(table.ids) == pytest.approx(1.863, abs=1e-3)


def test_doctor_tells_what_the_published_files_are(tmp_path: Path) -> None:
    for path in REAL.iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    told = [
        f"{each.level} {each.subject}: {each.text}" for each in examine(tmp_path, NusWideOptions())
    ]
    for line in (
        "ok words: are the published lists",
        f"ok {VECTORS}: are the published vectors",
        "ok TestImagelist.txt: 107,859 images",
        "note labels_test.zip: 13,331 ids are mangled, such as assistant\\0002",
        "warning labels_train.zip: row 78,372 (from 0; id 'of'): 'lake' is -1130179",
        "note train: is not packed yet",
    ):
        assert line in told
    assert not [line for line in told if line.startswith("error")]
