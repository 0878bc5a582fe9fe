"""One's own videos: features by second, preparing, stops, refusals, loading, the demo."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from mlzoo.backbones import BACKBONES, CLIP_BACKBONES, KINETICS, ResNet, ResNeXt3D
from mlzoo.backbones.resnet import Design as Flat
from mlzoo.backbones.resnext3d import Design as Deep
from mlzoo.errors import DataError, MlzooError, RunError, UsageError
from mlzoo.progress import Progress
from mlzoo_multisk.dataset_config import VideosOptions
from mlzoo_multisk.shards.store import ShardStore
from mlzoo_multisk.shards.writer import ShardWriter
from mlzoo_multisk.videos import describing
from mlzoo_multisk.videos.demo import encode, moving_shape, sound_of, write_demo, write_wav
from mlzoo_multisk.videos.describing import Describer, describe_video
from mlzoo_multisk.videos.doctor import examine
from mlzoo_multisk.videos.loading import SHARDS, UNREADABLE, WORK, load
from mlzoo_multisk.videos.pictures import Rate, pictures
from mlzoo_multisk.videos.prepare import prepare
from mlzoo_multisk.videos.prepare_config import PrepareVideosOptions

av = pytest.importorskip("av")
soundfile = pytest.importorskip("soundfile")

QUIET = Progress(quiet=True)
FLAT, DEEP = Flat((1, 1, 1, 1), bottleneck=False), Deep((1, 1, 1, 1), groups=32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of small networks with random weights, saved as files."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    torch.save(ResNet(FLAT, 5).state_dict(), folder / "flat.pth")
    state = {f"module.{name}": array for name, array in ResNeXt3D(DEEP, 5).state_dict().items()}
    torch.save({"state_dict": state}, folder / "deep.pth")
    return {"weights_2d": folder / "flat.pth", "weights_3d": folder / "deep.pth"}


@pytest.fixture(params=[(48, 32)], autouse=True)
def sides(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """The small networks go by the names of the published ones, and see fewer pixels."""
    flat, deep = BACKBONES["resnet152"], CLIP_BACKBONES["resnext101-3d"]
    monkeypatch.setitem(BACKBONES, "resnet152", replace(flat, build=partial(ResNet, FLAT)))
    seen_2d, seen_3d = (
        replace(how, resize=side, crop=side)
        for how, side in zip((describing.PICTURE, KINETICS), request.param, strict=True)
    )
    monkeypatch.setattr(describing, "PICTURE", seen_2d)
    deep = replace(deep, build=partial(ResNeXt3D, DEEP), preprocessing=seen_3d)
    monkeypatch.setitem(CLIP_BACKBONES, "resnext101-3d", deep)
    return request.param


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Three videos of two seconds, with sound, without, and with a .wav; a table; word vectors."""
    random = np.random.RandomState(0)
    for name in ("videos", "audio"):
        (tmp_path / name).mkdir()
    heard = (0.3 * np.sin(2 * np.pi * 440 * np.arange(32000) / 16000)).astype(np.float32)
    for number, name in enumerate(("dog", "cat", "bird")):
        own = heard if name == "dog" else None
        encode(tmp_path / f"videos/{name}.mp4", moving_shape(number, 2, random), 12, own)
    write_wav(tmp_path / "audio/bird.wav", heard, 16000)
    write_table(
        tmp_path,
        "dog.mp4,a dog,train\ncat,a cat sleeps,train\ncat,the cat,train\nbird,a bird,test\n",
    )
    words = np.array(["dog", "cat", "bird", "a", "unused"])
    vectors = random.standard_normal((5, 8)).astype(np.float32)
    np.savez(tmp_path / "vectors.npz", words=words, vectors=vectors)
    return tmp_path


def write_table(folder: Path, lines: str, head: str = "video,caption,split") -> None:
    (folder / "captions.csv").write_text(f"{head}\n{lines}", encoding="utf-8")


def options(folder: Path, **more: object) -> PrepareVideosOptions:
    values = {
        "videos": folder / "videos",
        "captions": folder / "captions.csv",
        "audio": folder / "audio",
        "vectors": folder / "vectors.npz",
        "device": "cpu",
        "batch_size": 4,
        **more,
    }
    return PrepareVideosOptions.model_validate(values)


