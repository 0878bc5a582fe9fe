"""Pictures of real video files: which one is shown when, and files that are no whole videos."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mlzoo.errors import MlzooError
from mlzoo_multisk.videos.demo import encode, moving_shape
from mlzoo_multisk.videos.pictures import Rate, pictures, require_whole, square

av = pytest.importorskip("av")

APPEARANCE, MOTION = Rate(1, 32), Rate(24, 16)


def shades(count: int, side: int = 48) -> np.ndarray:
    """Pictures that differ in their grey alone: the i-th is 10 + 2 i, so that each can be told."""
    grey = (10 + 2 * np.arange(count)).astype(np.uint8)
    return np.broadcast_to(grey[:, None, None, None], (count, side, side, 3)).copy()


def write_exactly(path: Path, frames: np.ndarray, rate: Fraction | int) -> Path:
    """A video without loss, whose times are exact."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(rate))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "gray"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame[..., 0], format="gray")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def indices(path: Path, rate: Rate) -> list[int]:
    """Which of the :func:`shades` are taken."""
    shown = [picture for _, picture in pictures(path, [rate])]
    assert {picture.shape for picture in shown} == {(rate.side, rate.side, 3)}
    return [round((float(picture.mean()) - 10) / 2) for picture in shown]


def filtered(path: Path, per_second: int) -> list[int]:
    """The same by ffmpeg's own filter."""
    graph = av.filter.Graph()
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        source = graph.add_buffer(template=stream)
        rate = graph.add("fps", f"fps={per_second}")
        sink = graph.add("buffersink")
        source.link_to(rate)
        rate.link_to(sink)
        graph.configure()

        def drain() -> None:
            while True:
                try:
                    found.append(sink.pull().to_ndarray(format="gray").mean())
                except (av.error.BlockingIOError, av.error.EOFError):
                    return

        for frame in container.decode(stream):
            source.push(frame)
            drain()
        source.push(None)
        drain()
    return [round((float(value) - 10) / 2) for value in found]


@pytest.mark.parametrize("rate", [12, 24, 25, Fraction(30000, 1001), 60, Fraction(15, 2)])
@pytest.mark.parametrize("count", [50, 97])
def test_pictures_are_those_of_the_published_filter(tmp_path: Path, rate, count: int) -> None:
    path = write_exactly(tmp_path / "a.avi", shades(count), rate)
    for wanted in (APPEARANCE, MOTION):
        assert indices(path, wanted) == filtered(path, wanted.per_second)


