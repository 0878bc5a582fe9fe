"""What is wrong with the files of MSR-VTT and YouCook2 is one clear error, before the first epoch."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_files import (
    Payload,
    msrvtt_items,
    write_msrvtt_csv,
    write_pickle,
    write_words,
    youcook_items,
)

from mlzoo.errors import DataError
from mlzoo_multisk.benchmark.captions import sentences
from mlzoo_multisk.benchmark.tables import read_names, read_table
from mlzoo_multisk.dataset_config import MsrvttOptions, YouCook2Options
from mlzoo_multisk.msrvtt import doctor, files, loading
from mlzoo_multisk.retrieval import RetrievalData
from mlzoo_multisk.youcook2 import files as youcook2_files
from mlzoo_multisk.youcook2 import loading as youcook2_loading

Change = Callable[[list[Any]], object]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "PRESENT", 6)


def load_msrvtt(root: Path, content: Any) -> RetrievalData:
    write_pickle(root / files.TEST_PICKLE, content)
    write_words(root)
    return loading.load(root, MsrvttOptions())


def set_to(number: int, name: str, value: Any) -> Change:
    def change(items: list[Any]) -> None:
        items[number][name] = value

    return change


def spoilt(array: np.ndarray[Any, Any], value: float) -> Any:
    array = array.copy()
    array[1, 2] = value
    return array


ITEM = msrvtt_items(1)[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_to(2, "2d", spoilt(ITEM["2d"], np.nan)), r"2d of 'video2'.* found nan"),
        (set_to(2, "3d", spoilt(ITEM["3d"], np.inf)), r"3d of 'video2'.* found inf"),
        (set_to(1, "audio", spoilt(ITEM["audio"], np.nan)), r"audio of 'video1'.* finite values"),
        (set_to(3, "2d", ITEM["3d"]), r"2d of 'video3'.* shape \(any, 6\), found \(15, 5\)"),
        (set_to(3, "2d", ITEM["2d"][None]), r"2d of 'video3'.* expected shape"),
        (set_to(3, "2d", ITEM["2d"].astype(int)), r"2d of 'video3'.* expected floats, found int64"),
        (set_to(3, "2d", "rows"), r"2d of 'video3'.* expected an array of numbers, found str"),
        (set_to(3, "2d", np.full((3, 6), 1e300)), r"2d of 'video3'.* found inf"),
        (set_to(4, "audio", ITEM["audio"][:39]), r"audio of 'video4'.* \(40, any\), found \(39, 1000\)"),
        (set_to(4, "audio", ITEM["audio"].T), r"audio of 'video4' .* \(1000, 40\): it lies on its side"),
        (set_to(5, "eval_caption", []), r"the caption list of 'video5' in msrvtt_.* is empty"),
        (set_to(5, "eval_caption", {"a": 1}), r"a caption of 'video5' .* is a dict, expected"),
        (lambda items: items[5].pop("eval_caption"), r"'video5' in .* has no 'eval_caption'"),
        (set_to(1, "id", "video0"), r"the id 'video0' occurs twice"),
        (lambda items: items[1].pop("id"), r"item 1: its id is None, expected text"),
        (set_to(1, "id", ""), r"item 1: its id is an empty str, expected text"),
        (lambda items: items.insert(0, [1]), r"item 0: expected a dict, found a list"),
        (lambda items: items.clear(), r"expected a list of clips, found an empty list"),
    ],
)  # fmt: skip
def test_a_bad_item_of_a_pickle_is_named(tmp_path: Path, change: Change, message: str) -> None:
    items = msrvtt_items(6)
    change(items)
    with pytest.raises(DataError, match=message) as caught:
        load_msrvtt(tmp_path, items)
    assert len(str(caught.value).splitlines()) <= 2


def test_a_dict_in_place_of_the_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a list of clips, found a dict"):
        load_msrvtt(tmp_path, {"video0": 11})


def test_a_hostile_pickle_is_not_executed(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    items = msrvtt_items(6)
    items[3]["audio"] = Payload(trace)
    with pytest.raises(DataError, match=r"is a pickle with the object \w+\.system, which is code"):
        load_msrvtt(tmp_path, items)
    found = doctor.examine(tmp_path, MsrvttOptions())
    assert any(each.level == "error" and "which is code" in each.text for each in found)
    content = youcook_items(2)
    content.append(Payload(trace))
    write_pickle(tmp_path / youcook2_files.TEST_PICKLE, content)
    with pytest.raises(DataError, match="which is code"):
        youcook2_loading.load(tmp_path, YouCook2Options())
    assert not trace.exists()


def test_a_truncated_pickle_is_named(tmp_path: Path) -> None:
    data = pickle.dumps(msrvtt_items(6), protocol=3)
    for kept in (10, len(data) // 2, len(data) - 1):
        (tmp_path / files.TEST_PICKLE).write_bytes(data[:kept])
        with pytest.raises(DataError, match=r"msrvtt_jsfusion_test\.pkl is not a whole pickle"):
            loading.load(tmp_path, MsrvttOptions())


def test_pooled_features_are_one_row_and_doubles_become_singles(tmp_path: Path) -> None:
    items = msrvtt_items(6)
    for item in items:
        item["2d"], item["3d"] = item["2d"][0].astype(np.float64), item["3d"][0]
    data = load_msrvtt(tmp_path, items)
    batch = data.part("test").batch(np.arange(6))
    assert batch.video_mask.sum(axis=1).tolist() == [1] * 6


def test_pickles_of_python_2_are_read(tmp_path: Path) -> None:
    items = msrvtt_items(6)
    for item in items:
        item["eval_caption"] = item["eval_caption"].encode()
        item["id"] = item["id"].encode()
    path = tmp_path / files.TEST_PICKLE
    path.write_bytes(pickle.dumps(items, protocol=2))
    write_words(tmp_path)
    assert loading.load(tmp_path, MsrvttOptions()).part("test").ids[0] == "video0"


def test_features_of_test_and_training_have_one_width(tmp_path: Path) -> None:
    train = msrvtt_items(5, first=50, caption="caption")
    for item in train:
        item["3d"] = item["3d"][:, :4]
    write_pickle(tmp_path / files.TRAIN_PICKLE, train)
    with pytest.raises(DataError, match="3D features of test and training are 4 and 5 wide"):
        load_msrvtt(tmp_path, msrvtt_items(6))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("video1_2d.npz", {"features": np.full((3, 6), np.nan, np.float32)}, "finite values, found nan"),
        ("video1_2d.npz", {"features": np.zeros((3, 9), np.float32)}, r"shape \(any, 6\), found \(3, 9\)"),
        ("video1_3d.npz", {"feature": np.zeros((3, 5), np.float32)}, "holds no 'features'"),
        ("video1_spec.npz", {"arr_0": np.zeros((39, 9), np.float32)}, r"expected shape \(40, any\)"),
        ("video1_spec.npz", {"arr_0": np.array(["a"])}, "expected floats"),
    ],
)  # fmt: skip
def test_a_bad_feature_file_is_named(
    tmp_path: Path, name: str, array: dict[str, Any], message: str
) -> None:
    write_msrvtt_csv(tmp_path)
    np.savez(tmp_path / "features" / name, **array)
    data = loading.load(tmp_path, MsrvttOptions())
    with pytest.raises(DataError, match=f"{name}.*{message}"):
        data.part("test").batch(np.array([1]))


def test_a_truncated_feature_file_is_named(tmp_path: Path) -> None:
    write_msrvtt_csv(tmp_path)
    path = tmp_path / "features" / "video1_2d.npz"
    path.write_bytes(path.read_bytes()[:-30])
    data = loading.load(tmp_path, MsrvttOptions())
    with pytest.raises(DataError, match=r"video1_2d\.npz is not a whole \.npz file"):
        data.part("test").batch(np.array([1]))
    with pytest.raises(DataError, match=r"video1_2d\.npz is not a whole \.npz file"):
        data.fingerprint()


def test_pickled_objects_in_a_feature_file_are_refused(tmp_path: Path) -> None:
    write_msrvtt_csv(tmp_path)
    trace = tmp_path / "executed"
    hostile = np.array([Payload(trace)], dtype=object)
    np.savez(tmp_path / "features" / "video1_2d.npz", features=hostile)
    data = loading.load(tmp_path, MsrvttOptions())
    with pytest.raises(DataError, match="contains pickled objects"):
        data.part("test").batch(np.array([1]))
    assert not trace.exists()


def test_features_and_word_vectors_that_are_missing_are_asked_for(tmp_path: Path) -> None:
    write_msrvtt_csv(tmp_path)
    (tmp_path / "word_vectors.txt").unlink()
    with pytest.raises(DataError, match="has no word vectors"):
        loading.load(tmp_path, MsrvttOptions())
    for path in (tmp_path / "features").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="features has no features"):
        loading.load(tmp_path, MsrvttOptions())
    (tmp_path / "features").rmdir()
    with pytest.raises(DataError, match="features does not exist"):
        loading.load(tmp_path, MsrvttOptions())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("video_id,sentence\n", "has no lines below its first"),
        ("video_id,text\na,b\n", "has the column 'sentence' not"),
        ("video_id,video_id,sentence\na,b,c\n", "has the column 'video_id' twice"),
        ("video_id,sentence\na,b,c\n", "line 2: 3 cells, the first line has 2"),
        ('video_id,sentence\na,"b\nc,d\n', "is no whole table"),
        ("video_id,sentence\na,b\na,c\n", "line 3: the video 'a' stands twice"),
        ("video_id,sentence\n,b\n", "line 2: the video '' is blank"),
        ("video_id,sentence\na,\udce9\n", "is not a table in UTF-8"),
    ],
)
def test_a_bad_list_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "msrvtt_test.csv"
    path.write_bytes(text.encode("utf-8", errors="surrogateescape"))
    with pytest.raises(DataError, match=message):
        loading.read_test_captions(path)


def test_lists_may_have_a_mark_in_front_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes("\ufeffvideo_id,n\r\nvideo1,2\r\n\r\n video2 ,3\r\n".encode())
    assert read_names(path, "video_id") == ["video1", "video2"]
    assert read_table(path, ["n"]) == [(2, {"n": "2"}), (4, {"n": "3"})]
    path.write_text("video_id\nvideo1\nvideo1\n")
    with pytest.raises(DataError, match="'video1' stands in lines 2 and 3"):
        read_names(path, "video_id")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("a  man\n", ("a man",)),
        (12, ("12",)),
        (2.5, ("2.5",)),
        (float("nan"), ("",)),
        (None, ("",)),
        (b"caf\xc3\xa9", ("café",)),
        (np.str_("a man"), ("a man",)),
        (np.array(["a man", "rice"]), ("a man", "rice")),
        (["", "rice", None], ("rice",)),
        (["", " "], ("",)),
        (("a", 3), ("a", "3")),
    ],
)
def test_odd_captions_become_text(value: Any, wanted: tuple[str, ...]) -> None:
    assert sentences(value, "a clip") == wanted
