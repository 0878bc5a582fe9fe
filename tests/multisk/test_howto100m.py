"""HowTo100M: clips of its videos, from files and from shards; demo, preparing, doctor."""

from __future__ import annotations

import csv
import itertools
import json
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlzoo import Finding
from mlzoo.errors import DataError, RunError, UsageError
from mlzoo.progress import Progress
from mlzoo.registry import resolve
from mlzoo.specs import refs_of
from mlzoo_multisk.clips import Item, Shape
from mlzoo_multisk.dataset_config import HowTo100MOptions
from mlzoo_multisk.howto100m import clips as clips_module
from mlzoo_multisk.howto100m import demo
from mlzoo_multisk.howto100m.clips import ClipForm, HowTo100MTraining
from mlzoo_multisk.howto100m.doctor import examine
from mlzoo_multisk.howto100m.folder import FolderStore, ShardedVideos
from mlzoo_multisk.howto100m.loading import hold_out, load, open_videos, vocabulary
from mlzoo_multisk.howto100m.prepare import prepare
from mlzoo_multisk.howto100m.prepare_config import PrepareHowTo100MOptions
from mlzoo_multisk.howto100m.spec import howto100m
from mlzoo_multisk.retrieval import RetrievalData
from mlzoo_multisk.shards.writer import ShardWriter, part_folder
from mlzoo_multisk.views.text import WordTable, plain

COUNT = 20
GOLDEN = Path(__file__).parents[1] / "golden" / "multisk" / "howto_sampling.npz"
OPTIONS = HowTo100MOptions(clips_per_video=3, window=6)
SHARDS = PrepareHowTo100MOptions(shards=True, shard_videos=6, threads=2)
QUIET = Progress(quiet=True)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo as it was written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "COUNT", COUNT)
        patch.setattr(demo, "SECONDS", (20, 40))
        root = tmp_path_factory.mktemp("written") / "howto100m"
        demo.write_demo(root, 0)
    return root


