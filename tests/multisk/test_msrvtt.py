"""MSR-VTT from its published files: pickles, lists with features, shards; the denominators of recall."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_files import (
    WIDTH_2D,
    WIDTH_3D,
    arrays,
    msrvtt_items,
    write_csv,
    write_features,
    write_msrvtt_csv,
    write_pickle,
    write_words,
)

from mlzoo.data.manifest import status_in
from mlzoo.errors import DataError, UsageError
from mlzoo.progress import Progress
from mlzoo_multisk.benchmark.prepare_config import PrepareMsrvttOptions
from mlzoo_multisk.dataset_config import MsrvttOptions
from mlzoo_multisk.msrvtt import demo, doctor, loading, prepare
from mlzoo_multisk.msrvtt.files import TEST_PICKLE, TRAIN_PICKLE
from mlzoo_multisk.msrvtt.spec import msrvtt
from mlzoo_multisk.retrieval import RetrievalData

QUIET = Progress(quiet=True)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark has six test clips."""
    monkeypatch.setattr(loading, "PRESENT", 6)


def pickled(root: Path, test: Any = None, train: Any = None) -> Path:
    write_pickle(root / TEST_PICKLE, msrvtt_items(6) if test is None else test)
    items = msrvtt_items(20, first=2000, caption="caption") if train is None else train
    write_pickle(root / TRAIN_PICKLE, items)
    write_words(root)
    return root


def load(root: Path, **options: Any) -> RetrievalData:
    return loading.load(root, MsrvttOptions(**options))


def levels(root: Path) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in doctor.examine(root, MsrvttOptions()):
        found.setdefault(finding.level, []).append(f"{finding.subject}: {finding.text}")
    return found


def test_published_pickles_are_scored_over_1000_clips_of_which_968_are_there(
    tmp_path: Path,
) -> None:
    test = [{**item, "2d": item["2d"][:2]} for item in msrvtt_items(968)]
    data = load(pickled(tmp_path, test))
    assert len(data.part("test")) == 968
    assert data.complete["test"] == 1000
    assert not data.incomparable
    assert data.part("test").captions[1] == "a man cooks man"


@pytest.mark.parametrize("count", [967, 969, 1000])
def test_another_number_of_pickled_test_clips_is_refused(tmp_path: Path, count: int) -> None:
    tiny = {name: array[:, :1] for name, array in arrays(0).items() if name != "audio"}
    items = [{"id": str(n), **tiny, "eval_caption": "a man"} for n in range(count)]
    with pytest.raises(DataError, match=f"has {count:,} clips, the jsfusion test set has 968"):
        load(pickled(tmp_path, items))


@pytest.mark.usefixtures("few")
def test_a_part_of_the_training_videos_is_held_out(tmp_path: Path) -> None:
    data = load(pickled(tmp_path), validation=3)
    val, train = data.part("val"), data.train
    assert train is not None
    assert (len(val), data.complete["val"], len(train)) == (3, 3, 17)
    drawn = train.draw(np.arange(17), 0, 0).ids
    assert not set(drawn) & set(val.ids)
    assert val.ids == load(tmp_path, validation=3).part("val").ids
    others = [load(tmp_path, validation=3, validation_seed=seed).part("val").ids for seed in (1, 2)]
    assert any(ids != val.ids for ids in others)
    assert len(load(tmp_path).part("val")) == 4  # a fifth at most
    without = load(tmp_path, validation=0)
    assert without.splits == ("test",)
    assert without.train is not None
    assert len(without.train) == 20


@pytest.mark.usefixtures("few")
def test_the_test_pickle_alone_is_enough_to_score_weights(tmp_path: Path) -> None:
    pickled(tmp_path)
    (tmp_path / TRAIN_PICKLE).unlink()
    data = load(tmp_path)
    assert data.train is None
    assert data.splits == ("test",)
    found = {each.file.path: each.told for each in status_in(msrvtt("task"), tmp_path)}
    assert found == {TEST_PICKLE: "present", TRAIN_PICKLE: "not there, optional"}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("strategy", "rows", "tokens"),
    [("at_once", 1, 24), ("clips", 2, 12), ("nearest", 1, 12), ("max", 1, 12)],
)
def test_every_strategy_gives_batches_of_its_shape(
    tmp_path: Path, strategy: str, rows: int, tokens: int
) -> None:
    data = load(pickled(tmp_path), strategy=strategy, tokens=24)
    batch = data.part("test").batch(np.array([3, 0]))
    assert batch.video.shape == (2 * rows, tokens, WIDTH_2D + WIDTH_3D)
    assert batch.video.shape[1:] == (data.shape.video_tokens, data.shape.video_width)
    assert batch.audio.shape[2] == data.shape.audio_frames
    assert data.audio_tokens == tokens
    assert data.protocol == strategy


