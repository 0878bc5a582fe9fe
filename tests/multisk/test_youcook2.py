"""YouCook2 from its published files: pickles, lists with features of whole videos, shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_files import (
    arrays,
    write_csv,
    write_features,
    write_pickle,
    write_words,
    youcook_items,
)

from mlzoo.errors import DataError
from mlzoo.progress import Progress
from mlzoo_multisk.benchmark.prepare_config import PrepareYouCook2Options
from mlzoo_multisk.dataset_config import YouCook2Options
from mlzoo_multisk.retrieval import RetrievalData
from mlzoo_multisk.views.audio import crop
from mlzoo_multisk.views.video import combine, cut_by_time
from mlzoo_multisk.youcook2 import demo, doctor, loading, prepare
from mlzoo_multisk.youcook2.files import TEST_CSV, TEST_PICKLE, TRAIN_CSV, TRAIN_PICKLE

QUIET = Progress(quiet=True)
COLUMNS = ["end", "start", "task", "text", "video_id"]


def pickled(root: Path, test: Any = None, train: Any = None) -> Path:
    write_pickle(root / TEST_PICKLE, youcook_items(6) if test is None else test)
    write_pickle(root / TRAIN_PICKLE, youcook_items(30, first=300) if train is None else train)
    write_words(root)
    return root


def listed(root: Path, rows: list[list[object]], name: str = TEST_CSV) -> Path:
    write_csv(root / name, COLUMNS, rows)
    for number, video in enumerate(dict.fromkeys(str(row[4]) for row in rows)):
        write_features(root / "features", video, arrays(number, 60))
    write_words(root)
    return root


def load(root: Path, **options: Any) -> RetrievalData:
    return loading.load(root, YouCook2Options(**options))


def texts(root: Path) -> list[str]:
    found = doctor.examine(root, YouCook2Options())
    return [f"{each.level} {each.subject}: {each.text}" for each in found]


def test_items_without_2d_rows_are_passed_over_and_recall_is_over_3350(tmp_path: Path) -> None:
    items = youcook_items(9)
    del items[2]["2d_full"]
    items[5]["2d_full"] = np.zeros((0, 6), np.float32)
    items[7]["3d_full"] = None
    data = load(pickled(tmp_path, items))
    assert len(data.part("test")) == 7
    assert data.complete["test"] == 3350
    assert data.facts["passed over"] == 2
    assert data.incomparable == "7 of 3,350 test clips have features"
    assert data.shape.audio_frames == 4608
    assert data.shape.video_tokens == 72
    video = data.part("test").batch(np.arange(7)).video_mask.any(axis=1)
    assert video.tolist() == [True] * 5 + [False, True]


def test_more_clips_than_the_benchmark_are_refused(tmp_path: Path) -> None:
    one = youcook_items(1)[0]
    small = {**one, "2d_full": one["2d_full"][:1], "3d_full": None, "audio": None}
    items = [{**small, "id": f"clip{number}"} for number in range(3351)]
    with pytest.raises(DataError, match="there are 3,351 test clips, the benchmark has 3,350"):
        load(pickled(tmp_path, items))
    complete = load(pickled(tmp_path, items[:3339], youcook_items(3, first=9)))
    assert not complete.incomparable


def test_whole_videos_are_held_out(tmp_path: Path) -> None:
    data = load(pickled(tmp_path), validation=4)
    val, train = data.part("val"), data.train
    assert train is not None
    assert len(val) == 6  # two videos of three clips
    assert len(train) == 24
    videos = [{key[:11] for key in ids} for ids in (val.ids, train.draw(np.arange(24), 0, 0).ids)]
    assert not videos[0] & videos[1]


def test_clips_are_cut_out_of_whole_videos_by_time(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        [12, 4, 226, "fries rice", "xHr8X2Wpmno"],
        [30.5, 20.25, 226, "cooks onions", "xHr8X2Wpmno"],
        [9, 2, 113, "in the pan", "oDsUh1es_lo"],
    ]
    data = load(listed(tmp_path, rows))
    test = data.part("test")
    names = ["xHr8X2Wpmno_4_12", "xHr8X2Wpmno_20.25_30.5", "oDsUh1es_lo_2_9"]
    assert test.ids == names
    assert test.captions == ["fries rice", "cooks onions", "in the pan"]
    assert data.complete["test"] == 3
    assert data.incomparable == "the test list has 3 clips, the benchmark 3,350"
    batch = test.batch(np.arange(3))
    whole = arrays(0, 60)
    video, mask = combine(*cut_by_time(whole["2d"], whole["3d"], 20.25, 30.5), 72)
    sound = crop(whole["audio"], 20.25, 30.5)
    assert (batch.video[1] == video).all()
    assert (batch.video_mask[1] == mask).all()
    assert batch.audio_frames[1] == sound.shape[1]
    assert (batch.audio[1, :, : sound.shape[1]] == sound).all()
    facts = prepare.prepare(tmp_path, PrepareYouCook2Options(), QUIET)
    assert facts == {"made of": "csv", "test": 3}
    again = load(tmp_path).part("test").batch(np.arange(3))
    for name, array in batch.arrays().items():
        assert (array == again.arrays()[name]).all(), name


def test_clips_of_one_time_are_told_apart_by_their_sentence(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        [252, 120, 416, "soak gram", "oJZUxU9szWA"],
        [252, 120, 416, "cooks the rice", "oJZUxU9szWA"],
    ]
    data = load(listed(tmp_path, rows))
    assert data.part("test").ids == ["oJZUxU9szWA_120_252", "oJZUxU9szWA_120_252#2"]
    with pytest.raises(DataError, match=r"line 4: the clip oJZUxU9szWA_120_252 stands twice"):
        load(listed(tmp_path, [*rows, rows[0]]))
    items = youcook_items(3)
    items[1]["id"] = items[0]["id"]
    own = load(pickled(tmp_path, items)).part("test")
    assert own.ids == ["00000000000_0", "00000000000_0#2", "00000000000_2"]
    items[1]["caption"] = items[0]["caption"]
    with pytest.raises(DataError, match="'00000000000_0' occurs twice with the same caption"):
        load(pickled(tmp_path, items))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([4, 12, 1, "a", "v"], r"line 2: the clip ends at 4 s and starts at 12 s"),
        ([4, 4, 1, "a", "v"], r"line 2: the clip ends at 4 s and starts at 4 s"),
        (["x", 4, 1, "a", "v"], r"line 2: end is 'x', expected seconds"),
        (["nan", 4, 1, "a", "v"], r"line 2: end is 'nan', expected seconds"),
        ([4, -1, 1, "a", "v"], r"line 2: start is '-1', expected seconds"),
        ([4, 1, 1, "a", ""], r"line 2: video_id is blank"),
        ([4, 1, 1, "a"], r"line 2: 4 cells, the first line has 5"),
    ],
)
def test_a_line_that_is_no_clip_is_named(tmp_path: Path, row: list[object], message: str) -> None:
    write_csv(tmp_path / TEST_CSV, COLUMNS, [row])
    with pytest.raises(DataError, match=message):
        loading.read_steps(tmp_path / TEST_CSV)


def test_odd_captions_are_read_as_text(tmp_path: Path) -> None:
    said = ["12", "3.5", 'he said "fry, now"', "", "nan", "  the  pan ", "café\nrice"]
    rows: list[list[object]] = [[n + 2, n, 1, text, "v"] for n, text in enumerate(said)]
    write_csv(tmp_path / TEST_CSV, COLUMNS, rows)
    steps = loading.read_steps(tmp_path / TEST_CSV)
    wanted = ["12", "3.5", 'he said "fry, now"', "", "nan", "the pan", "café rice"]
    assert [step.text for step in steps] == wanted


def test_a_clip_past_the_end_of_its_video_has_neither_video_nor_audio(tmp_path: Path) -> None:
    rows: list[list[object]] = [[12, 4, 1, "rice", "v"], [400, 300, 1, "the pan", "v"]]
    batch = load(listed(tmp_path, rows)).part("test").batch(np.arange(2))
    assert batch.video_mask.any(axis=1).tolist() == [True, False]
    assert batch.audio_frames.tolist()[1] == 0


def test_a_list_to_learn_from_lies_beside(tmp_path: Path) -> None:
    listed(tmp_path, [[12, 4, 1, "rice", "v"]])
    rows: list[list[object]] = [[n + 5, n, 1, f"the pan {n}", f"w{n % 4}"] for n in range(20)]
    listed(tmp_path, rows, TRAIN_CSV)
    data = load(tmp_path, validation=4)
    assert data.train is not None
    assert (len(data.train), len(data.part("val"))) == (15, 5)
    facts = prepare.prepare(tmp_path, PrepareYouCook2Options(), QUIET)
    assert facts == {"made of": "csv", "train": 20, "test": 1}
    again = load(tmp_path, validation=4)
    assert again.part("val").ids == data.part("val").ids
    listed(tmp_path, [[12, 4, 1, "rice", "w1"]])
    with pytest.raises(DataError, match="1 videos are in the test and in the training list"):
        loading.assemble(tmp_path, loading.read_parts(tmp_path, "csv"), YouCook2Options(), 72)


def test_demo_data_are_in_the_published_form(tmp_path: Path) -> None:
    planted = demo.write_demo(tmp_path, 1)
    data = load(tmp_path)
    assert (len(data.part("test")), data.complete["test"]) == (96, 100)
    assert data.facts["passed over"] == 4
    assert data.incomparable == "these are demo data"
    assert 80 < data.ceilings["t2v_r1"] < 96
    assert planted["clips"] == {"test": 96, "of": 100}
    found = texts(tmp_path)
    assert not any(text.startswith("error") for text in found)
    assert "warning published rows: not comparable: these are demo data" in found


def test_the_doctor_tells_how_many_of_the_benchmark_are_there(tmp_path: Path) -> None:
    found = texts(pickled(tmp_path))
    assert "warning test: 6 clips of 3,350 of the benchmark" in found
    assert "ok train: 30 clips" in found
    assert "ok layout: pickle" in found


def test_the_video_of_a_clip_follows_from_its_id() -> None:
    names = ("xHr8X2Wpmno_47_60", "xHr8X2Wpmno_3", "_-r8X2Wp_no#2", "xHr8X2Wpmno", "clip7", "")
    wanted = ["xHr8X2Wpmno", "xHr8X2Wpmno", "_-r8X2Wp_no", "xHr8X2Wpmno", "clip7", ""]
    assert [loading.video_of(name) for name in names] == wanted
