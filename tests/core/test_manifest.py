"""The files a dataset declares."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest

from mlzoo.data.fingerprint import fingerprint
from mlzoo.data.manifest import human_size, require, status, verify
from mlzoo.data.root import data_root
from mlzoo.errors import DataError
from mlzoo.specs import DataFile, DatasetSpec

CONTENT = b"features"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def spec(*files: DataFile) -> DatasetSpec:
    return DatasetSpec(name="birds", summary="s", task="toy", load="a:b", demo="a:c", files=files)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MLZOO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / "x.mat").write_bytes(CONTENT)
    return tmp_path


def test_whole_file_is_verified(root):
    whole = spec(DataFile(path="x.mat", size=8, sha256=DIGEST))
    assert [found.state for found in status(whole, root)] == ["present"]
    assert [found.state for found in verify(whole, root)] == ["verified"]
    require(whole, root)


@pytest.mark.parametrize(
    ("file", "state"),
    [
        (DataFile(path="y.mat"), "missing"),
        (DataFile(path="x.mat", size=9), "wrong size"),
        (DataFile(path="x.mat", size=8, sha256="0" * 64), "wrong checksum"),
    ],
)
def test_what_is_wrong_is_said(root, file, state):
    (found,) = verify(spec(file), root)
    assert found.state == state
    assert not found.ok


def test_required_files_are_named_with_place_size_and_source(root):
    file = DataFile(path="sub/y.mat", size=13_800_000_000, how_to_get="from the authors' page")
    with pytest.raises(DataError) as caught:
        require(spec(file), root)
    text = str(caught.value)
    for part in ("'birds' needs 1 file", "sub/y.mat (13.8 GB): missing", "from the authors' page"):
        assert part in text
    assert str(root / "birds") in text
    assert "mlzoo data demo birds DIR" in text


def test_options_decide_the_name_of_a_file_with_a_template():
    file = DataFile(path="x.mat", template="{features}.mat", size=8)
    assert file.of({"features": "x"}) is file
    other = file.of({"features": "y", "more": 1})
    assert (other.path, other.size) == ("y.mat", None)
    plain = DataFile(path="x.mat")
    assert plain.of({}) is plain


def test_digest_is_computed_once_for_each_state_of_a_file(root):
    read = []
    one = spec(DataFile(path="x.mat", sha256=DIGEST))
    for _ in range(2):
        verify(one, root, lambda path, count: read.append(count))
    assert read == [8]
    path = root / "birds" / "x.mat"
    path.write_bytes(b"FEATURES")
    os.utime(path, ns=(1, 1))
    assert [found.state for found in verify(one, root)] == ["wrong checksum"]


def test_damaged_cache_is_ignored(root):
    (root / "cache").mkdir()
    (root / "cache" / "checksums.json").write_text("{")
    assert verify(spec(DataFile(path="x.mat", sha256=DIGEST)), root)[0].state == "verified"


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.mat", "a/../../x", ""])
def test_file_outside_the_folder_is_refused(root, path):
    with pytest.raises(DataError, match="outside its folder"):
        status(spec(DataFile(path=path)), root)


def test_root_is_the_option_then_the_variable_then_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MLZOO_DATA", str(tmp_path / "variable"))
    assert data_root(tmp_path / "option") == tmp_path / "option"
    assert data_root(None) == tmp_path / "variable"
    monkeypatch.delenv("MLZOO_DATA")
    assert data_root(None).name == "mlzoo"


@pytest.mark.parametrize(
    ("size", "text"), [(None, "?"), (12, "12 B"), (1500, "1.5 kB"), (13_800_000_000, "13.8 GB")]
)
def test_sizes_are_readable(size, text):
    assert human_size(size) == text


def test_fingerprint_depends_on_content_alone(tmp_path):
    rows = np.arange(6.0).reshape(2, 3)
    same = [rows.copy(order="F"), rows.astype(">f8"), rows[:, ::-1][:, ::-1]]
    np.save(tmp_path / "x.npy", rows)
    same.append(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert {fingerprint({"x": array}) for array in same} == {fingerprint({"x": rows})}
    others = [rows.astype("f4"), rows.reshape(3, 2), rows + 1e-12]
    assert len({fingerprint({"x": array}) for array in [rows, *others]}) == 4
    assert fingerprint({"a": rows, "b": rows}) == fingerprint({"b": rows, "a": rows})
    assert fingerprint({"a": rows}) != fingerprint({"b": rows})


def test_fingerprint_reads_in_pieces_and_still_agrees(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(100, 7))
    whole = fingerprint({"x": rows})
    monkeypatch.setattr("mlzoo.data.fingerprint.CHUNK_BYTES", 64)
    assert fingerprint({"x": rows}) == whole


def test_objects_have_no_fingerprint():
    with pytest.raises(DataError, match="'x' holds Python objects"):
        fingerprint({"x": np.array([{}])})


LAYOUTS = (
    DataFile(path="x.csv", layout="table", how_to_get="write a table"),
    DataFile(path="train.npz", layout="arrays", how_to_get="save arrays"),
    DataFile(path="test.npz", layout="arrays", how_to_get="save arrays"),
)


@pytest.mark.parametrize("there", [["x.csv"], ["train.npz", "test.npz"]])
def test_files_of_one_layout_are_enough(root, there):
    for name in there:
        (root / "birds" / name).write_bytes(CONTENT)
    either = spec(*LAYOUTS, DataFile(path="x.mat"))
    assert [found.file.path for found in status(either, root)] == [*there, "x.mat"]
    assert all(found.ok for found in verify(either, root))
    require(either, root)


def test_an_empty_folder_is_told_of_every_layout(root):
    with pytest.raises(DataError) as caught:
        require(spec(*LAYOUTS), root)
    assert str(caught.value).splitlines()[1:4] == [
        "x.csv: missing",
        "How to get it: write a table",
        "Or instead train.npz, test.npz: save arrays",
    ]


def test_the_layout_that_was_begun_is_the_one_that_lacks_files(root):
    (root / "birds" / "train.npz").write_bytes(CONTENT)
    states = {found.file.path: found.state for found in status(spec(*LAYOUTS), root)}
    assert states == {"train.npz": "present", "test.npz": "missing"}


def test_an_optional_file_is_told_and_never_asked_for(root):
    files = (
        DataFile(path="test.npz", layout="arrays"),
        DataFile(path="train.npz", layout="arrays", role="optional"),
        DataFile(path="test.csv", layout="table"),
    )
    some = spec(*files)
    (root / some.name).mkdir(exist_ok=True)
    (root / some.name / "test.npz").touch()
    require(some, root)
    found = {each.file.path: (each.ok, each.told) for each in status(some, root)}
    assert found == {"test.npz": (True, "present"), "train.npz": (True, "not there, optional")}
    (root / some.name / "test.npz").unlink()
    with pytest.raises(DataError, match="needs 1 file in") as error:
        require(some, root)
    assert "train.npz" not in str(error.value).split("Or instead")[0]