@pytest.fixture(scope="module")
def sharded(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with shards, which nobody may change."""
    root = tmp_path_factory.mktemp("sharded") / "howto100m"
    shutil.copytree(written, root)
    prepare(root, SHARDS, QUIET)
    return root


@pytest.fixture
def copy(written: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(written, tmp_path / "howto100m"))


def files_of(root: Path, key: str) -> dict[str, Path]:
    """The three files of a video."""
    found = {
        path.stem.removeprefix(key).strip("_") or "3d": path for path in root.rglob(f"{key}*.npz")
    }
    return {{"spec": "audio"}.get(name, name): path for name, path in found.items()}


def key_with_audio(root: Path) -> str:
    store = FolderStore.opened(root)
    return next(key for row, key in enumerate(store.keys) if "audio" in store.parts(row))


def training(data: RetrievalData) -> HowTo100MTraining:
    assert isinstance(data.train, HowTo100MTraining)
    return data.train


def draw_all(data: RetrievalData) -> None:
    train = training(data)
    train.draw(np.arange(len(train)), 0, 0)


def test_the_demo_has_the_published_layout(written: Path) -> None:
    with (written / "videos.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == COUNT
    assert any(row["path"].startswith("None/") for row in rows)
    names = {path.name for path in written.rglob("*.npz")}
    assert len([name for name in names if name.endswith("_2d.npz")]) == COUNT
    assert len([name for name in names if name.endswith("_spec.npz")]) == round(0.9 * COUNT)
    spoken = pickle.loads((written / "captions.pickle").read_bytes())
    assert {type(each["start"]) for each in spoken.values()} == {list, np.ndarray}
    planted = json.loads((written / "planted.json").read_text())
    assert planted["videos"] == COUNT
    assert planted["captions"] == sum(len(each["text"]) for each in spoken.values())


def test_a_demo_never_replaces_anything_and_follows_from_its_seed(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="not empty"):
        demo.write_demo(written, 0)
    monkeypatch.setattr(demo, "COUNT", 3)
    monkeypatch.setattr(demo, "SECONDS", (20, 40))
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        demo.write_demo(tmp_path / name, seed)
    one, same, other = (FolderStore.opened(tmp_path / name) for name in "abc")
    np.testing.assert_array_equal(one.item(0).video_2d, same.item(0).video_2d)
    assert one.keys == same.keys
    assert one.keys != other.keys


def test_what_is_seen_heard_and_said_is_about_the_planted_topic(written: Path) -> None:
    store = FolderStore.opened(written)
    begins = json.loads((written / "planted.json").read_text())["begins"]
    seen: dict[str, list[np.ndarray]] = {}
    for row, key in enumerate(store.keys):
        item = store.item(row)
        assert item.video_2d is not None
        for (start, topic), (end, _) in itertools.pairwise(
            [*begins[key], (len(item.video_2d), "")]
        ):
            seen.setdefault(topic, []).append(item.video_2d[int(start) : int(end)].mean(axis=0))
        for start, text in zip(item.facts["start"], item.facts["text"], strict=True):
            topics = [topic for time, topic in begins[key] if time <= start + 3]
            words = set(topics[-1].split()) | set(topics[-2].split() if topics[1:] else ())
            assert "is the" in text or words & set(text.split())
    within = np.mean([np.std(rows, axis=0).mean() for rows in seen.values() if len(rows) > 1])
    means = np.array([np.mean(rows, axis=0) for rows in seen.values()])
    assert within < 0.5 * np.std(means, axis=0).mean()


@pytest.mark.parametrize("source", ["written", "sharded"])
def test_clips_have_the_shape_that_the_data_say(
    source: str, request: pytest.FixtureRequest
) -> None:
    data = load(request.getfixturevalue(source), OPTIONS)
    assert data.shape == Shape(20, 32, 12, 96, 768)
    assert data.splits == ("test",)
    assert (len(data.parts["test"]), data.complete["test"]) == (COUNT // 5, COUNT // 5)
    train = training(data)
    assert len(train) == COUNT - COUNT // 5
    batch = train.draw(np.array([3, 0]), 0, 0)
    assert batch.ids[0].endswith("#1")
    assert [name.partition("#")[0] for name in batch.ids] == [
        train.store.keys[train.rows[row]] for row in (3, 3, 3, 0, 0, 0)
    ]
    assert batch.text.shape == (6, 20, 32)
    assert batch.video.shape == (6, 12, 96)
    assert batch.audio.shape == (6, 40, 768)
    assert (batch.audio_frames == -1).all()
    assert all(
        array.dtype == np.float32
        for name, array in batch.arrays().items()
        if name != "audio_frames"
    )
    assert batch.text_mask.any(axis=1).all()
    held_out = data.parts["test"].batch(np.arange(4))
    assert held_out.ids == tuple(data.parts["test"].ids)
    assert (held_out.audio_frames > 0).all()
    assert held_out.text_mask.any(axis=1).all()
    data.describe()
    data.limited(2).fingerprint()


def test_files_and_shards_give_the_same_clips(written: Path, sharded: Path) -> None:
    files, shards = load(written, OPTIONS), load(sharded, OPTIONS)
    assert isinstance(training(files).store, FolderStore)
    assert isinstance(training(shards).store, ShardedVideos)
    assert files.words.words == shards.words.words
    rows = np.array([5, 1, 9])
    for one, other in (
        (training(files).draw(rows, 7, 2), training(shards).draw(rows, 7, 2)),
        (files.parts["test"].batch(rows[:1] - 2), shards.parts["test"].batch(rows[:1] - 2)),
    ):
        assert (one.ids, one.captions) == (other.ids, other.captions)
        for name, array in one.arrays().items():
            np.testing.assert_array_equal(array, other.arrays()[name])
    assert list(files.parts["test"].captions) == list(shards.parts["test"].captions)


def test_a_draw_follows_from_seed_pass_and_row_whoever_draws(sharded: Path) -> None:
    train = training(load(sharded, OPTIONS))
    together = train.draw(np.array([4, 2, 8]), 1, 5)
    alone = train.draw(np.array([2]), 1, 5)
    np.testing.assert_array_equal(together.video[3:6], alone.video)
    np.testing.assert_array_equal(together.audio[3:6], alone.audio)
    assert together.captions[3:6] == alone.captions
    for other in (train.draw(np.array([2]), 1, 6), train.draw(np.array([2]), 2, 5)):
        assert not np.array_equal(other.video, alone.video)


@pytest.mark.parametrize("source", ["written", "sharded"])
def test_a_pass_has_every_training_video_once(source: str, request: pytest.FixtureRequest) -> None:
    train = training(load(request.getfixturevalue(source), OPTIONS))
    order = train.order(0, 0)
    assert sorted(order) == list(range(len(train)))
    np.testing.assert_array_equal(order, train.order(0, 0))
    assert order.tolist() != train.order(0, 1).tolist()
    assert order.tolist() != train.order(1, 0).tolist()


def test_shards_are_read_within_a_window(sharded: Path) -> None:
    """With a window of 1 the videos of a shard are neighbours."""
    store = open_videos(sharded)
    train = HowTo100MTraining(
        store,
        np.arange(COUNT),
        ClipForm.of(store, WordTable.of(["a"], np.ones((1, 4), np.float32)), OPTIONS),
        HowTo100MOptions(window=1),
    )
    shards = train.order(0, 0) // 6
    assert (np.diff(shards) != 0).sum() == 3


def test_audio_begins_late_as_often_as_asked_and_held_out_audio_never_does(sharded: Path) -> None:
    kinds = ("never", "always", "half")
    data = {kind: load(sharded, OPTIONS.model_copy(update={"misaligned": kind})) for kind in kinds}
    rows = np.arange(12)
    drawn = {kind: training(each).draw(rows, 0, 0) for kind, each in data.items()}
    never, always, half = (drawn[kind].audio for kind in kinds)
    np.testing.assert_array_equal(drawn["never"].video, drawn["always"].video)
    has = drawn["never"].audio_mask.any(axis=1)
    late = np.array([not np.array_equal(a, b) for a, b in zip(never, half, strict=True)])[has]
    assert 0.2 < late.mean() < 0.8
    assert not np.array_equal(never, always)
    tests = [each.parts["test"].batch(np.arange(4)).audio for each in data.values()]
    np.testing.assert_array_equal(tests[0], tests[1])


@pytest.mark.parametrize("seed", range(3))
def test_draws_are_those_of_the_published_program(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = np.load(GOLDEN)
    mel = golden["mel"]
    facts = {name: golden[f"cap.{name}"].tolist() for name in ("start", "end", "text")}
    video = Item("v", None, np.ones((200, 3), np.float32), mel, facts)
    video_of_audio = Item("v", None, None, mel, facts)
    table = WordTable.of(golden["vocab"].tolist(), golden["vectors"])

    class OneVideo:
        keys, sizes, widths = ["v"], None, {"3d": 3}

        def __len__(self) -> int:
            return 1

        def item(self, row: int) -> Item:
            return video

    monkeypatch.setattr(clips_module, "random_of", lambda *_: np.random.RandomState(seed))
    monkeypatch.setattr(clips_module, "MEL_BANDS", len(mel))
    monkeypatch.setattr(clips_module, "duration_of", lambda *_: clips_duration(video_of_audio))
    options = HowTo100MOptions(clips_per_video=6, misaligned="always")
    store: Any = OneVideo()
    train = HowTo100MTraining(store, np.array([0]), ClipForm.of(store, table, options), options)
    batch = train.draw(np.array([0]), 0, 0)
    np.testing.assert_array_equal(batch.audio_mask.sum(axis=1), golden[f"seed{seed}.nframes"])
    np.testing.assert_array_equal(batch.text_mask, golden[f"seed{seed}.text_mask"])
    sums = batch.audio.sum(axis=(1, 2), dtype=np.float64)
    np.testing.assert_allclose(sums, golden[f"seed{seed}.audio_sum"], atol=2e-3)
    for number, (start, end) in enumerate(
        zip(golden[f"seed{seed}.starts"], golden[f"seed{seed}.ends"], strict=True)
    ):
        rows = min(12, int(end * 1.5) + 1 - int(start * 1.5))
        assert batch.video_mask[number].sum() == rows
        words = plain(golden[f"seed{seed}.raw"][number]).split()
        known = [word for word in words if word in table][:20]
        assert batch.captions[number].split() == known


def clips_duration(item: Item) -> float:
    from mlzoo_multisk.views.sampling import duration_of

    return duration_of(item.video_2d, item.video_3d, item.audio)


def test_a_missing_file_is_a_modality_that_the_clip_lacks(copy: Path) -> None:
    key = key_with_audio(copy)
    store = FolderStore.opened(copy)
    row = store.keys.index(key)
    options = OPTIONS.model_copy(update={"held_out_seed": _seed_that_trains(store, key)})
    for name, path in files_of(copy, key).items():
        path.rename(path.with_suffix(".gone"))
        data = load(copy, options)
        batch = training(data).draw(np.flatnonzero(training(data).rows == row), 0, 0)
        assert batch.video_mask.any() == (name == "audio"), name
        assert batch.audio_mask.any() == (name != "audio"), name
        assert batch.text_mask.any()
        path.with_suffix(".gone").rename(path)
    for path in files_of(copy, key).values():
        path.unlink()
    data = load(copy, options)
    batch = training(data).draw(np.flatnonzero(training(data).rows == row), 0, 0)
    assert not batch.video_mask.any()
    assert not batch.audio_mask.any()
    assert batch.text_mask.any()


def _seed_that_trains(store: FolderStore, key: str) -> int:
    return next(
        seed
        for seed in range(100)
        if key not in {store.keys[row] for row in hold_out(store, COUNT, seed)}
    )


@pytest.mark.parametrize("kind", ["cut short", "wrong key", "NaN", "other width"])
def test_a_damaged_file_is_an_error_that_names_it(copy: Path, kind: str) -> None:
    store = FolderStore.opened(copy)
    key = store.keys[7]
    path = files_of(copy, key)["2d"]
    if kind == "cut short":
        path.write_bytes(path.read_bytes()[:-30])
    else:
        rows = np.full((30, 23 if kind == "other width" else 24), np.nan, np.float32)
        rows = np.ones_like(rows) if kind != "NaN" else rows
        np.savez(path, **{"other" if kind == "wrong key" else "features": rows})
    with pytest.raises(DataError, match=path.name):
        store.item(7)
    options = OPTIONS.model_copy(update={"held_out_seed": _seed_that_trains(store, key)})
    with pytest.raises(DataError, match=path.name):
        draw_all(load(copy, options))


def test_a_folder_without_features_is_refused(copy: Path) -> None:
    (copy / "features").rename(copy / "elsewhere")
    with pytest.raises(DataError, match=r"none of 20 videos that were looked at has features"):
        load(copy, OPTIONS)


def test_a_video_without_captions_is_learnt_from_without_text(copy: Path) -> None:
    spoken = pickle.loads((copy / "captions.pickle").read_bytes())
    del spoken["demo-0_0007"]
    (copy / "captions.pickle").write_bytes(pickle.dumps(spoken))
    data = load(copy, OPTIONS)
    train = training(data)
    assert "demo-0_0007" not in data.parts["test"].ids
    (row,) = np.flatnonzero(train.rows == 7)
    batch = train.draw(np.array([row]), 0, 0)
    assert not batch.text_mask.any()
    assert batch.video_mask.any()


def test_held_out_videos_have_everything_and_are_the_same_in_shards(
    written: Path, sharded: Path
) -> None:
    files, shards = open_videos(written), open_videos(sharded)
    for seed in range(5):
        rows = hold_out(files, 3, seed)
        assert len(rows) == 3
        assert all(files.parts(row) == {"2d", "3d", "audio"} for row in rows)
        np.testing.assert_array_equal(rows, hold_out(shards, 3, seed))
    assert hold_out(files, 3, 0).tolist() != hold_out(files, 3, 1).tolist()
    assert len(hold_out(files, 200, 0)) == COUNT // 5


def test_without_a_complete_video_nothing_can_be_held_out(copy: Path) -> None:
    shutil.rmtree(copy / "audio")
    with pytest.raises(DataError, match="none can be held out"):
        load(copy, OPTIONS)


def test_only_vectors_of_words_that_are_said_are_loaded(written: Path, sharded: Path) -> None:
    said = vocabulary(open_videos(written))
    assert said == vocabulary(open_videos(sharded))
    data = load(written, OPTIONS)
    assert set(data.words.words) <= said
    assert data.look_up is not None
    unsaid = (written / "word_vectors.txt").read_text().split("\n")[1].split()[0]
    assert len(data.look_up([unsaid])) == 1


def test_a_list_of_words_that_was_changed_is_refused(sharded: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(sharded, tmp_path / "howto100m"))
    with (root / "shards" / "words.txt").open("a") as file:
        file.write("more\n")
    with pytest.raises(DataError, match=r"words.txt is not the list"):
        load(root, OPTIONS)


def test_shards_of_others_are_learnt_from(written: Path, tmp_path: Path) -> None:
    source = FolderStore.opened(written)
    with ShardWriter.opened(tmp_path / "shards", {}) as writer:
        for row in range(len(source)):
            item = source.item(row)
            facts = item.facts if row else {}
            writer.add(Item(item.key, item.video_2d, None, item.audio, facts))
        writer.finish()
    shutil.copy(written / "word_vectors.txt", tmp_path)
    data = load(tmp_path, OPTIONS)
    assert data.shape.video_width == 48
    draw_all(data)


def test_the_fingerprint_tells_other_videos_and_other_draws(written: Path, copy: Path) -> None:
    one = load(written, OPTIONS).fingerprint()
    assert one == load(copy, OPTIONS).fingerprint()
    assert one != load(copy, OPTIONS.model_copy(update={"held_out_seed": 1})).fingerprint()
    assert one != load(copy, OPTIONS.model_copy(update={"clip_seconds": 6.0})).fingerprint()
    np.savez(files_of(copy, "demo-0_0004")["2d"], features=np.ones((9, 24), np.float32))
    assert one != load(copy, OPTIONS).fingerprint()


def test_preparing_says_what_it_made(sharded: Path) -> None:
    index = json.loads((sharded / "shards" / "index.json").read_text())
    assert index["videos"] == COUNT
    assert [shard["videos"] for shard in index["shards"]] == [6, 6, 6, 2]
    assert not part_folder(sharded / "shards").exists()
    assert not (sharded / "left_out.csv").exists()
    with pytest.raises(UsageError, match="exists"):
        prepare(sharded, SHARDS, QUIET)
    with pytest.raises(UsageError, match="nothing else") as error:
        prepare(sharded, PrepareHowTo100MOptions(), QUIET)
    assert error.value.fix == "Add --shards."


class _Stopping(Progress):
    """Stops the work when so many videos are done."""

    def __init__(self, at: int) -> None:
        super().__init__(quiet=True)
        self.at = at

    def counted(self, done: int, total: int) -> None:
        if done == self.at:
            raise KeyboardInterrupt


def test_preparing_goes_on_after_a_stop_and_makes_the_same(copy: Path, sharded: Path) -> None:
    for at in (3, 9, 17):
        with pytest.raises(KeyboardInterrupt):
            prepare(copy, SHARDS, _Stopping(at))
        assert not (copy / "shards").exists()
    assert len(list((part_folder(copy / "shards") / "records").iterdir())) == 2
    prepare(copy, SHARDS, QUIET)
    for path in (sharded / "shards").iterdir():
        assert path.read_bytes() == (copy / "shards" / path.name).read_bytes(), path.name


def test_unfinished_shards_of_other_captions_are_refused(copy: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare(copy, SHARDS, _Stopping(9))
    spoken = pickle.loads((copy / "captions.pickle").read_bytes())
    (copy / "captions.pickle").write_bytes(pickle.dumps({**spoken, "z": spoken["demo-0_0000"]}))
    with pytest.raises(RunError, match="unfinished work with other captions"):
        prepare(copy, SHARDS, QUIET)


def test_damaged_videos_are_left_out_and_listed(copy: Path) -> None:
    damaged, bare = "demo-0_0002", "demo-0_0005"
    path = files_of(copy, damaged)["3d"]
    path.write_bytes(path.read_bytes()[:99])
    for each in files_of(copy, bare).values():
        each.unlink()
    facts = prepare(copy, SHARDS, QUIET)
    assert facts["videos"] == COUNT - 2
    assert facts["left out"] == "2, see left_out.csv"
    with (copy / "left_out.csv").open(encoding="utf-8") as file:
        found = {row["video"]: row["reason"] for row in csv.DictReader(file)}
    assert list(found) == [damaged, bare]
    assert path.name in found[damaged]
    assert found[bare] == "it has no file of features or audio"
    draw_all(load(copy, OPTIONS))


def test_files_may_lie_elsewhere(copy: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    given = {
        "videos": copy / "videos.csv",
        "captions": copy / "captions.pickle",
        "features": copy / "features",
        "audio": copy / "audio",
    }
    facts = prepare(root, SHARDS.model_copy(update=given), QUIET)
    assert facts["videos"] == COUNT
    with pytest.raises(DataError, match="is no folder"):
        prepare(tmp_path, SHARDS.model_copy(update={**given, "audio": tmp_path / "x"}), QUIET)


def told(root: Path) -> Mapping[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in examine(root, OPTIONS):
        found.setdefault(finding.level, []).append(finding)
    return found


@pytest.mark.parametrize("source", ["written", "sharded"])
def test_the_doctor_finds_nothing_wrong_with_a_demo(
    source: str, request: pytest.FixtureRequest
) -> None:
    found = told(request.getfixturevalue(source))
    assert "error" not in found
    assert "warning" not in found
    texts = "\n".join(f"{each.subject}: {each.text}" for each in found["ok"] + found["note"])
    assert "videos.csv: 20 videos" in texts
    assert "audio: 2 of 20 videos have none" in texts
    assert "20 of 20 videos have captions" in texts
    assert "% of" in texts
    assert "16 videos to learn from, 4 held out" in texts
    assert "not comparable" in texts
    assert ("bytes are what was written" in texts) == (source == "sharded")


def test_the_doctor_needs_no_list_beside_shards(sharded: Path, tmp_path: Path) -> None:
    shutil.copytree(sharded / "shards", tmp_path / "shards")
    shutil.copy(sharded / "word_vectors.txt", tmp_path)
    found = told(tmp_path)
    assert "error" not in found


def _damage(root: Path, name: str) -> None:
    path = next(root.rglob(name))
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (lambda root: _damage(root, "demo-0_0003_2d.npz"), "demo-0_0003_2d.npz is not a whole"),
        (lambda root: _damage(root, "captions.pickle"), "captions.pickle is not a whole pickle"),
        (lambda root: (root / "word_vectors.txt").unlink(), "has no word vectors"),
        (lambda root: (root / "videos.csv").write_text("x\n1\n"), "expected one column 'path'"),
        (lambda root: shutil.rmtree(root / "audio"), "20 of 20 videos have none"),
        (lambda root: (root / "videos.csv").unlink(), "does not exist"),
    ],
)
def test_the_doctor_names_what_is_wrong(
    copy: Path, harm: Callable[[Path], object], text: str
) -> None:
    harm(copy)
    errors = told(copy)["error"]
    assert any(text in each.text for each in errors), errors


def test_the_doctor_compares_shards_with_their_digests(sharded: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(sharded, tmp_path / "howto100m"))
    path = root / "shards" / "shard-000001.tar"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    part_folder(root / "shards").mkdir()
    found = told(root)
    assert any("not what was written: shard-000001.tar" in each.text for each in found["error"])
    assert any("is not finished" in each.text for each in found["note"])


def test_the_spec_names_what_there_is() -> None:
    spec = howto100m("multimodal-retrieval")
    for _, ref in refs_of(spec):
        assert resolve(ref, "a test") is not None