def root_of(folder: Path, name: str = "root") -> Path:
    (folder / name).mkdir(exist_ok=True)
    return folder / name


def stored(root: Path) -> dict[str, object]:
    store = ShardStore.opened(root / SHARDS)
    return {key: store.item(row) for row, key in enumerate(store.keys)}


def lossless(path: Path, frames: np.ndarray, rate: int = 12) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


# Features


@pytest.mark.parametrize("sides", [(224, 112)], indirect=True)
def test_features_are_those_of_the_networks_row_by_row(given: Path, weights, sides) -> None:
    path = given / "videos/dog.mp4"
    found = Describer(weights_by_kind(weights), device="cpu", batch_size=1).video(path)
    flat, deep = ResNet(FLAT, 5).eval(), ResNeXt3D(DEEP, 5).eval()
    flat.load_state_dict(torch.load(weights["weights_2d"], weights_only=True))
    state = torch.load(weights["weights_3d"], weights_only=True)["state_dict"]
    deep.load_state_dict({name.removeprefix("module."): array for name, array in state.items()})
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    shown = torch.tensor(np.stack([p for _, p in pictures(path, [Rate(1, sides[0])])]))
    images = ((shown / 255 - mean) / std).permute(0, 3, 1, 2)
    moving = torch.tensor(np.stack([p for _, p in pictures(path, [Rate(24, sides[1])])])).float()
    moving = torch.cat([moving, torch.zeros(-len(moving) % 16, 112, 112, 3)])  # black at the end
    clips = moving - torch.tensor([110.6, 103.2, 96.3])
    clips = clips.reshape(-1, 16, 112, 112, 3).permute(0, 4, 1, 2, 3)
    with torch.no_grad():
        expected = {"2d": flat.features(images).numpy(), "3d": deep.features(clips).numpy()}
    assert {kind: rows.shape for kind, rows in found.items()} == {"2d": (2, 512), "3d": (3, 2048)}
    for kind, rows in expected.items():
        assert found[kind].dtype == np.float16
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        np.testing.assert_allclose(found[kind], unit, atol=1e-4, rtol=2e-3)


def weights_by_kind(weights: dict[str, Path]) -> dict:
    return {"2d": weights["weights_2d"], "3d": weights["weights_3d"]}


def test_batches_change_nothing_but_rounding(given: Path, weights) -> None:
    path = given / "videos/cat.mp4"
    found = [
        Describer(weights_by_kind(weights), device="cpu", batch_size=size, unit_rows=False).video(
            path
        )
        for size in (1, 2, 100)
    ]
    for other in found[1:]:
        for kind, rows in found[0].items():
            np.testing.assert_allclose(rows, other[kind], rtol=2e-3, atol=1e-4)


def test_change_of_the_picture_at_two_seconds_changes_the_rows_from_there(
    tmp_path, weights
) -> None:
    frames = np.full((48, 64, 64, 3), 60, np.uint8)  # 4 s: 4 rows of 2D, 6 of 3D
    frames[24:, 20:50, 10:30] = (220, 30, 90)
    path = lossless(tmp_path / "a.avi", frames)
    found = Describer(weights_by_kind(weights), device="cpu", unit_rows=False).video(path)
    for kind, changed, count in (("2d", 2, 4), ("3d", 3, 6)):
        rows = found[kind].astype(np.float32)
        assert len(rows) == count
        same = [bool(np.allclose(rows[0], row, rtol=2e-3, atol=1e-4)) for row in rows]
        assert same == [number < changed for number in range(count)]


