"""The published files of HowTo100M: list, captions, features; what is wrong with them is named."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mlzoo.errors import DataError
from mlzoo_multisk.howto100m.captions import facts_of, read_captions
from mlzoo_multisk.howto100m.files import Video, find, read_arrays, read_part, read_videos

VIDEO = Video("abc", "Food/video_1/abc")


def listed(folder: Path, text: str) -> Path:
    path = folder / "videos.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_list_is_read_as_it_is_published(tmp_path: Path) -> None:
    path = listed(tmp_path, "\ufeffn,path\n1,None/Food/video_1/abc\n\n2,Home/x/-d.e\n3,alone\n")
    assert read_videos(path) == [VIDEO, Video("-d.e", "Home/x/-d.e"), Video("alone", "alone")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,paths\n1,a\n", "expected one column 'path', it is there not"),
        ("path,path\n1,a\n", "expected one column 'path', it is there twice"),
        ("path\na/x\nb/y\nc/x\n", r"the video 'x' stands in lines 2 and 4"),
        ("path\n../../etc/passwd\n", "line 2: '../../etc/passwd' is no path"),
        ("path\n None/ \n", "is no path of a video"),
        ("n,path\n1\n", "line 2: 1 cells, the first line has 2"),
        ('path\n"a\n', "is no whole table"),
        ("path\n", "lists no videos"),
        ("", "is empty"),
    ],
)
def test_what_is_wrong_with_a_list_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_videos(listed(tmp_path, text))


def test_a_misspelt_column_gets_a_hint(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read_videos(listed(tmp_path, "paths\na\n"))
    assert error.value.fix == "Did you mean 'paths'?"


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "videos.csv").write_bytes(b"path\n\xff\xfe\n")
    with pytest.raises(DataError, match=r"videos.csv is not a table in UTF-8"):
        read_videos(tmp_path / "videos.csv")


def put(path: Path, **arrays: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("2d", "features/Food/video_1/abc/abc_2d.npz"),
        ("2d", "features/Food/video_1/abc_2d.npz"),
        ("3d", "features/Food/video_1/abc/abc_3d.npz"),
        ("3d", "features/Food/video_1/abc_3d.npz"),
        ("3d", "features/Food/video_1/abc/abc.npz"),
        ("3d", "features/Food/video_1/abc.npz"),
        ("audio", "audio/Food/video_1/abc/abc_spec.npz"),
        ("audio", "audio/Food/video_1/abc_spec.npz"),
    ],
)
def test_files_lie_where_they_are_published(tmp_path: Path, part: str, name: str) -> None:
    folders = tmp_path / "features", tmp_path / "audio"
    assert find(VIDEO, part, *folders) is None
    rows = np.ones((40, 3), np.float16)
    path = put(tmp_path / name, **{"arr_0" if part == "audio" else "features": rows})
    assert find(VIDEO, part, *folders) == path
    assert list(read_arrays(VIDEO, *folders, {})) == [part]


def test_the_folder_of_a_video_goes_before(tmp_path: Path) -> None:
    put(tmp_path / "f/Food/video_1/abc_2d.npz", features=np.zeros((1, 3), np.float32))
    put(tmp_path / "f/Food/video_1/abc/abc_2d.npz", features=np.ones((1, 3), np.float32))
    found = read_arrays(VIDEO, tmp_path / "f", tmp_path / "a", {})
    np.testing.assert_array_equal(found["2d"], np.ones((1, 3)))


def test_types_stay_what_they_are(tmp_path: Path) -> None:
    path = put(tmp_path / "x.npz", arr_0=np.ones((40, 9), np.float16))
    assert read_part(path, "audio").dtype == np.float16
    path = put(tmp_path / "x.npz", features=np.ones((4, 9)))
    assert read_part(path, "2d").dtype == np.float32


@pytest.mark.parametrize(
    ("part", "arrays", "message"),
    [
        ("2d", {"feature": np.ones((2, 3), np.float32)}, "holds no 'features'"),
        ("audio", {"features": np.ones((40, 3), np.float16)}, "holds no 'arr_0'"),
        ("2d", {"features": np.full((2, 3), np.nan, np.float32)}, "expected finite values"),
        ("3d", {"features": np.ones(3, np.float32)}, r"expected shape \(any, 3\)"),
        ("2d", {"features": np.ones((2, 5), np.float32)}, r"expected shape \(any, 3\)"),
        ("2d", {"features": np.ones((2, 3), np.int32)}, "expected floats"),
        ("audio", {"arr_0": np.ones((39, 3), np.float16)}, r"expected shape \(40, any\)"),
    ],
)
def test_what_is_wrong_with_features_is_named(
    tmp_path: Path, part: str, arrays: dict[str, np.ndarray], message: str
) -> None:
    path = put(tmp_path / "abc_x.npz", **arrays)
    with pytest.raises(DataError, match=rf"abc_x.npz.*{message}"):
        read_part(path, part, 3 if part != "audio" else None)


def test_features_that_are_cut_short_are_named(tmp_path: Path) -> None:
    path = put(tmp_path / "abc_2d.npz", features=np.ones((20, 3), np.float32))
    whole = path.read_bytes()
    for length in (0, 50, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"abc_2d.npz is (not a whole .npz|empty)"):
            read_part(path, "2d")


def captions(folder: Path, value: object) -> Path:
    path = folder / "captions.pickle"
    path.write_bytes(pickle.dumps(value, protocol=4))
    return path


def test_captions_are_lists_or_arrays(tmp_path: Path) -> None:
    spoken = {"start": [0, 2.5], "end": [2, 4.0], "text": ["one", "two"]}
    arrays = {name: np.array(values) for name, values in spoken.items()}
    objects = {**arrays, "text": np.array(["one", "two"], dtype=object)}
    found = read_captions(captions(tmp_path, {"a": spoken, "b": arrays, "c": objects}))
    for key in "abc":
        assert facts_of(found[key], key) == spoken
    assert facts_of(None, "d") == {"start": [], "end": [], "text": []}


def test_captions_are_brought_into_the_order_of_time() -> None:
    raw = {"start": [5.0, 1.0, 5.0], "end": [6.0, 2.0, 7.0], "text": ["b", float("nan"), "c"]}
    assert facts_of(raw, "x")["text"] == ["nan", "b", "c"]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"start": [0.0], "end": [1.0], "text": []}, "x: 1 captions begin, 1 end and 0 have text"),
        ({"start": [0.0], "end": ["1"], "text": ["a"]}, "x: end of the captions: expected finite"),
        ({"start": [np.nan], "end": [1.0], "text": ["a"]}, "x: start of the captions: expected"),
        ({"start": 0.0, "end": [1.0], "text": ["a"]}, "expected a list or an array"),
        ({"start": [2.0], "end": [1.0], "text": ["a"]}, "begins at 2 s and ends at 1 s"),
        ({"start": [2.0]}, "expected captions with start, end, text"),
    ],
)
def test_what_is_wrong_with_captions_is_named(raw: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        facts_of(raw, "x")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected a dict of captions by video, found an empty list"),
        ({}, "found an empty dict"),
        ({1: {}}, "expected ids as text, found 1"),
        ({"a": {"start": [], "end": []}}, "the captions of 'a' are a dict, expected"),
        ({"a": ["text"]}, "the captions of 'a' are a list"),
    ],
)
def test_what_is_no_file_of_captions_is_refused(
    tmp_path: Path, value: object, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_captions(captions(tmp_path, value))


class Touch:
    """What an attacker would store: code that runs as it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    path = captions(tmp_path, {"a": Touch(tmp_path / "harm")})
    with pytest.raises(DataError, match=r"captions.pickle is a pickle with"):
        read_captions(path)
    assert not (tmp_path / "harm").exists()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"captions.pickle is"):
        read_captions(path)
