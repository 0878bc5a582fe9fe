"""The published lists and captions themselves, where they are at hand, with made-up features."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from benchmark_files import write_words

from mlzoo.data.readers import read_pickle
from mlzoo_multisk.benchmark.tables import read_names
from mlzoo_multisk.dataset_config import MsrvttOptions, YouCook2Options
from mlzoo_multisk.msrvtt import doctor, loading
from mlzoo_multisk.views.text import tokenise
from mlzoo_multisk.youcook2 import loading as youcook2
from mlzoo_multisk.youcook2.files import TEST_CSV

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "video"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the published files are not here")


def write_arrays(folder: Path, videos: list[str], seconds: int = 2) -> None:
    """The same small features of each video, all but audio."""
    folder.mkdir()
    for kind, count in (("2d", seconds), ("3d", seconds * 3 // 2)):
        first = folder / f"{videos[0]}_{kind}.npz"
        np.savez(first, features=np.ones((count, 2), np.float16))
        for video in videos[1:]:
            (folder / f"{video}_{kind}.npz").hardlink_to(first)


def words_of(captions: list[str]) -> list[str]:
    return sorted({word for caption in captions for word in tokenise(caption)})


def test_msrvtt_has_1000_test_captions_and_lists_of_9000_and_7010_videos(tmp_path: Path) -> None:
    captions = loading.read_test_captions(REAL / "msrvtt_test.csv")
    assert len(captions) == 1000
    assert captions["video9770"] == "a person is connecting something to system"
    lists = {kind: loading.listed_videos(REAL, kind) for kind in ("9k", "7k")}
    assert {kind: len(names or ()) for kind, names in lists.items()} == {"9k": 9000, "7k": 7010}
    for names in lists.values():
        assert not set(captions) & (names or set())
    assert (lists["7k"] or set()) < (lists["9k"] or set())
    val = loading.read_test_captions(REAL / "MSRVTT_val_fold1.csv")
    assert len(val) == 2250
    assert all(val.values())


def test_the_published_pickle_of_captions_is_read_as_data() -> None:
    index = read_pickle(REAL / "jsfusion_val_caption_idx.pkl")
    assert set(index) == set(read_names(REAL / "msrvtt_test.csv", "video_id"))
    assert set(index.values()) == set(range(20))


def test_msrvtt_of_lists_is_scored_over_1000(tmp_path: Path) -> None:
    shutil.copy(REAL / "msrvtt_test.csv", tmp_path)
    captions = loading.read_test_captions(tmp_path / "msrvtt_test.csv")
    write_arrays(tmp_path / "features", list(captions)[:968])
    write_words(tmp_path, words_of(list(captions.values())))
    data = loading.load(tmp_path, MsrvttOptions())
    test = data.part("test")
    assert len(test) == 968
    assert data.complete["test"] == 1000
    assert not data.incomparable
    assert data.train is None
    known = [len(tokenise(caption)) for caption in test.captions]
    assert max(known) > 20
    for rows in np.array_split(np.arange(968), 11):
        batch = test.batch(rows)
        assert batch.text_mask.sum(axis=1).tolist() == [min(20, known[row]) for row in rows]
        assert not batch.audio_mask.any()
    found = {each.text for each in doctor.examine(tmp_path, MsrvttOptions()) if each.level == "ok"}
    assert "comparable, as far as can be told" in found


def test_youcook2_has_3350_clips_of_436_videos() -> None:
    steps = youcook2.read_steps(REAL / TEST_CSV)
    assert len(steps) == len({step.key for step in steps}) == 3350
    videos = Counter(step.video for step in steps)
    assert len(videos) == 436
    assert {youcook2.video_of(step.key) for step in steps} == set(videos)
    assert [step.key for step in steps if "#" in step.key] == ["oJZUxU9szWA_120_252#2"]
    assert steps[0].text == "pick the ends off the verdalago"
    assert (steps[0].start, steps[0].end) == (47, 60)
    assert all(step.text for step in steps)


def test_youcook2_of_lists_is_scored_over_3350(tmp_path: Path) -> None:
    shutil.copy(REAL / TEST_CSV, tmp_path)
    steps = youcook2.read_steps(tmp_path / TEST_CSV)
    videos = list(dict.fromkeys(step.video for step in steps))
    write_arrays(tmp_path / "features", videos[:-1], seconds=900)
    write_words(tmp_path, words_of([step.text for step in steps]))
    data = youcook2.load(tmp_path, YouCook2Options())
    lost = sum(step.video == videos[-1] for step in steps)
    assert data.complete["test"] == 3350
    assert len(data.part("test")) == 3350 - lost
    assert data.facts["passed over"] == lost
    assert not data.incomparable
    rows = np.arange(0, 3300, 30)
    batch = data.part("test").batch(rows)
    seconds = np.array([steps[row].end - steps[row].start for row in rows])
    assert (np.abs(batch.video_mask.sum(axis=1) - np.minimum(72, 1.5 * seconds)) <= 2).all()