def test_one_video_becomes_an_item(given: Path, weights) -> None:
    item = describe_video(given / "videos/dog.mp4", device="cpu", **weights)
    assert item.key == "dog"
    assert item.video_2d is not None
    assert item.video_2d.shape == (2, 512)
    assert item.video_3d is not None
    assert item.video_3d.shape == (3, 2048)
    assert item.audio is not None
    assert item.audio.shape[0] == 40
    assert 195 < item.audio.shape[1] < 210
    bare = describe_video(given / "videos/cat.mp4", audio=given / "audio/bird.wav", device="cpu")
    assert (bare.video_2d, bare.video_3d) == (None, None)
    assert bare.audio is not None
    assert bare.audio.shape == (40, 201)
    (given / "videos/x.mp4").write_text("no video")
    with pytest.raises(DataError, match=r"x.mp4 cannot be described"):
        describe_video(given / "videos/x.mp4", device="cpu", **weights)


# Preparing


def test_folder_of_videos_becomes_a_dataset(given: Path, weights) -> None:
    root = root_of(given)
    facts = prepare(root, options(given, **weights), QUIET)
    assert facts == {
        "videos": 3, "left out": 0, "clips": 3, "with sound": 2, "captions": 4, "unreadable": 0,
        "words": 4, "unknown words": 2,
    }  # fmt: skip
    items = stored(root)
    assert list(items) == ["dog", "cat", "bird"]
    assert dict(items["cat"].facts) == {
        "captions": ["a cat sleeps", "the cat"], "video": "cat", "split": "train"
    }  # fmt: skip
    assert items["cat"].audio is None
    assert items["bird"].audio.shape == (40, 201)
    assert {item.video_2d.shape for item in items.values()} == {(2, 512)}
    alone = describe_video(given / "videos/dog.mp4", device="cpu", batch_size=4, **weights)
    for name in ("video_2d", "video_3d", "audio"):
        assert np.array_equal(getattr(items["dog"], name), getattr(alone, name))
    assert {path.name for path in root.iterdir()} == {SHARDS, "word_vectors.npz"}
    with pytest.raises(UsageError, match="exists"):
        prepare(root, options(given, **weights), QUIET)


class Stopping(Progress):
    """Ctrl-C after so many videos."""

    def __init__(self, after: int) -> None:
        super().__init__(quiet=True)
        self.after = after

    def counted(self, done: int, total: int) -> None:
        if done == self.after:
            raise KeyboardInterrupt


