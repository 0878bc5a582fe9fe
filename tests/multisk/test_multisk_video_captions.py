"""Tables of captions of one's own videos."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlzoo.errors import DataError, UsageError
from mlzoo_multisk.videos.captions import read_captions
from mlzoo_multisk.videos.packing import clip_key
from mlzoo_multisk.videos.prepare_config import PrepareVideosOptions
from mlzoo_multisk.videos.sources import find_sources


def table(folder: Path, text: str, name: str = "captions.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_lines_of_one_video_are_captions_of_one_clip(tmp_path: Path) -> None:
    text = 'video,caption\na.mp4,a dog\nb.mp4,"a cat, asleep"\na.mp4,it barks\n'
    found = read_captions(table(tmp_path, text))
    assert [(clip.video, clip.captions, clip.line) for clip in found] == [
        ("a.mp4", ("a dog", "it barks"), 2),
        ("b.mp4", ("a cat, asleep",), 3),
    ]
    assert {(clip.split, clip.start, clip.end) for clip in found} == {(None, None, None)}


def test_lines_of_one_time_are_captions_of_one_clip(tmp_path: Path) -> None:
    text = (
        "\ufeffcaption\tvideo\tstart\tend\tsplit\n"
        "a dog\tx/a\t0\t4\ttrain\nit barks\tx/a\t0.0\t4\ttrain\na cat\tx/a\t4\t7.5\ttrain\n"
        "a whole\tx\\b\t\t\ttest\n"
    )
    found = read_captions(table(tmp_path, text, "t.tsv"))
    assert [(c.video, c.start, c.end, c.split, len(c.captions)) for c in found] == [
        ("x/a", 0, 4, "train", 2),
        ("x/a", 4, 7.5, "train", 1),
        ("x/b", None, None, "test", 1),
    ]
    assert [clip_key(c.video, c) for c in found] == ["x/a@0-4", "x/a@4-7.5", "x/b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,caption\na,dog\n", "no column 'video'"),
        ("video\na\n", "no column 'caption'"),
        ("video,caption\n", "has no captions"),
        ("video,caption,video\na,dog,a\n", "column 'video' twice"),
        ("video,caption,speaker\na,dog,x\n", "unknown column 'speaker'"),
        ("video,caption,start\na,dog,1\n", "no column 'end'"),
        ("video,caption\na,dog, barking\n", "line 2: 3 cells"),
        ("video,caption\na,\n", "line 2, column 'caption': it is empty"),
        ("video,caption\n,dog\n", "line 2, column 'video': ''"),
        ("video,caption\na,dog\n../b,dog\n", "line 3, column 'video': '../b' is no name below"),
        ("video,caption\n/b,dog\n", "'/b' is no name below"),
        ("video,caption,split\na,dog,dev\n", "line 2, column 'split': 'dev', expected train, val"),
        ("video,caption,split\na,dog,\n", "column 'split': ''"),
        (
            "video,caption,split\na,dog,train\na,cat,test\n",
            "line 3, .*'test', in line 2 in 'train'",
        ),
        ("video,caption,start,end\na,dog,1,x\n", "line 2, column 'end': 'x', expected seconds"),
        ("video,caption,start,end\na,dog,1,\n", "column 'end': ''"),
        ("video,caption,start,end\na,dog,nan,2\n", "column 'start': 'nan'"),
        ("video,caption,start,end\na,dog,-1,2\n", "column 'start': '-1'"),
        ("video,caption,start,end\na,dog,3,3\n", "column 'end': 3 is not after start 3"),
        ('video,caption\na,"dog\n', "no whole table"),
    ],
)
def test_wrong_table_is_one_clear_error(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read_captions(table(tmp_path, text))
    assert "captions.csv" in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


# Which file gives what


def options(folder: Path, **given: object) -> PrepareVideosOptions:
    values = {"captions": folder / "captions.csv", "videos": folder / "videos", **given}
    return PrepareVideosOptions.model_validate(values)


def sources(folder: Path, text: str, **given: object):
    return find_sources(read_captions(table(folder, text)), options(folder, **given))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files that are only looked for."""
    for name in (
        "videos/a.mp4", "videos/sub/b.v2.mkv", "videos/c.mp4", "videos/c.avi", "videos/notes.txt",
        "features/a_2d.npz", "features/a_3d.npz", "features/sub/b.v2_2d.npz", "features/a_spec.npz",
        "audio/a.wav", "audio/sub/b.v2.flac", "w.pth",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_video_is_found_with_and_without_its_ending(folder: Path) -> None:
    text = "video,caption\na,dog\nsub/b.v2.mkv,cat\na.mp4,barks\n"
    found = sources(folder, text, weights_2d=folder / "w.pth")
    assert [(s.id, s.video, len(s.clips)) for s in found] == [
        ("a", folder / "videos/a.mp4", 2),
        ("sub/b.v2", folder / "videos/sub/b.v2.mkv", 1),
    ]
    assert found[0].computed == ("2d",)
    assert found[0].files == {}


def test_extracted_features_go_before_weights_and_files_before_own_sound(folder: Path) -> None:
    text = "video,caption\na,dog\nsub/b.v2,cat\n"
    found = sources(
        folder,
        text,
        features=folder / "features",
        weights_3d=folder / "w.pth",
        audio=folder / "audio",
    )
    assert [sorted(source.files) for source in found] == [["2d", "3d", "spec"], ["2d"]]
    assert [source.computed for source in found] == [(), ("3d",)]
    assert [source.listens for source in found] == [False, True]
    assert [source.decodes for source in found] == [False, True]
    assert found[1].sound == folder / "audio/sub/b.v2.flac"


def test_videos_are_not_needed_where_everything_was_extracted(folder: Path) -> None:
    text = "video,caption\na.mp4,dog\n"
    (only,) = sources(folder, text, videos=None, features=folder / "features")
    assert (only.id, only.video, only.decodes) == ("a", None, False)


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        ("video,caption\nc,dog\n", {}, r"line 2, column 'video': 'c' may be c.avi or c.mp4"),
        ("video,caption\nc.mp4,dog\nc.avi,cat\n", {}, "line 3.* c.avi and c.mp4 have one id, 'c'"),
        ("video,caption\na,dog\nzz,cat\n", {}, "line 3, column 'video': no 2D features of 'zz'"),
        ("video,caption\na,dog\n", {"videos": None, "features": None}, "there is no --videos"),
        (
            "video,caption\na,dog\nc.mp4,x\n",
            {"weights_2d": None},
            "line 3.*no 2D features of 'c.mp4'",
        ),
    ],
)
def test_what_cannot_be_found_is_named_by_line(folder: Path, text: str, given, said: str) -> None:
    given = {"weights_2d": folder / "w.pth", "features": folder / "features", **given}
    with pytest.raises(DataError, match=said):
        sources(folder, text, **given)


def test_without_weights_and_features_there_is_nothing_to_do(folder: Path) -> None:
    text = "video,caption\na,dog\n"
    with pytest.raises(UsageError, match="neither 2D nor 3D") as caught:
        sources(folder, text)
    assert "--weights-2d FILE" in caught.value.fix
    with pytest.raises(UsageError, match="nowhere is no folder"):
        sources(folder, text, videos=folder / "nowhere")
