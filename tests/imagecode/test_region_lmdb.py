"""Published region files are read as data: nothing in them is executed, and what is wrong is named."""

from __future__ import annotations

import base64
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_regions import WIDTH, record, records, write_lmdb

from mlzoo.errors import DataError, MlzooError
from mlzoo.faults import bit_flips, hostile_pickles, truncations
from mlzoo_imagecode.cross.regions import lmdb_reader
from mlzoo_imagecode.cross.regions.lmdb_reader import data_file, opened
from mlzoo_imagecode.cross.regions.records import record_of

lmdb = pytest.importorskip("lmdb")


def failing(path: Path, key: str = "aimg0", width: int | None = None) -> str:
    """The one error of opening a file and reading an image."""
    with pytest.raises(DataError) as raised, opened(path) as file:
        file.read(key, width)
    assert len(str(raised.value).splitlines()) <= 2
    assert str(path) in str(raised.value)
    return str(raised.value)


def changed(tmp_path: Path, **entries: Any) -> str:
    """The error that an image with other entries makes; None leaves one out."""
    values = {**record().published(), **entries}
    value = {name: own for name, own in values.items() if own is not None}
    return failing(write_lmdb(tmp_path / "x.lmdb", {"aimg0": value}))


def coded(array: Any) -> bytes:
    return base64.b64encode(np.asarray(array, "<f4").tobytes())


@pytest.mark.parametrize("layout", ["folder", "file"])
def test_regions_are_read_as_they_were_written(tmp_path: Path, layout: str) -> None:
    own = records()
    path = write_lmdb(tmp_path / "regions.lmdb", own)
    if layout == "file":
        path = data_file(path).rename(tmp_path / "regions.mdb")
    with opened(path) as file:
        assert file.keys == tuple(own)
        for key, expected in own.items():
            found = file.read(key, WIDTH)
            assert (found.height, found.width) == (expected.height, expected.width)
            np.testing.assert_array_equal(found.features, expected.features)
            np.testing.assert_array_equal(found.boxes, expected.boxes)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("text", [False, True])
def test_keys_and_base64_may_be_text_or_bytes_of_any_protocol(
    tmp_path: Path, protocol: int, text: bool
) -> None:
    one = record()
    value = {**one.published(), "num_boxes": 5, "img_h": np.int64(one.height)}
    if text:
        value |= {name: value[name].decode() for name in ("features", "boxes")}
    keys = ["aimg0"] if text else [b"aimg0"]
    entries = {"aimg0": pickle.dumps(value, protocol), "keys": pickle.dumps(keys, protocol)}
    path = tmp_path / "x.lmdb"
    path.mkdir()
    with lmdb.open(str(path)) as environment, environment.begin(write=True) as transaction:
        for key, content in entries.items():
            transaction.put(key.encode(), content)
    with opened(path) as file:
        np.testing.assert_array_equal(file.read("aimg0").boxes, one.boxes)


def test_a_file_that_nobody_may_write_is_read_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = write_lmdb(tmp_path / "x.lmdb", {"aimg0": record()})
    data_file(path).chmod(0o444)
    path.chmod(0o555)
    try:
        with opened(path) as file:
            assert len(file) == 1
        assert [each.name for each in path.iterdir()] == ["data.mdb"]
    finally:
        path.chmod(0o755)


def test_hostile_pickles_are_refused_and_execute_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for number, (trick, content) in enumerate(hostile_pickles(marker).items()):
        message = failing(write_lmdb(tmp_path / f"{number}.lmdb", {"aimg0": content}))
        assert "'aimg0' is a pickle with" in message, trick
        path = write_lmdb(tmp_path / f"keys{number}.lmdb", {"aimg0": record(), "keys": content})
        replace(path, b"keys", content)
        assert "'keys' is a pickle with" in failing(path), trick
        assert not marker.exists(), trick


def replace(path: Path, key: bytes, content: bytes | None) -> None:
    opened_again = lmdb.open(str(path), lock=False)
    with opened_again as environment, environment.begin(write=True) as transaction:
        if content is None:
            transaction.delete(key)
        else:
            transaction.put(key, content)


def test_missing_entries_are_named(tmp_path: Path) -> None:
    path = write_lmdb(tmp_path / "x.lmdb", {"aimg0": record(), "aimg1": record(1)})
    replace(path, b"aimg0", None)
    assert "holds no 'aimg0'" in failing(path)
    replace(path, b"keys", None)
    assert "holds no 'keys': it is no file of regions" in failing(path)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([], "'keys' is no list of images but list"),
        ({"aimg0": 1}, "'keys' is no list of images but dict"),
        ([b"aimg0", 7], "'keys' lists 7, which is no image"),
        ([b"aimg0", b"\xff"], "which is no image"),
        ([b"a\nb"], "which is no image"),
        ([b"keys"], "which is no image"),
        ([b"bimg1", b"aimg0", b"aimg0"], "'keys' lists 'aimg0' twice"),
    ],
)
def test_lists_of_keys_that_cannot_be_one_are_refused(
    tmp_path: Path, keys: Any, message: str
) -> None:
    path = write_lmdb(tmp_path / "x.lmdb", {"aimg0": record()})
    replace(path, b"keys", pickle.dumps(keys))
    assert message in failing(path)