def test_stopped_work_goes_on_and_gives_the_same_bits(given: Path, weights, monkeypatch) -> None:
    straight, stopped = root_of(given, "straight"), root_of(given, "stopped")
    prepare(straight, options(given, **weights), QUIET)
    described: list[str] = []
    whole = Describer.video

    def counting(self, path, *words):
        described.append(path.stem)
        return whole(self, path, *words)

    monkeypatch.setattr(Describer, "video", counting)
    for after in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            prepare(stopped, options(given, **weights), Stopping(after))
    assert not (stopped / SHARDS).exists()
    prepare(stopped, options(given, **weights), QUIET)
    assert described == ["dog", "cat", "bird"]
    names = sorted(path.name for path in (straight / SHARDS).iterdir())
    assert names == sorted(path.name for path in (stopped / SHARDS).iterdir())
    for name in names:
        assert (straight / SHARDS / name).read_bytes() == (stopped / SHARDS / name).read_bytes()
    assert not (stopped / WORK).exists()


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_killed_work_goes_on_and_gives_the_same_bits(demo: Path, tmp_path: Path) -> None:
    given, root = demo / "given", tmp_path / "videos"
    words = [
        sys.executable,
        "-m",
        "mlzoo",
        "data",
        "prepare",
        "videos",
        "--data-dir",
        str(tmp_path),
    ]
    for name, path in (
        ("videos", "videos"), ("captions", "captions.csv"), ("features", "features"),
        ("audio", "audio"), ("vectors", "word_vectors.txt"),
    ):  # fmt: skip
        words += [f"--{name}", str(given / path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        while process.poll() is None and len(list((root / WORK).glob("*.npz"))) < 3:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    kept = len(list((root / WORK).glob("*.npz")))
    assert 3 <= kept < 48
    told = subprocess.run(words, capture_output=True, text=True, check=True).stderr
    assert f"{kept} of 48 videos were done before" in told
    digests = {ShardStore.opened(each / SHARDS).digest() for each in (root, demo)}
    assert len(digests) == 1
    assert not (root / WORK).exists()


def test_stop_while_shards_are_written_loses_nothing(given: Path, weights, monkeypatch) -> None:
    root, straight = root_of(given), root_of(given, "straight")
    prepare(straight, options(given, **weights), QUIET)
    add = ShardWriter.add

    def failing(self, item):
        if item.key == "bird":
            raise RunError("the disk is full.")
        add(self, item)

    monkeypatch.setattr(ShardWriter, "add", failing)
    with pytest.raises(RunError, match="disk is full"):
        prepare(root, options(given, **weights), QUIET)
    monkeypatch.setattr(ShardWriter, "add", add)
    monkeypatch.setattr(Describer, "video", lambda *_: pytest.fail("computed again"))
    facts = prepare(root, options(given, **weights), QUIET)
    assert facts["clips"] == 3
    digests = {ShardStore.opened(each / SHARDS).digest() for each in (root, straight)}
    assert len(digests) == 1


def test_videos_that_have_changed_are_described_anew(given: Path, weights, monkeypatch) -> None:
    root = root_of(given)
    with pytest.raises(KeyboardInterrupt):
        prepare(root, options(given, **weights), Stopping(2))
    os.utime(given / "videos/cat.mp4", (1, 1))
    described: list[str] = []
    whole = Describer.video

    def counting(self, path, *words):
        described.append(path.stem)
        return whole(self, path, *words)

    monkeypatch.setattr(Describer, "video", counting)
    prepare(root, options(given, **weights), QUIET)
    assert described == ["cat", "bird"]


def test_what_cannot_be_read_is_listed_with_reasons(given: Path, weights) -> None:
    whole = (given / "videos/dog.mp4").read_bytes()
    (given / "videos/dog.mp4").write_bytes(whole[: len(whole) // 2])
    soundfile.write(
        given / "audio/bird.wav", np.full(9000, np.nan, np.float32), 16000, subtype="FLOAT"
    )
    root = root_of(given)
    facts = prepare(root, options(given, **weights), QUIET)
    assert (facts["videos"], facts["left out"], facts["unreadable"]) == (2, 1, 2)
    with (root / UNREADABLE).open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["file", "reason"]
    assert [row[0] for row in rows[1:]] == ["dog.mp4", "bird.wav"]
    assert rows[2][1] == "no sound: sample 0 is nan"
    items = stored(root)
    assert list(items) == ["cat", "bird"]
    assert items["bird"].audio is None
    assert list(ShardStore.opened(root / SHARDS).left_out) == ["dog"]


def test_if_nothing_can_be_read_nothing_is_made(given: Path, weights) -> None:
    for path in (given / "videos").iterdir():
        path.write_text("no video")
    root = root_of(given)
    with pytest.raises(DataError, match=r"none of the 3 videos can be read; dog.mp4: "):
        prepare(root, options(given, **weights), QUIET)
    assert not (root / SHARDS).exists()


def test_parts_of_videos_are_cut_by_their_seconds(given: Path, weights) -> None:
    random = np.random.RandomState(0)
    heard = random.standard_normal(6 * 16000).astype(np.float32) * 0.1
    encode(given / "videos/long.mp4", moving_shape(0, 6, random), 12, heard)
    lines = (
        "long,begins,0,2.5,train\nlong,ends,3,6,train\nlong,never,50,60,train\ndog,a dog,,,test\n"
    )
    write_table(given, lines, "video,caption,start,end,split")
    root = root_of(given)
    facts = prepare(root, options(given, **weights), QUIET)
    assert (facts["videos"], facts["clips"], facts["unreadable"]) == (2, 3, 1)
    items = stored(root)
    whole = describe_video(given / "videos/long.mp4", device="cpu", batch_size=4, **weights)
    begins, ends = items["long@0-2.5"], items["long@3-6"]
    assert np.array_equal(begins.video_2d, whole.video_2d[0:3])
    assert np.array_equal(ends.video_2d, whole.video_2d[3:6])
    assert np.array_equal(begins.video_3d, whole.video_3d[0:4])
    assert np.array_equal(ends.video_3d, whole.video_3d[4:9])
    assert begins.audio.shape[1] == 248
    assert ends.audio.shape[1] == 300
    assert "long@50-60,it begins after the end" in (root / UNREADABLE).read_text()
    assert (ends.facts["video"], ends.facts["start"], ends.facts["end"]) == ("long", 3, 6)


# Extracted features


def write_features(folder: Path, names: str = "dog cat bird", kinds: str = "2d 3d") -> Path:
    (folder / "features").mkdir(exist_ok=True)
    random = np.random.RandomState(1)
    for name in names.split():
        for kind, rows in (("2d", 2), ("3d", 3)):
            if kind in kinds:
                features = random.standard_normal((rows, 6)).astype(np.float32)
                np.savez(folder / f"features/{name}_{kind}.npz", features=features)
    return folder / "features"


def test_extracted_features_are_kept_as_they_are(given: Path) -> None:
    features = write_features(given)
    spectrogram = np.random.RandomState(0).uniform(-80, 0, (40, 150)).astype(np.float16)
    np.savez(features / "cat_spec.npz", arr_0=spectrogram)
    root = root_of(given)
    facts = prepare(root, options(given, features=features), QUIET)
    assert facts["with sound"] == 3
    items = stored(root)
    with np.load(features / "dog_2d.npz") as expected:
        assert np.array_equal(items["dog"].video_2d, expected["features"])
    assert np.array_equal(items["cat"].audio, spectrogram)
    assert items["dog"].audio.shape[0] == 40  # heard in the video


def test_extracted_features_need_no_video_and_no_library(given: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    features = write_features(given)
    root = root_of(given)
    facts = prepare(root, options(given, videos=None, audio=None, features=features), QUIET)
    assert (facts["clips"], facts["with sound"]) == (3, 0)


def test_without_the_libraries_the_extra_is_named_before_any_work(
    given: Path, weights, monkeypatch
) -> None:
    for module, said in (("soundfile", "sound files need soundfile"), ("av", "videos need PyAV")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(MlzooError, match=said) as caught:
            prepare(root_of(given), options(given, **weights), QUIET)
        assert caught.value.fix == "pip install 'mlzoo-multisk[video]'"
    with pytest.raises(MlzooError, match="videos need PyAV"):
        write_demo(given / "demo", 0)


def test_extracted_and_computed_features_go_together(given: Path, weights) -> None:
    features = write_features(given, kinds="2d")
    root = root_of(given)
    prepare(root, options(given, features=features, weights_3d=weights["weights_3d"]), QUIET)
    widths = ShardStore.opened(root / SHARDS).widths
    assert (widths["2d"], widths["3d"]) == (6, 2048)


def test_damaged_extracted_features_are_named_and_the_work_goes_on(given: Path) -> None:
    features = write_features(given)
    path = features / "cat_3d.npz"
    whole = path.read_bytes()
    wrong: list[tuple[Callable[[], object], str]] = [
        (lambda: path.write_bytes(whole[:100]), "cat_3d.npz is not a whole .npz file"),
        (lambda: np.savez(path, feature=np.ones((2, 6))), "holds no 'features'"),
        (lambda: np.savez(path, features=np.full((2, 6), np.nan)), "expected finite values"),
        (lambda: np.savez(path, features=np.ones(6)), "expected 2 axes"),
        (lambda: np.savez(path, features=np.array([{}])), "pickled objects"),
    ]
    root = root_of(given)
    for damage, said in wrong:
        damage()
        with pytest.raises(DataError, match=said):
            prepare(root, options(given, features=features), QUIET)
        assert not (root / SHARDS).exists()
    path.write_bytes(whole)
    assert prepare(root, options(given, features=features), QUIET)["clips"] == 3


def test_features_of_several_widths_are_refused(given: Path) -> None:
    features = write_features(given)
    np.savez(features / "bird_2d.npz", features=np.ones((2, 7), np.float32))
    with pytest.raises(DataError, match="bird: the 2d rows have 7 numbers, those of dog 6"):
        prepare(root_of(given), options(given, features=features), QUIET)


# Refusals


def test_wrong_weights_are_refused_before_any_video(given: Path, weights, monkeypatch) -> None:
    monkeypatch.setattr(describing, "pictures", lambda *_: pytest.fail("a video was read"))
    root = root_of(given)
    swapped = {"weights_2d": weights["weights_3d"], "weights_3d": weights["weights_2d"]}
    with pytest.raises(DataError, match="deep.pth"):
        prepare(root, options(given, **swapped), QUIET)
    with pytest.raises(DataError, match="none.pth does not exist"):
        prepare(root, options(given, **{**weights, "weights_3d": given / "none.pth"}), QUIET)
    with pytest.raises(UsageError, match="neither 2D nor 3D"):
        prepare(root, options(given), QUIET)
    with pytest.raises(UsageError, match="--captions is missing"):
        prepare(root, options(given, captions=None), QUIET)
    assert list(root.iterdir()) == []


def test_table_without_test_and_unknown_words_are_refused(given: Path, weights) -> None:
    root = root_of(given)
    write_table(given, "dog,a dog,train\n")
    with pytest.raises(DataError, match="no video is in test"):
        prepare(root, options(given, **weights), QUIET)
    write_table(given, "dog,a dog\n", "video,caption")
    with pytest.raises(DataError, match="names one video"):
        prepare(root, options(given, **weights), QUIET)
    write_table(given, "dog,un chien,train\ncat,le chat,test\n")
    with pytest.raises(DataError, match=r"vectors.npz"):
        prepare(root, options(given, **weights), QUIET)


# Loading, demo, examination


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "videos"
    write_demo(root, 0)
    return root


def loaded(root: Path, **values: object):
    return load(root, VideosOptions.model_validate(values))


def test_demo_is_loaded_with_splits_and_ceilings(demo: Path) -> None:
    data = loaded(demo, tokens=12)
    assert data.splits == ("val", "test")
    assert len(data.part("test")) == 16
    assert len(data.train) + len(data.part("val")) == 32
    assert data.ceilings["t2v_r1"] == 100
    assert data.incomparable
    batch = data.part("test").batch(np.arange(3))
    assert batch.video.shape == (3, 12, 96)
    assert batch.audio.shape == (3, 40, 768)
    assert batch.audio_mask.any(axis=1).all()
    assert batch.text_mask.any(axis=1).all()
    assert data.fingerprint() == loaded(demo, tokens=12).fingerprint()
    drawn = data.train.draw(np.arange(4), 0, 0)
    assert len(drawn) == 4
    assert not set(data.part("test").ids) & set(drawn.ids)


@pytest.mark.parametrize("strategy", ["clips", "nearest", "max"])
def test_strategies_of_evaluation_are_those_of_the_benchmarks(demo: Path, strategy: str) -> None:
    data = loaded(demo, tokens=24, strategy=strategy)
    batch = data.part("test").batch(np.arange(2))
    assert len(batch) == (4 if strategy == "clips" else 2)
    assert data.protocol == strategy
    assert batch.video.shape[1] == 12


def test_demo_is_the_same_for_the_same_seed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("mlzoo_multisk.videos.demo.TOPICS", 2)
    digests = []
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        write_demo(tmp_path / name, seed)
        digests.append(ShardStore.opened(tmp_path / name / SHARDS).digest())
    assert digests[0] == digests[1] != digests[2]
    with pytest.raises(UsageError, match="not empty"):
        write_demo(tmp_path / "one", 0)


def test_demo_has_real_videos_whose_sound_tells_the_topic(demo: Path) -> None:
    found = sorted((demo / "given/videos").iterdir())
    assert len(found) == 48
    seconds = [sum(1 for _ in pictures(path, [Rate(1, 16)])) for path in found[:6]]
    assert seconds == [4, 5, 6, 4, 5, 6]
    data = loaded(demo, tokens=12)
    test = data.part("test")
    heard = test.batch(np.arange(16)).audio[:, :, :350].mean(axis=2)
    others = data.train.draw(np.arange(len(data.train)), 0, 0)
    known = others.audio[:, :, :350].mean(axis=2)
    nearest = [int(((known - own) ** 2).sum(axis=1).argmin()) for own in heard]
    topics = [" ".join(sorted(set(caption.split()))) for caption in test.captions]
    assert (
        sum(
            len(set(others.captions[near].split()) & set(topic.split())) > 0
            for near, topic in zip(nearest, topics, strict=True)
        )
        >= 12
    )


def test_splits_are_drawn_where_the_table_has_none(given: Path) -> None:
    names = "".join(f"v{i},a dog,{a},{a + 1}\n" for i in range(20) for a in (0, 1))
    write_table(given, names, "video,caption,start,end")
    features = write_features(given, " ".join(f"v{i}" for i in range(20)))
    root = root_of(given)
    prepare(root, options(given, features=features, videos=None), QUIET)
    data = loaded(root, test_share=0.25, tokens=12)
    parts = {name: {key.split("@")[0] for key in data.part(name).ids} for name in data.splits}
    assert {name: len(videos) for name, videos in parts.items()} == {"val": 3, "test": 5}
    assert len(data.part("test")) == 10
    assert not parts["val"] & parts["test"]
    assert set(loaded(root, test_share=0.25, tokens=12).part("test").ids) == set(
        data.part("test").ids
    )
    other = loaded(root, test_share=0.25, tokens=12, validation_seed=1)
    assert set(other.part("test").ids) != set(data.part("test").ids)


def test_split_val_of_the_table_is_taken_as_it_is(given: Path) -> None:
    write_table(given, "dog,a dog,train\ncat,a cat,val\nbird,a bird,test\n")
    root = root_of(given)
    prepare(root, options(given, features=write_features(given)), QUIET)
    data = loaded(root, tokens=12)
    assert [list(data.part(name).ids) for name in ("val", "test")] == [["cat"], ["bird"]]
    assert len(data.train) == 1
    write_table(given, "dog,a dog,test\n")
    prepare(root_of(given, "tests"), options(given, features=given / "features"), QUIET)
    assert loaded(given / "tests", tokens=12).train is None


def test_missing_and_damaged_datasets_are_told(demo: Path, given: Path) -> None:
    with pytest.raises(DataError, match="does not exist") as caught:
        loaded(given / "audio")
    assert "mlzoo data prepare videos" in caught.value.fix
    root = root_of(given)
    prepare(root, options(given, features=write_features(given), vectors=None), QUIET)
    with pytest.raises(DataError, match="word_vectors"):
        loaded(root)
    assert len(loaded(root, word_vectors=given / "vectors.npz").part("test")) == 1


def levels(root: Path, **values: object) -> dict[str, str]:
    return {f.subject: f.level for f in examine(root, VideosOptions.model_validate(values))}


def test_examination_finds_nothing_wrong_with_the_demo(demo: Path) -> None:
    found = levels(demo)
    assert set(found.values()) <= {"ok", "note"}
    assert found["videos"] == found["audio"] == found["word vectors"] == "ok"
    told = {f.subject: f for f in examine(demo, VideosOptions(word_vectors=None, tokens=4))}
    assert "beyond 4 tokens" in told["tokens"].text
    assert "10" in told["tokens"].fix


def test_examination_names_what_is_wrong(given: Path) -> None:
    assert levels(given / "audio") == {SHARDS: "error"}
    (given / "videos/cat.mp4").write_text("no video")
    root = root_of(given)
    features = write_features(given)
    prepare(root, options(given, features=features, vectors=None), QUIET)
    found = levels(root)
    assert found["word vectors"] == "error"
    assert found[UNREADABLE] == "warning"
    (root / WORK).mkdir()
    assert levels(root, word_vectors=given / "vectors.npz")[WORK] == "note"
    shard = next((root / SHARDS).glob("*.tar"))
    data = bytearray(shard.read_bytes())
    data[-12000] ^= 1
    shard.write_bytes(data)
    assert levels(root)[SHARDS] == "error"


def test_sound_of_the_demo_is_finite_and_not_clipped() -> None:
    from mlzoo_multisk.planted import PlantedWorld

    heard = sound_of(PlantedWorld(0, 4), 1, 2.5, np.random.RandomState(0))
    assert heard.shape == (40000,)
    assert 0.01 < np.abs(heard).max() < 1