@pytest.mark.usefixtures("few")
def test_the_list_of_7k_narrows_what_is_learnt_from(tmp_path: Path) -> None:
    pickled(tmp_path)
    with pytest.raises(DataError, match=r"MSRVTT_train\.7k\.csv does not exist"):
        load(tmp_path, train_list="7k")
    write_csv(tmp_path / "MSRVTT_train.7k.csv", ["video_id"], [["video2001"], ["video2007"]])
    train = load(tmp_path, train_list="7k").train
    assert train is not None
    assert sorted(train.draw(np.arange(2), 0, 0).ids) == ["video2001", "video2007"]
    assert load(tmp_path).train is not None


@pytest.mark.usefixtures("few")
def test_lists_and_features_are_scored_over_the_rows_of_the_list(tmp_path: Path) -> None:
    write_msrvtt_csv(tmp_path)
    for ending in ("2d", "3d", "spec"):
        (tmp_path / "features" / f"video2_{ending}.npz").unlink()
    (tmp_path / "features" / "video3_spec.npz").unlink()
    data = load(tmp_path)
    test = data.part("test")
    assert test.ids == ["video0", "video1", "video3", "video4"]
    assert data.complete["test"] == 5
    assert data.incomparable == "the test list has 5 clips, the jsfusion test set 1,000"
    assert test.captions[2] == "a man cooks 3"
    batch = test.batch(np.arange(4))
    assert batch.audio_mask.any(axis=1).tolist() == [True, True, False, True]
    assert len(load(tmp_path, train_list="7k", validation=0).train or []) == 5
    assert data.train is not None
    assert "the dog runs" in {data.train.draw(np.array([0]), 0, n).captions[0] for n in range(9)}
    before = data.fingerprint()
    changed = arrays(0)
    changed["2d"][0, 0] += 1
    write_features(tmp_path / "features", "video0", changed)
    assert load(tmp_path).fingerprint() != before


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("layout", ["pickle", "csv"])
def test_shards_hold_the_same_as_what_they_are_made_of(tmp_path: Path, layout: str) -> None:
    if layout == "csv":
        write_msrvtt_csv(tmp_path)
    else:
        own = msrvtt_items(6)
        own[2]["audio"], own[3]["3d"] = None, np.zeros((0, WIDTH_3D), np.float32)
        pickled(tmp_path, own)
    raw = load(tmp_path, validation=2)
    facts = prepare.prepare(tmp_path, PrepareMsrvttOptions(), QUIET)
    assert facts["made of"] == layout
    made = load(tmp_path, validation=2)
    assert made.facts["layout"] == "shards"
    assert (made.complete, made.incomparable) == (raw.complete, raw.incomparable)
    for split in raw.splits:
        rows = np.arange(len(raw.part(split)))
        one, two = raw.part(split).batch(rows), made.part(split).batch(rows)
        assert one.ids == two.ids
        for name, array in one.arrays().items():
            assert (array == two.arrays()[name]).all(), name
    assert raw.train is not None
    assert made.train is not None
    assert (
        raw.train.draw(np.arange(4), 1, 2).captions == made.train.draw(np.arange(4), 1, 2).captions
    )
    if layout == "pickle":
        assert raw.fingerprint() == made.fingerprint()
    with pytest.raises(UsageError, match="exists"):
        prepare.prepare(tmp_path, PrepareMsrvttOptions(), QUIET)


@pytest.mark.usefixtures("few")
def test_shards_of_7k_do_not_serve_9k(tmp_path: Path) -> None:
    write_msrvtt_csv(tmp_path)
    prepare.prepare(tmp_path, PrepareMsrvttOptions(train_list="7k"), QUIET)
    assert len(load(tmp_path, train_list="7k", validation=0).train or []) == 5
    with pytest.raises(DataError, match="was made of the list 7k, not of 9k"):
        load(tmp_path)


def test_demo_data_say_so_and_carry_their_ceilings(tmp_path: Path) -> None:
    planted = demo.write_demo(tmp_path, 3)
    data = load(tmp_path)
    assert data.incomparable == "these are demo data"
    assert data.complete["test"] == 100
    assert len(data.part("test")) == 96
    assert data.ceilings["t2v_r1"] == pytest.approx(96)
    assert not {"t2a_r1", "v2a_r1", "a2tv_r1"} & data.ceilings.keys()
    assert planted["topics"] == 96
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {TEST_PICKLE, TRAIN_PICKLE, "word_vectors.txt", "planted.json"}
    content = loading.read_items(tmp_path / TRAIN_PICKLE, loading.TRAIN_KEYS).items
    assert {len(item.facts["captions"]) for item in content} <= {3, 4, 5}
    assert any(item.audio is None for item in content)
    assert any(item.video_3d is None for item in content)
    prepare.prepare(tmp_path, PrepareMsrvttOptions(), QUIET)
    shards = load(tmp_path)
    assert shards.incomparable == "these are demo data"
    assert shards.ceilings == data.ceilings