def test_picture_k_is_what_is_shown_in_the_middle_of_its_interval(tmp_path: Path) -> None:
    path = write_exactly(tmp_path / "a.avi", shades(60), 12)  # 5 s
    assert indices(path, APPEARANCE) == [5 + 12 * k for k in range(5)]
    assert indices(path, MOTION) == [j // 2 for j in range(120)]


@pytest.mark.parametrize("changed", [2.0, 2.75])
def test_change_of_the_picture_changes_the_right_pictures(tmp_path: Path, changed: float) -> None:
    frames = np.full((48, 64, 64, 3), 40, np.uint8)  # 4 s
    frames[round(12 * changed) :] = 200
    encode(tmp_path / "a.mp4", frames, 12, None)
    shown = {0: [], 1: []}
    for which, picture in pictures(tmp_path / "a.mp4", [APPEARANCE, MOTION]):
        shown[which].append(picture.mean() > 120)
    assert shown[0] == [k + 0.5 >= changed for k in range(4)]
    assert shown[1] == [(j + 0.5) / 24 >= changed for j in range(96)]


def test_all_rates_come_of_one_pass_as_each_alone(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", moving_shape(3, 3, np.random.RandomState(0)), 12, None)
    together = list(pictures(tmp_path / "a.mp4", [APPEARANCE, MOTION]))
    for number, rate in enumerate((APPEARANCE, MOTION)):
        alone = [picture for _, picture in pictures(tmp_path / "a.mp4", [rate])]
        both = [picture for which, picture in together if which == number]
        assert len(alone) == len(both) == 3 * rate.per_second
        assert all(np.array_equal(a, b) for a, b in zip(alone, both, strict=True))


def test_video_of_less_than_an_interval_gives_one_picture(tmp_path: Path) -> None:
    path = write_exactly(tmp_path / "a.avi", shades(3), 12)
    assert indices(path, APPEARANCE) == [2]


@pytest.mark.parametrize("size", [(48, 96), (96, 48), (50, 50), (31, 97)])
def test_short_side_is_scaled_and_the_middle_is_cut(tmp_path: Path, size: tuple[int, int]) -> None:
    height, width = size
    frame = np.zeros((height, width, 3), np.uint8)
    frame[..., 0] = 200  # red, but for the ends of the long side
    short = min(size)
    ends = (max(size) - short) // 2 - 2
    long = frame if height > width else frame.transpose(1, 0, 2)
    if ends > 0:
        long[:ends] = long[-ends:] = 0
    picture = square(av.VideoFrame.from_ndarray(frame, format="rgb24"), 24)
    assert picture.shape == (24, 24, 3)
    assert picture[..., 0].min() > 150
    assert picture[..., 1:].max() < 30


def test_picture_is_turned_upright_as_its_file_says() -> None:
    frame = np.zeros((8, 8, 3), np.uint8)
    frame[:4] = 255  # the upper half
    given = av.VideoFrame.from_ndarray(frame, format="rgb24")
    turned = SimpleNamespace(width=8, height=8, rotation=90, reformat=given.reformat)
    picture = square(turned, 8)
    assert picture[:, :4].min() > 200  # a quarter turn to the left
    assert picture[:, 4:].max() < 50


def test_long_narrow_pictures_are_refused() -> None:
    frame = av.VideoFrame.from_ndarray(np.zeros((2, 500, 3), np.uint8), format="rgb24")
    with pytest.raises(ValueError, match="500×2 pixels, sides of at most 100 to 1"):
        square(frame, 16)


# What is no whole video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    frames = moving_shape(1, 5, np.random.RandomState(0))
    encode(tmp_path / "a.mp4", frames, 12, None)
    return tmp_path / "a.mp4"


def reason(path: Path) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        list(pictures(path, [APPEARANCE]))
    assert not isinstance(caught.value, UnicodeError)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_truncated_video_is_refused(video: Path, tmp_path: Path) -> None:
    whole = video.read_bytes()
    for size in (0, 20, len(whole) // 2, len(whole) - 200):
        video.write_bytes(whole[:size])
        assert reason(video)
    with av.open(str(tmp_path / "b.avi"), "w") as container:  # an index is not needed to read it
        stream = container.add_stream("mpeg4", rate=12)
        stream.width = stream.height = 64
        for frame in moving_shape(1, 5, np.random.RandomState(0)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    data = (tmp_path / "b.avi").read_bytes()
    assert len(list(pictures(tmp_path / "b.avi", [APPEARANCE]))) == 5
    for tenth in range(1, 9):
        (tmp_path / "b.avi").write_bytes(data[: len(data) * tenth // 10])
        assert reason(tmp_path / "b.avi")


def test_video_that_ends_much_too_early_is_not_whole() -> None:
    require_whole(4.1, 5.0)
    require_whole(96.0, 100.0)
    require_whole(1.0, None)
    for reached, declared in ((3.9, 5.0), (94.0, 100.0)):
        with pytest.raises(ValueError, match=f"it ends after {reached} of {declared} seconds"):
            require_whole(reached, declared)


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video at all\n" * 50)
    assert reason(tmp_path / "text.mp4")
    assert reason(tmp_path / "none.mp4") == "there is no such file"
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert reason(tmp_path / "sound.mp4") == "it has no video stream"


def test_playlist_that_names_another_file_is_not_followed(video: Path, tmp_path: Path) -> None:
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{video.resolve()}\n#EXT-X-ENDLIST\n"
    (tmp_path / "list.mp4").write_text(text)
    assert reason(tmp_path / "list.mp4")
    (tmp_path / "concat.mp4").write_text(f"ffconcat version 1.0\nfile '{video.resolve()}'\n")
    assert reason(tmp_path / "concat.mp4")


def test_without_pyav_the_extra_is_named(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MlzooError, match="videos need PyAV") as caught:
        list(pictures(video, [APPEARANCE]))
    assert caught.value.fix == "pip install 'mlzoo-multisk[video]'"
