"""NUS-WIDE's text files, pickles and tables: what is read, what is repaired, what is refused."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mlzoo.errors import DataError
from mlzoo_biam.dataset_config import NusWideOptions
from mlzoo_biam.labels import Labels
from mlzoo_biam.nus_wide.archive import Archive, read_part
from mlzoo_biam.nus_wide.bits import read_bits
from mlzoo_biam.nus_wide.files import (
    VECTORS,
    Vocabulary,
    name_of,
    path_of,
    read_image_names,
    read_vocabulary,
    read_word_vectors,
)
from mlzoo_biam.nus_wide.h5 import check_signs
from mlzoo_biam.nus_wide.tables import mangled_id, parse_table, read_table
from mlzoo_biam.packed.label_file import read_labels
from mlzoo_biam.splitting import split_rows

WORDS = Vocabulary(("nature", "sky", "car", "elk"), ("cars", "elk", "sky"))
NAMES = ["bus_0001_11.jpg", "cup_of_tea_0002_22.jpg", "old-man_0003_33.jpg", "red_car_0004_44.jpg"]


def write_words(folder: Path) -> None:
    (folder / "TagList1k.txt").write_bytes(b"nature\r\nsky\r\ncar\r\nelk\r\n")
    (folder / "Concepts81.txt").write_bytes(b"cars\r\nelk\r\nsky\r\n\r\n")


def vectors(seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    of_tags = random.standard_normal((4, 5)).astype(np.float32)
    own = random.standard_normal((1, 5)).astype(np.float32)
    return [of_tags, np.concatenate([own, of_tags[[3, 1]]])]


def write_vectors(folder: Path, content: object) -> Path:
    path = folder / VECTORS
    path.write_bytes(pickle.dumps(content, protocol=3))
    return path


def test_seen_tags_are_those_that_are_no_concept_in_the_order_of_the_file(tmp_path: Path) -> None:
    write_words(tmp_path)
    words = read_vocabulary(tmp_path)
    assert words == WORDS
    assert words.seen_rows.tolist() == [0, 2]
    assert words.dropped_rows.tolist() == [1, 3]
    assert words.all_tags == ("nature", "car", "cars", "elk", "sky")


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ("sky\nelk\nsky\n", "'sky' twice"),
        ("", "TagList1k.txt is empty"),
        ("sky\nelk\n", "every tag is a concept"),
    ],
)
def test_tag_lists_that_cannot_be_are_refused(tmp_path: Path, tags: str, said: str) -> None:
    write_words(tmp_path)
    (tmp_path / "TagList1k.txt").write_text(tags)
    with pytest.raises(DataError, match=said):
        read_vocabulary(tmp_path)


def test_word_vectors_have_length_one_and_the_order_of_the_tags(tmp_path: Path) -> None:
    of_tags, of_concepts = vectors()
    found = read_word_vectors(write_vectors(tmp_path, [of_tags, of_concepts]), WORDS)
    expected = np.concatenate([of_tags[[0, 2]], of_concepts])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32


def damaged(kind: str) -> object:
    of_tags, of_concepts = vectors()
    if kind == "nan":
        of_tags[2, 1] = np.nan
    if kind == "zero":
        of_concepts[0] = 0
    return {
        "short": [of_tags[:3], of_concepts],
        "swapped": [of_concepts, of_tags],
        "order": [of_tags[[1, 0, 2, 3]], of_concepts],
        "width": [of_tags, of_concepts[:, :4]],
        "one": [of_tags],
        "lists": [of_tags.tolist(), of_concepts],
        "dict": {"tags": of_tags},
    }.get(kind, [of_tags, of_concepts])


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("short", r"for TagList1k.txt: expected 4 rows, found shape \(3, 5\)"),
        ("swapped", r"for TagList1k.txt: expected 4 rows, found shape \(3, 5\)"),
        ("order", "'sky' has one vector as a tag and another as a concept"),
        ("width", "vectors of tags have 5 numbers, of concepts 4"),
        ("one", "expected a list of two arrays"),
        ("lists", "are a list, expected an array"),
        ("dict", "expected a list of two arrays"),
        ("nan", "expected finite values, found nan"),
        ("zero", "that of 'cars' is zero"),
    ],
)
def test_word_vectors_of_wrong_count_or_order_are_refused(
    tmp_path: Path, kind: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read_word_vectors(write_vectors(tmp_path, damaged(kind)), WORDS)


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("this must never be printed",))


def test_pickle_that_would_run_code_is_refused(tmp_path: Path, capsys) -> None:
    with pytest.raises(DataError, match="print, which is code"):
        read_word_vectors(write_vectors(tmp_path, [Evil(), Evil()]), WORDS)
    assert capsys.readouterr().out == ""


def test_names_are_the_same_whatever_file_lists_them(tmp_path: Path) -> None:
    (tmp_path / "TestImagelist.txt").write_bytes(
        b"bus\\0001_11.jpg\r\ncup_of_tea\\0002_22.jpg\r\nold-man\\0003_33.jpg\r\nred_car\\0004_44.jpg\r\n"
    )
    (tmp_path / "test_img_names.pkl").write_bytes(pickle.dumps({"img_names": NAMES}, protocol=3))
    assert read_image_names(tmp_path / "TestImagelist.txt") == NAMES
    assert read_image_names(tmp_path / "test_img_names.pkl") == NAMES
    assert [name_of(path_of(name)) for name in NAMES] == NAMES
    assert path_of("cup_of_tea_0002_22.jpg") == "cup_of_tea/0002_22.jpg"


def test_names_that_cannot_be_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "img_names.pkl"
    path.write_bytes(pickle.dumps({"img_names": [*NAMES, NAMES[1]]}))
    with pytest.raises(DataError, match=r"the image 'cup_of_tea_0002_22.jpg' occurs twice"):
        read_image_names(path)
    path.write_bytes(pickle.dumps({"names": NAMES}))
    with pytest.raises(DataError, match="expected a dict with the list 'img_names'"):
        read_image_names(path)
    for name in ("bus.jpg", "0001_11.jpg", "_1_2.jpg"):
        with pytest.raises(DataError, match="is not <folder>_<number>_<id>.jpg"):
            path_of(name)


def table_text(ids: list[str], rows: list[str], header: str = "image_id,cars,elk,sky") -> str:
    return "\n".join([header, *(f"{i},{row}" for i, row in zip(ids, rows, strict=True)), ""])


IDS = ["11", "of", "33", "car\\0004"]
ROWS = ["0,1,0", "1,0,0", "0,0,1", "0,0,0"]


def test_mangled_ids_are_named_by_the_image_list(tmp_path: Path) -> None:
    assert [mangled_id(name) for name in NAMES] == ["11", "of", "33", "car\\0004"]
    with zipfile.ZipFile(tmp_path / "labels_test.zip", "w") as archive:
        archive.writestr("labels_test.csv", table_text(IDS, ROWS))
    repaired: list[str] = []
    bits = read_table(tmp_path / "labels_test.zip", NAMES, ("elk", "sky", "cars"), repaired)
    assert bits.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert repaired == ["labels_test.zip: 2 mangled ids, named by the image list"]
    assert parse_table(tmp_path / "labels_test.zip", WORDS.concepts).not_ids == 2


@pytest.mark.parametrize(
    ("ids", "rows", "header", "said"),
    [
        (
            IDS[::-1],
            ROWS,
            None,
            r"row 0 \(from 0\) is of 'car\\\\0004', the image list has bus_0001",
        ),
        (IDS[:3], ROWS[:3], None, "has 3 rows, the image list 4 images"),
        (IDS, [*ROWS[:3], "0,0"], None, r"row 3 \(from 0\) has 2 labels, expected 3"),
        (IDS, ROWS, "image_id,cars,elk,fish", "has no column 'sky'"),
        (IDS, ROWS, "image_id,cars,elk,sky,more", "has 4 columns of labels"),
    ],
)
def test_tables_that_do_not_fit_the_list_are_refused(tmp_path, ids, rows, header, said) -> None:
    path = tmp_path / "labels_test.csv"
    path.write_text(table_text(ids, rows, header or "image_id,cars,elk,sky"))
    with pytest.raises(DataError, match=said):
        read_table(path, NAMES, WORDS.concepts, [])


def test_table_of_other_values_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels_test.csv"
    path.write_text(table_text(IDS, ["-1,1,-1"] * 4))
    many = [f"a_{row:04d}_{row}.jpg" for row in range(20)]
    path.write_text(table_text([str(row) for row in range(20)], ["-1,1,0"] * 20))
    with pytest.raises(DataError, match=r"row 10 \(from 0\) holds '-1', expected 0 and 1"):
        read_table(path, many, WORDS.concepts, [])
    (tmp_path / "labels_test.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match=r"labels_test.zip is not a whole table"):
        read_table(tmp_path / "labels_test.zip", NAMES, WORDS.concepts, [])


TAG_BITS = np.array([[1, 0, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
CONCEPT_BITS = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]])


def write_archive(folder: Path, *, parts: bool, damaged: str = "") -> Archive:
    """The official layout: four images, the first and the last of test; or one file for all."""
    write_words(folder)
    lists = folder / "ImageList"
    lists.mkdir()
    every = [path_of(name).replace("/", "\\") for name in NAMES]
    order = [2, 0, 3, 1]  # of Imagelist.txt
    (lists / "Imagelist.txt").write_text("\n".join(every[row] for row in order))
    (lists / "TestImagelist.txt").write_text(f"{every[0]}\n{every[3]}\n")
    (lists / "TrainImagelist.txt").write_text(f"{every[1]}\n{every[2]}\n")
    tags, truth = folder / "NUS_WID_Tags", folder / "Groundtruth"
    tags.mkdir()
    truth.mkdir()
    text = "".join(" ".join(map(str, TAG_BITS[row])) + " \n" for row in order)
    (tags / "AllTags1k.txt").write_text(text)
    for column, concept in enumerate(WORDS.concepts):
        values = "".join(f"{CONCEPT_BITS[row, column]}\n" for row in order)
        (truth / f"Labels_{concept}.txt").write_text(values)
        if parts:
            for part, rows in (("Train", [1, 2]), ("Test", [0, 3])):
                own = [str(CONCEPT_BITS[row, column]) for row in rows]
                if damaged and part == "Train" and concept == "cars":
                    own[0] = damaged
                (truth / f"Labels_{concept}_{part}.txt").write_text("\r\n".join(own))
    return Archive([folder])


@pytest.mark.parametrize("parts", [False, True])
def test_labels_of_the_official_archive_are_those_of_the_images(tmp_path, parts: bool) -> None:
    archive = write_archive(tmp_path, parts=parts)
    for part, rows in (("train", [1, 2]), ("test", [0, 3])):
        found = read_part(archive, part, WORDS)
        assert found.names == [NAMES[row] for row in rows]
        expected = np.concatenate([TAG_BITS[:, WORDS.seen_rows], CONCEPT_BITS], axis=1)[rows]
        np.testing.assert_array_equal(found.dense, 2 * expected - 1)
        assert found.repaired == []


def test_tags_by_part_are_read_as_those_of_all_images(tmp_path: Path) -> None:
    archive = write_archive(tmp_path, parts=True)
    whole = read_part(archive, "train", WORDS)
    (tmp_path / "NUS_WID_Tags" / "AllTags1k.txt").unlink()
    text = "".join("\t".join(map(str, TAG_BITS[row])) + "\t\n" for row in (1, 2))
    (tmp_path / "NUS_WID_Tags" / "Train_Tags1k.dat").write_text(text)
    own = read_part(Archive([tmp_path]), "train", WORDS)
    np.testing.assert_array_equal(own.dense, whole.dense)


def test_damaged_label_is_taken_from_the_file_of_all_images(tmp_path: Path) -> None:
    archive = write_archive(tmp_path, parts=True, damaged="-1130179")
    found = read_part(archive, "train", WORDS)
    assert found.dense[0].tolist() == [-1, 1, 1, -1, -1]
    assert found.repaired == [
        "the damaged label 'cars' of cup_of_tea_0002_22.jpg is 1 as in Labels_cars.txt"
    ]
    (tmp_path / "Groundtruth" / "Labels_cars.txt").unlink()
    found = read_part(Archive([tmp_path]), "train", WORDS)
    assert found.dense[0].tolist() == [-1, 1, -1, -1, -1]
    assert found.repaired == ["the damaged label 'cars' of cup_of_tea_0002_22.jpg counts as absent"]


def test_without_tags_only_unseen_tags_of_test_are_annotated(tmp_path: Path) -> None:
    write_archive(tmp_path, parts=True)
    (tmp_path / "NUS_WID_Tags" / "AllTags1k.txt").unlink()
    archive = Archive([tmp_path])
    found = read_part(archive, "test", WORDS)
    assert found.dense.tolist() == [[0, 0, -1, 1, -1], [0, 0, -1, -1, -1]]
    assert Labels.from_dense(found.dense).default.tolist() == [0, 0, -1, -1, -1]
    with pytest.raises(DataError, match=r"Train_Tags1k.dat or AllTags1k.txt is not in"):
        read_part(archive, "train", WORDS)


def test_missing_concept_files_are_named(tmp_path: Path) -> None:
    write_archive(tmp_path, parts=True)
    for path in (tmp_path / "Groundtruth").iterdir():
        if "elk" in path.name:
            path.unlink()
    with pytest.raises(DataError, match=r"Labels_elk_Train.txt or Labels_elk.txt is not in"):
        read_part(Archive([tmp_path]), "train", WORDS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 1\n1 0\n", "has 2 lines for 3 images"),
        ("0 1\n1 0\n1 1\n0 0\n", "more lines than the 3 images"),
        ("0 1\n1\n1 1\n", "line 2 has 1 values, expected 2"),
        ("0 1\n1 7\n1 1\n", "line 2 holds '7', expected 0 and 1"),
        ("0 1\n1 -1\n1 1\n", "line 2 holds '-1', expected 0 and 1"),
        ("0 1\n1 0 1\n1\n", "line 2 has 3 values, expected 2"),
    ],
)
def test_tables_of_bits_that_are_none_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "AllTags1k.txt").write_text(text)
    with pytest.raises(DataError, match=said):
        read_bits(tmp_path / "AllTags1k.txt", 2, 3, None)


def test_bits_are_read_in_pieces_and_in_the_order_asked_for(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("mlzoo_biam.nus_wide.bits.CHUNK_BYTES", 7)
    bits = np.random.default_rng(0).integers(0, 2, (50, 9))
    (tmp_path / "x.txt").write_text("\n".join(" ".join(map(str, row)) for row in bits) + "\n\n")
    np.testing.assert_array_equal(read_bits(tmp_path / "x.txt", 9, 50, None), bits)
    rows = np.array([40, 3, 17])
    np.testing.assert_array_equal(read_bits(tmp_path / "x.txt", 9, 50, rows), bits[rows])


def test_sparse_labels_are_the_dense_ones(tmp_path: Path) -> None:
    dense = np.random.default_rng(0).integers(-1, 2, (20, 6)).astype(np.int8)
    dense[:, :3][dense[:, :3] == 0] = -1  # these are annotated throughout
    labels = Labels.from_dense(dense)
    assert labels.default.tolist() == [-1, -1, -1, 0, 0, 0]
    np.testing.assert_array_equal(labels.dense(), dense)
    np.savez(tmp_path / "labels.npz", **labels.arrays())
    again = read_labels(tmp_path / "labels.npz", 6, 20, 3)
    np.testing.assert_array_equal(again.dense(), dense)
    with pytest.raises(DataError, match="labels of 20 images for 6 tags, expected 20 images and 7"):
        read_labels(tmp_path / "labels.npz", 7, 20, 3)


def test_labels_of_zero_and_one_are_refused(tmp_path: Path) -> None:
    dense = np.random.default_rng(0).integers(0, 2, (20, 6)).astype(np.int8)
    with pytest.raises(DataError, match="no label is -1") as caught:
        check_signs(dense, "x.h5: 'labels'")
    assert "2 * labels - 1" in caught.value.fix
    np.savez(tmp_path / "labels.npz", **Labels.from_dense(dense).arrays())
    with pytest.raises(DataError, match=r"labels.npz: no label of the seen tags is -1"):
        read_labels(tmp_path / "labels.npz", 6, 20, 3)


def test_validation_images_are_the_last_or_drawn() -> None:
    train, val = split_rows(161_789, NusWideOptions(validation="alphabetical"))
    assert (len(train), train[-1], val[0], len(val)) == (129_431, 129_430, 129_431, 32_358)
    train, val = split_rows(161_789, NusWideOptions())
    assert len(train) == 129_431
    assert np.array_equal(np.sort(np.concatenate([train, val])), np.arange(161_789))
    assert abs(val.mean() / 161_789 - 0.5) < 0.01
    assert np.array_equal(val, split_rows(161_789, NusWideOptions())[1])
    assert not np.array_equal(val, split_rows(161_789, NusWideOptions(validation_seed=1))[1])
    train, val = split_rows(10, NusWideOptions(validation="none"))
    assert (len(train), val) == (10, None)
    train, val = split_rows(10, NusWideOptions(validation="alphabetical", validation_share=0.35))
    assert (train.tolist(), val.tolist()) == ([0, 1, 2, 3, 4, 5], [6, 7, 8, 9])