@pytest.mark.parametrize("field", ["img_h", "img_w", "features", "boxes"])
def test_missing_fields_are_named(tmp_path: Path, field: str) -> None:
    assert f"'aimg0' lacks '{field}'" in changed(tmp_path, **{field: None})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("img_h", 0, "img_h: 0 is no number of pixels"),
        ("img_w", "60", "img_w: '60' is no number of pixels"),
        ("img_w", float("nan"), "img_w: nan is no number of pixels"),
        ("img_h", True, "img_h: True is no number of pixels"),
        ("boxes", b"", "boxes have 0 bytes, expected 16 a region and one or more"),
        ("boxes", coded(np.ones(6)), "boxes have 24 bytes"),
        ("boxes", base64.b64encode(b"12345"), "boxes have 5 bytes, no multiple of 4"),
        ("boxes", b"no base64!", "boxes are no whole base64"),
        ("features", 3.5, "features: expected base64, found float"),
        ("features", "Zm9v\u00e9", "features are no whole base64"),
        ("features", base64.b64encode(b"123"), "features have 3 bytes, no multiple of 4"),
        ("features", b"", "features have 0 numbers a region (5 boxes), expected a whole number"),
        ("features", coded(np.ones(31)), "features have 6.2 numbers a region (5 boxes)"),
        ("features", coded([np.nan] * 30), "features: number 0 is nan, expected finite ones"),
        ("features", coded([1.0] * 29 + [np.inf]), "features: number 29 is inf"),
        ("boxes", coded([np.nan] * 20), "boxes: number 0 is nan"),
    ],
)
def test_entries_that_cannot_be_an_images_regions_are_named(
    tmp_path: Path, field: str, value: Any, message: str
) -> None:
    assert message in changed(tmp_path, **{field: value})


@pytest.mark.parametrize(
    ("box", "fits"),
    [
        ((0, 0, 60, 40), True),
        ((-1, -1, 61, 41), True),
        ((5, 5, 5, 5), True),
        ((0, 0, 61.5, 40), False),
        ((0, 0, 60, 41.5), False),
        ((-1.5, 0, 60, 40), False),
        ((30, 0, 20, 40), False),
        ((0, 30, 60, 20), False),
    ],
)
def test_boxes_may_stand_out_by_a_pixel_and_no_more(box: tuple[float, ...], fits: bool) -> None:
    boxes = np.array([[0, 0, 1, 1], box, [2, 2, 3, 3]], np.float32)
    value = {**record(0, 3).published(), "boxes": coded(boxes)}
    if fits:
        np.testing.assert_array_equal(record_of(value, "x").boxes, boxes)
    else:
        with pytest.raises(DataError, match=r"x: box 1 \(.*\) is not inside the image of 60 × 40"):
            record_of(value, "x")


def test_features_of_another_width_are_named(tmp_path: Path) -> None:
    path = write_lmdb(tmp_path / "x.lmdb", {"aimg0": record()})
    assert "features have 6 numbers a region (5 boxes), expected 2048" in failing(path, width=2048)


@pytest.mark.parametrize("value", [[1, 2], None, "text"])
def test_a_value_that_is_no_dictionary_is_refused(tmp_path: Path, value: Any) -> None:
    path = write_lmdb(tmp_path / "x.lmdb", {"aimg0": pickle.dumps(value)})
    assert "expected a dictionary, found" in failing(path)


def test_a_value_beyond_all_measure_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lmdb(tmp_path / "x.lmdb", {"aimg0": record()})
    monkeypatch.setattr(lmdb_reader, "MOST_BYTES", 100)
    assert "'aimg0' has" in failing(path)
    assert "1 to 100 are read" in failing(path)


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    assert "does not exist" in failing(path)
    path.write_bytes(b"")
    assert "is empty" in failing(path)
    path.write_bytes(bytes(9000))
    assert "is no LMDB file" in failing(path)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(DataError, match=r"data.mdb does not exist"), opened(folder):
        pass


def test_cut_and_flipped_files_are_refused_or_read_and_never_end_the_process(
    tmp_path: Path,
) -> None:
    own = records(30)
    path = write_lmdb(tmp_path / "x.lmdb", own)

    def read_all() -> bool:
        try:
            with opened(path) as file:
                for key in file.keys:
                    file.read(key)
        except MlzooError:
            return False
        return True

    assert read_all()
    assert not any(read_all() for _ in truncations(data_file(path), 20))
    assert sum(not read_all() for _ in bit_flips(data_file(path), 150)) > 10


def test_without_lmdb_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lmdb(tmp_path / "x.lmdb", {"aimg0": record()})

    def absent(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(lmdb_reader.importlib, "import_module", absent)
    with pytest.raises(DataError, match=r"pip install 'mlzoo-imagecode\[regions\]'"), opened(path):
        pass
