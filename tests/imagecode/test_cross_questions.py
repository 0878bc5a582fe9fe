"""Question tables: ids, keys of images, targets, and how a description's questions are grouped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mlzoo.data.readers import read_npz
from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import HIDDEN
from mlzoo_imagecode.cross.regions.questions import (
    chosen,
    frames_by_set,
    grouped_accuracy,
    image_key,
    question_table,
    set_key,
    write_questions,
)
from mlzoo_imagecode.imagecode.descriptions import Description, read_labelled, read_unlabelled

GOLDEN = Path(__file__).parents[1] / "golden" / "imagecode"
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "imagecode"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the published files are not here")

PHOTOS, VIDEO = "open-images-1_0a", "video-storytelling-videoxmas_1-shot2_3"
FRAMES = {PHOTOS: list(range(10)), VIDEO: [0, 7, 9, 12, 20, 21, 30, 100, 101, 200]}
ROWS = [
    Description(PHOTOS, 5, "the red one"),
    Description(VIDEO, 0, "first"),
    Description(VIDEO, 9, "last"),
]


def described(count: int) -> list[Description]:
    return [Description(PHOTOS, number % 10, f"text {number}") for number in range(count)]


def test_an_id_is_number_target_and_position_one_behind_the_other() -> None:
    table = question_table(ROWS, FRAMES)
    assert len(table) == 30
    assert table.question_id[:10].tolist() == [150, 151, 152, 153, 154, 155, 156, 157, 158, 159]
    assert table.question_id[10:20].tolist() == list(range(200, 210))
    assert table.question_id[[20, 29]].tolist() == [390, 399]
    assert table.positive is not None
    assert table.question_id[table.positive].tolist() == [155, 200, 399]
    assert table.position.tolist() == [*range(10)] * 3
    assert table.description.tolist() == sorted([0, 1, 2] * 10)


@pytest.mark.parametrize("count", [9, 10, 101, 1000])
def test_ids_ascend_and_are_different_however_many_digits_numbers_have(count: int) -> None:
    table = question_table(described(count), FRAMES)
    assert (np.diff(table.question_id) > 0).all()
    texts = [f"{n + 1}{n % 10}{p}" for n in range(count) for p in range(10)]
    assert table.question_id.tolist() == [int(text) for text in texts]


def test_a_question_is_found_by_its_id_in_the_table() -> None:
    table = question_table(described(120), FRAMES)
    ids = np.array([155, 10199, 1000, 12099])
    rows = table.rows_of(table.question_id[[3, 1199, 77]])
    assert rows.tolist() == [3, 1199, 77]
    for bad in (155, 10 * 120 * 10 * 10, -1):
        with pytest.raises(DataError, match=f"there is no question {bad}"):
            table.rows_of(np.array([table.question_id[0], bad]))
    assert ids.dtype == np.int64


def test_keys_of_images_have_the_sets_letters_and_digits_and_the_number_of_the_frame() -> None:
    assert set_key("MSR-VTT-videoTestVideo_video9-shot1_0") == "MSRVTTvideoTestVideovideo9shot10"
    assert image_key(VIDEO, 101) == "videostorytellingvideoxmas1shot23img101"
    table = question_table(ROWS, FRAMES)
    assert table.image[5] == "openimages10aimg5"
    assert table.image[18] == "videostorytellingvideoxmas1shot23img101"
    assert table.static.tolist() == [True] * 10 + [False] * 20


def test_hidden_targets_are_in_no_id_and_make_no_table_of_targets(tmp_path: Path) -> None:
    rows = [Description(row.set, HIDDEN, row.text) for row in ROWS]
    table = question_table(rows, FRAMES)
    assert table.positive is None
    assert table.question_id.tolist() == list(range(10, 40))
    with pytest.raises(DataError, match="hidden targets"):
        _ = table.targets
    write_questions(tmp_path, "test", table)
    assert [path.name for path in tmp_path.iterdir()] == ["test.json"]


def test_written_tables_have_the_published_form(tmp_path: Path) -> None:
    write_questions(tmp_path, "valid", question_table(ROWS, FRAMES))
    questions = json.loads((tmp_path / "valid.json").read_text())
    targets = json.loads((tmp_path / "valid_target.json").read_text())
    assert list(questions) == ["questions"]
    asked = questions["questions"]
    one = {"question_id": 155, "image_id": "openimages10aimg5", "question": "the red one"}
    assert asked[5] == one
    same = {"image_id": "openimages10aimg5", "scores": [1], "question_id": 155}
    assert targets[5] == {**same, "labels": [1]}
    assert [row["labels"] for row in targets[:5]] == [[0]] * 5
    pairs = zip(asked, targets, strict=True)
    assert all(one["question_id"] == other["question_id"] for one, other in pairs)
    assert len(asked) == 30


@pytest.mark.parametrize(
    ("rows", "frames", "message"),
    [
        ([], FRAMES, "no descriptions to ask about"),
        ([Description("x", 0, "a")], FRAMES, "the images of the set 'x' are not known"),
        ([Description(PHOTOS, 10, "a")], FRAMES, "a target is outside 0 to 9"),
        (ROWS, {**FRAMES, VIDEO: [1, 2]}, "the set 'video.*' has 2 images, expected 10"),
        ([ROWS[0]], {PHOTOS: list(range(11))}, "the set 'open.*' has 11 images, expected 1 to 10"),
        ([ROWS[0], Description(PHOTOS, HIDDEN, "a")], FRAMES, "targets of some descriptions are"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    rows: list[Description], frames: dict[str, list[int]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        question_table(rows, frames)


def test_frames_are_told_by_the_keys_of_images() -> None:
    keys = [image_key(name, frame) for name in FRAMES for frame in FRAMES[name][::-1]]
    assert frames_by_set([*keys, "other", "otherimg1"], [VIDEO, PHOTOS]) == FRAMES
    with pytest.raises(DataError, match="the set 'absent' has regions of 0 images, expected 10"):
        frames_by_set(keys, [PHOTOS, "absent"])
    with pytest.raises(DataError, match="the set 'video.*' has regions of 9 images"):
        frames_by_set(keys[:-1], [VIDEO])
    with pytest.raises(DataError, match="'a-1_1' and 'a-11' have the same key 'a11'"):
        frames_by_set([f"a11img{n}" for n in range(10)], ["a-1_1", "a-11"])


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("evaluation*.npz")), ids=lambda path: path.stem)
def test_grouped_accuracy_is_the_published_one_in_any_order(path: Path) -> None:
    given = read_npz(path)
    ids, scores = given["question_ids"], given["scores"].reshape(-1)
    assert grouped_accuracy(ids, scores) == pytest.approx(float(given["xenc_score"]), abs=1e-12)
    assert chosen(ids, scores)[1].tolist() == given["pred"].tolist()
    drawn = np.random.default_rng(0).permutation(len(ids))
    assert grouped_accuracy(ids[drawn], scores[drawn]) == grouped_accuracy(ids, scores)


def test_the_lowest_position_wins_a_tie() -> None:
    table = question_table(ROWS, FRAMES)
    scores = np.zeros(30)
    scores[[23, 27]] = 1
    ids, positions = chosen(table.question_id, scores)
    assert ids.tolist() == [150, 200, 393]
    assert positions.tolist() == [0, 0, 3]
    assert grouped_accuracy(table.question_id, scores) == pytest.approx(1 / 3)


def test_scores_that_do_not_fit_their_questions_are_refused() -> None:
    ids = question_table(ROWS, FRAMES).question_id
    scores = np.zeros(30)
    with pytest.raises(DataError, match="the question 155 occurs twice"):
        chosen(np.where(ids == 156, 155, ids), scores)
    with pytest.raises(DataError, match="questions like 200 are 9, others 10 a description"):
        chosen(np.delete(ids, 15), scores[1:])
    with pytest.raises(DataError, match=r"scores are \[29\], question ids \[30\]"):
        chosen(ids, scores[1:])
    with pytest.raises(DataError, match="the score of question 155 is NaN"):
        chosen(ids, np.where(ids == 155, np.nan, 0))


@real
@pytest.mark.parametrize(
    ("name", "questions"),
    [("train_data", 165_940), ("valid_data", 23_020), ("test_data_unlabeled", 23_060)],
)
def test_published_descriptions_make_as_many_questions_as_the_paper(
    name: str, questions: int
) -> None:
    path = REAL / f"{name}.json"
    found = read_unlabelled(path) if name.startswith("test") else read_labelled(path)
    keys = [image_key(own, frame) for own in found.sets for frame in range(10)]
    assert len(set(keys)) == 10 * len(found.sets)
    table = question_table(found.rows, frames_by_set(keys, found.sets))
    assert len(table) == questions
    assert len(set(table.question_id.tolist())) == questions
    if table.positive is None:
        assert name.startswith("test")
        return
    assert table.positive.sum() == questions // 10
    scores = np.where(table.positive, 1.0, 0.0)
    assert grouped_accuracy(table.question_id, scores) == 1
    for row in (0, 12_345, questions - 1):
        text = str(table.question_id[row])
        assert (text[-1] == text[-2]) == table.positive[row]
        assert int(text[:-2]) == table.description[row] + 1