def test_a_marker_of_a_demo_does_not_cover_other_clips(tmp_path: Path) -> None:
    demo.write_demo(tmp_path, 3)
    write_pickle(tmp_path / TEST_PICKLE, msrvtt_items(6))
    with pytest.raises(DataError, match="has 6 clips, the jsfusion test set has 968"):
        load(tmp_path)


@pytest.mark.usefixtures("few")
def test_the_doctor_tells_what_a_copy_is(tmp_path: Path) -> None:
    test = msrvtt_items(6)
    del test[1]["audio"]
    test[2]["3d"] = test[2]["3d"][:4]
    test[3]["audio"] = test[3]["audio"][:, :20]
    test[4]["eval_caption"] = test[5]["eval_caption"]
    test[0]["eval_caption"] = float("nan")
    found = levels(pickled(tmp_path, test))
    assert "error" not in found
    assert "layout: pickle" in found["ok"]
    assert "train: 20 clips" in found["ok"]
    assert "test: 6 clips of 1,000 of the benchmark" in found["ok"]
    assert any("1 without audio; 2D rows of 6, 3D rows of 5" in text for text in found["note"])
    assert any(
        "2D and 3D rows of 1 clips are not of one length: video2" in t for t in found["warning"]
    )
    assert any("shorter than a token: video3" in text for text in found["note"])
    assert any("2 clips share their caption" in text for text in found["note"])
    assert any("1 clips have a blank caption" in text for text in found["warning"])
    assert "train: 60 captions, 3 to 3 of a clip" in found["ok"]
    assert any("words are known, not" in text for text in found["ok"])
    assert "published rows: comparable, as far as can be told" in found["ok"]


@pytest.mark.usefixtures("few")
def test_the_doctor_finds_test_videos_in_training(tmp_path: Path) -> None:
    train = [*msrvtt_items(20, first=2000, caption="caption"), *msrvtt_items(1, caption="caption")]
    pickled(tmp_path, train=train)
    with pytest.raises(DataError, match="1 videos are in the test and in the training list"):
        load(tmp_path)
    (error,) = levels(tmp_path)["error"]
    assert "1 videos of the test list are in training, too: video0" in error


def test_the_doctor_names_every_damaged_file_of_a_folder(tmp_path: Path) -> None:
    write_msrvtt_csv(tmp_path)
    whole = (tmp_path / "features" / "video1_3d.npz").read_bytes()
    (tmp_path / "features" / "video1_3d.npz").write_bytes(whole[:100])
    bad = arrays(3)["2d"]
    bad[2, 1] = np.inf
    write_features(tmp_path / "features", "video3", {"2d": bad})
    for path in (tmp_path / "features").glob("video8_*"):
        path.unlink()
    found = levels(tmp_path)
    assert "train: 9 clips of 10 of the list" in found["note"]
    errors = found["error"]
    assert len(errors) == 2
    assert "video1_3d.npz is not a whole .npz file" in errors[0]
    assert "video3_2d.npz: array 'features': expected finite values, found inf" in errors[1]


def test_an_empty_folder_has_no_layout(tmp_path: Path) -> None:
    (error,) = levels(tmp_path)["error"]
    assert "no msrvtt_jsfusion_test.pkl or msrvtt_test.csv, no shards" in error
    with pytest.raises(DataError, match="has no msrvtt_jsfusion_test.pkl and no msrvtt_test.csv"):
        load(tmp_path)


def test_captions_of_the_benchmark_file_are_needed_for_every_training_video(tmp_path: Path) -> None:
    write_msrvtt_csv(tmp_path)
    path = tmp_path / "MSRVTT_data.json"
    content = json.loads(path.read_text())
    content["sentences"] = [s for s in content["sentences"] if s["video_id"] != "video7"]
    path.write_text(json.dumps(content))
    with pytest.raises(
        DataError, match="has no sentence of 1 videos of the training list, such as 'video7'"
    ):
        load(tmp_path)
    path.write_text('{"sentences": [{"video_id": "a"}]}')
    with pytest.raises(DataError, match="sentence 0 has no video_id and caption"):
        load(tmp_path)
    path.write_text('{"sentences": [{"vid')
    with pytest.raises(DataError, match="MSRVTT_data.json cannot be read"):
        load(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match="MSRVTT_data.json does not exist"):
        load(tmp_path)
