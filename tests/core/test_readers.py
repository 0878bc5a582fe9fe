"""Data files: read whole and checked, or refused in one sentence that names file and finding."""

from __future__ import annotations

import io
import pickle
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlzoo.data.readers import (
    ArraySpec,
    check_array,
    first_not_finite,
    open_h5,
    read_h5,
    read_mat,
    read_npy,
    read_npz,
    read_pickle,
)
from mlzoo.errors import DataError

h5py = pytest.importorskip("h5py")
scipy_io = pytest.importorskip("scipy.io")

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
published = pytest.mark.skipif(not SHARED.is_dir(), reason="the published files are not here")

FEATURES = np.arange(12.0, dtype=np.float32).reshape(4, 3)
LABELS = np.array([0, 1, 1, 2])
NAMES = ["002.Laysan_Albatross", "ä ö", "", "x"]


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    path = tmp_path / "data.npz"
    np.savez_compressed(path, features=FEATURES, labels=LABELS, fortran=np.asfortranarray(FEATURES))
    return path


def damaged(path: Path) -> Path:
    """Half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def write_mat73(path: Path, features: Any = FEATURES) -> Path:
    """What MATLAB writes with -v7.3: a 512-byte header, axes reversed, cells by reference."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["features"] = features.T
        file["features"].attrs["MATLAB_class"] = np.bytes_("single")
        references = np.empty((2, 2), dtype=h5py.ref_dtype)  # a 2 x 2 cell array
        for index, name in enumerate(NAMES):
            units = np.frombuffer(name.encode("utf-16-le"), "<u2").reshape(-1, 1)
            cell = file.create_dataset(f"#refs#/{index}", data=units if name else np.zeros(2, "u8"))
            cell.attrs["MATLAB_class"] = np.bytes_("char")
            if not name:
                cell.attrs["MATLAB_empty"] = np.uint8(1)
            references.flat[index] = cell.ref
        file.create_dataset("names", data=references, dtype=h5py.ref_dtype)
        file["names"].attrs["MATLAB_class"] = np.bytes_("cell")
        file["title"] = np.frombuffer("ab".encode("utf-16-le"), "<u2").reshape(-1, 1)
        file["title"].attrs["MATLAB_class"] = np.bytes_("char")
        file["nothing"] = np.array([0, 3], "u8")
        file["nothing"].attrs.update({"MATLAB_class": np.bytes_("double"), "MATLAB_empty": 1})
        file.create_group("options").attrs["MATLAB_class"] = np.bytes_("struct")
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    with path.open("r+b") as raw:
        raw.write(header)
    return path


def write_mat5(path: Path, features: Any = FEATURES) -> Path:
    names = np.empty((2, 2), dtype=object)
    names.T.flat[:] = NAMES
    values = {"features": features, "names": names, "title": "ab", "nothing": np.zeros((0, 3))}
    scipy_io.savemat(path, {**values, "options": {"a": 1}}, do_compression=True)
    return path


# .npz and .npy


def test_npz_gives_all_arrays_when_none_is_named(npz: Path) -> None:
    found = read_npz(npz)
    assert sorted(found) == ["features", "fortran", "labels"]
    assert np.array_equal(found["features"], FEATURES)
    assert np.array_equal(found["fortran"], FEATURES)
    assert found["labels"].dtype == LABELS.dtype


def test_npz_gives_what_is_asked_for_and_optional_arrays_that_are_there(npz: Path) -> None:
    spec = {"features": ArraySpec(shape=(None, 3), kinds="f")}
    found = read_npz(npz, spec, optional={"labels": ArraySpec(ndim=1), "weights": ArraySpec()})
    assert sorted(found) == ["features", "labels"]


def test_optional_array_is_held_against_its_spec(npz: Path) -> None:
    with pytest.raises(DataError, match="'labels': expected 2 axes"):
        read_npz(npz, {}, optional={"labels": ArraySpec(ndim=2)})


def test_stored_predictions_with_nan_are_read_unless_finite_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "test.npz"
    np.savez(path, scores=np.array([[1.0, 2.0], [np.nan, np.inf]]))
    assert np.isnan(read_npz(path)["scores"][1, 0])
    assert np.isnan(read_npz(path, {"scores": ArraySpec(finite=False)})["scores"][1, 0])
    with pytest.raises(DataError, match=r"test\.npz: array 'scores': .* found nan at \[1, 0\]"):
        read_npz(path, {"scores": ArraySpec()})


def test_missing_array_is_named_with_the_nearest_name(npz: Path) -> None:
    with pytest.raises(DataError, match=r"data\.npz holds no 'feature'.\nDid you mean 'features'"):
        read_npz(npz, {"feature": ArraySpec()})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ArraySpec(ndim=3), r"expected 3 axes, found shape \(4, 3\)"),
        (ArraySpec(shape=(None, 4)), r"expected shape \(any, 4\), found \(4, 3\)"),
        (ArraySpec(shape=(None, 3, 1)), r"expected shape \(any, 3, 1\), found \(4, 3\)"),
        (ArraySpec(kinds="iu"), "expected integers or unsigned integers, found float32"),
    ],
)
def test_array_that_is_not_as_specified_is_named(npz: Path, spec: ArraySpec, message: str) -> None:
    with pytest.raises(DataError, match=r"data\.npz: array 'features': " + message):
        read_npz(npz, {"features": spec})


def test_every_truncation_of_an_npz_is_refused(npz: Path) -> None:
    data = npz.read_bytes()
    for end in range(0, len(data), 7):
        npz.write_bytes(data[:end])
        with pytest.raises(DataError, match=r"data\.npz is (empty|not a whole \.npz file)"):
            read_npz(npz)


def test_damage_inside_an_npz_never_escapes_as_another_error(npz: Path) -> None:
    random = np.random.default_rng(0)
    data = npz.read_bytes()
    refused = 0
    for _ in range(300):
        changed = bytearray(data)
        changed[random.integers(len(data))] ^= 1 << random.integers(8)
        npz.write_bytes(changed)
        try:
            read_npz(npz)
        except DataError:
            refused += 1
    assert refused > 150


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_pickled_objects_in_arrays_are_refused_and_not_run(suffix: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"

    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (trap,)

    path = tmp_path / f"data.{suffix}"
    array = np.array([Hostile(), None], dtype=object)
    if suffix == "npy":
        np.save(path, array, allow_pickle=True)
        with pytest.raises(DataError, match="contains pickled objects"):
            read_npy(path)
    else:
        np.savez(path, array=array)
        with pytest.raises(DataError, match="array 'array' contains pickled objects"):
            read_npz(path)
    assert not trap.exists()


def test_archive_that_unpacks_to_too_much_is_refused_before_unpacking(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, zeros=np.zeros(10**6), few=np.zeros(3))
    assert path.stat().st_size < 20_000
    with pytest.raises(DataError, match=r"bomb\.npz declares 8,000,\d+ bytes; at most 100,000"):
        read_npz(path, {"zeros": ArraySpec()}, max_bytes=100_000)
    assert read_npz(path, {"few": ArraySpec()}, max_bytes=100_000)["few"].shape == (3,)


@pytest.mark.parametrize("shape", [(10**13,), (2**40, 2**40), (0,), (2,)])
def test_header_that_declares_another_size_is_refused(shape: Any, tmp_path: Path) -> None:
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    content = stream.getvalue() + b"\0" * 24
    (tmp_path / "x.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(DataError, match="found 24"):
        read_npy(tmp_path / "x.npy")
    with pytest.raises(DataError, match=r"array 'x': .* found 24"):
        read_npz(tmp_path / "x.npz")


@pytest.mark.parametrize("array", [FEATURES, np.asfortranarray(FEATURES), np.zeros((0, 2))])
@pytest.mark.parametrize("mmap", [False, True])
def test_npy_is_read_or_mapped(array: Any, mmap: bool, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", array)
    read = read_npy(tmp_path / "x.npy", ArraySpec(ndim=2, kinds="f"), mmap=mmap)
    assert np.array_equal(read, array)
    assert read.dtype == array.dtype
    assert isinstance(read, np.memmap) == (mmap and array.size > 0)


@pytest.mark.parametrize("mmap", [False, True])
def test_truncated_or_foreign_npy_is_refused(mmap: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, FEATURES)
    with pytest.raises(DataError, match=r"x\.npy"):
        read_npy(damaged(path), mmap=mmap)
    path.write_bytes(pickle.dumps([1]) * 20)
    with pytest.raises(DataError, match=r"not a whole \.npy file"):
        read_npy(path, mmap=mmap)


@pytest.mark.parametrize("read", [read_npz, read_npy, read_pickle])
def test_missing_file_folder_and_empty_file_are_told_apart(read: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.npz does not exist"):
        read(tmp_path / "none.npz")
    with pytest.raises(DataError, match="is not a file"):
        read(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(DataError, match="empty is empty"):
        read(tmp_path / "empty")


# Finite values


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_first_bad_value_is_found_in_storage_order(order: Any, chunk: int) -> None:
    array = np.zeros((3, 4), order=order)
    assert first_not_finite(array, chunk) is None
    array[2, 1], array[1, 3] = np.nan, -np.inf
    assert first_not_finite(array, chunk) == ((1, 3) if order == "C" else (2, 1))


def test_single_value_and_complex_numbers_are_checked() -> None:
    assert first_not_finite(np.array(np.nan)) == ()
    assert first_not_finite(np.array([1, complex(0, np.inf)])) == (1,)
    assert first_not_finite(np.array(["nan"])) is None
    with pytest.raises(DataError, match=r"expected finite values, found inf at \[0\]"):
        check_array(np.array([np.inf], dtype=np.float16), ArraySpec(), "it")


def test_check_for_finite_values_needs_no_second_array() -> None:
    array = np.zeros((2000, 4000), dtype=np.float32, order="F")
    tracemalloc.start()
    assert first_not_finite(array) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < array.size / 4  # a boolean for each value would take array.size


# MATLAB


@pytest.mark.parametrize("write", [write_mat5, write_mat73])
def test_matlab_file_of_either_version_gives_the_same(write: Any, tmp_path: Path) -> None:
    found = read_mat(write(tmp_path / "x.mat"), ["features", "names", "title", "nothing"])
    assert np.array_equal(found["features"], FEATURES)
    assert found["names"] == NAMES
    assert found["title"] == ["ab"]
    assert np.shape(found["nothing"]) == (0, 3)


@pytest.mark.parametrize("write", [write_mat5, write_mat73])
def test_matlab_vector_keeps_its_two_axes(write: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "x.mat", np.arange(4.0).reshape(4, 1))
    assert np.shape(read_mat(path, ["features"])["features"]) == (4, 1)


@pytest.mark.parametrize("write", [write_mat5, write_mat73])
def test_matlab_variable_that_is_missing_or_a_struct_is_named(write: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "x.mat")
    with pytest.raises(DataError, match=r"x\.mat holds no 'feature'.\nDid you mean 'features'"):
        read_mat(path, ["feature"])
    with pytest.raises(DataError, match="'options' is a struct; expected numbers or strings"):
        read_mat(path, ["options"])
    with pytest.raises(DataError, match="declares"):
        read_mat(path, ["features"], max_bytes=10)


@pytest.mark.parametrize("write", [write_mat5, write_mat73])
def test_optional_matlab_variable_is_read_if_it_is_there_and_numbers_or_strings(
    write: Any, tmp_path: Path
) -> None:
    path = write(tmp_path / "x.mat")
    found = read_mat(path, ["features"], optional=["names", "weights", "options"])
    assert found.keys() == {"features", "names"}
    assert found["names"] == NAMES
    with pytest.raises(DataError, match="declares"):
        read_mat(path, [], optional=["features"], max_bytes=10)


def test_optional_cell_array_of_numbers_is_left_out(tmp_path: Path) -> None:
    cells = np.empty((2, 1), dtype=object)
    cells[:, 0] = [np.ones((2, 2)), "a"]
    scipy_io.savemat(tmp_path / "x.mat", {"cells": cells, "one": 1.0})
    assert read_mat(tmp_path / "x.mat", ["one"], optional=["cells"]).keys() == {"one"}
    with pytest.raises(DataError, match="'cells' is a cell with other than strings"):
        read_mat(tmp_path / "x.mat", ["cells"])


@pytest.mark.parametrize("write", [write_mat5, write_mat73])
def test_truncated_matlab_file_is_refused(write: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "x.mat")
    data = path.read_bytes()
    for end in range(1, len(data) - 400, max(1, len(data) // 40)):
        path.write_bytes(data[:end])
        with pytest.raises(DataError, match=r"x\.mat"):
            read_mat(path, ["features", "names"])


@pytest.mark.parametrize("compressed", [False, True])
def test_matlab_file_cut_off_before_a_variable_does_not_just_lack_it(
    compressed: bool, tmp_path: Path
) -> None:
    path = tmp_path / "x.mat"
    features = np.random.default_rng(0).random((40, 30))
    scipy_io.savemat(path, {"features": features, "labels": [[1.0]]}, do_compression=compressed)
    path.write_bytes(path.read_bytes()[:5000])
    for keys, optional in ((["labels"], []), ([], ["labels"])):
        with pytest.raises(DataError, match=r"x\.mat is cut off: 5,000 of at least"):
            read_mat(path, keys, optional=optional)


def test_damage_inside_a_matlab_file_never_escapes_as_another_error(tmp_path: Path) -> None:
    path = write_mat5(tmp_path / "x.mat")
    random = np.random.default_rng(0)
    data = path.read_bytes()
    refused = 0
    for _ in range(300):
        changed = bytearray(data)
        changed[random.integers(len(data))] = random.integers(256)
        path.write_bytes(changed)
        try:
            read_mat(path, ["features", "names"])
        except DataError:
            refused += 1
    assert refused > 50


def test_version_is_told_by_the_header(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    path.write_bytes(b"MATLAB 9.9 MAT-file".ljust(124) + b"\x00\x07IM" + b"\0" * 500)
    with pytest.raises(DataError, match=r"x\.mat is not a MATLAB file of version 5"):
        read_mat(path, ["features"])


# HDF5


def test_hdf5_datasets_are_read_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("group/features", data=FEATURES, compression="gzip")
        file["labels"] = LABELS
    found = read_h5(path, {"group/features": ArraySpec(shape=(4, 3)), "labels": ArraySpec(ndim=1)})
    assert np.array_equal(found["group/features"], FEATURES)
    with pytest.raises(DataError, match="Did you mean 'labels'"):
        read_h5(path, {"label": ArraySpec()})
    with pytest.raises(DataError, match="'group' is a group"):
        read_h5(path, {"group": ArraySpec()})
    with pytest.raises(DataError, match="declares"):
        read_h5(path, {"labels": ArraySpec()}, max_bytes=8)
    with pytest.raises(DataError, match="expected floats"):
        read_h5(path, {"labels": ArraySpec(kinds="f")})


def test_open_hdf5_file_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["a"] = LABELS
    with open_h5(path) as file:
        assert file["a"][1:3].tolist() == [1, 1]
        with pytest.raises((OSError, ValueError)):
            file["b"] = 1


def test_damaged_hdf5_is_refused_when_opened_or_read(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    values = np.random.default_rng(0).random(5000)
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=values, chunks=(500,), compression="gzip", fletcher32=True)
    data = bytearray(path.read_bytes())
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="not a whole HDF5 file"):
        read_h5(path, {"a": ArraySpec()})
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"x\.h5"):
        read_h5(path, {"a": ArraySpec()})


def test_hdf5_link_to_another_file_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["a"] = LABELS
    (tmp_path / "raw").write_bytes(b"12345678")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["linked"] = h5py.ExternalLink(str(secret), "a")
        raw = [(str(tmp_path / "raw"), 0, 8)]
        file.create_dataset("raw", shape=(8,), dtype="u1", external=raw)
        layout = h5py.VirtualLayout(shape=LABELS.shape, dtype=LABELS.dtype)
        layout[:] = h5py.VirtualSource(str(secret), "a", shape=LABELS.shape)
        file.create_virtual_dataset("virtual", layout)
    for name in ("linked", "raw", "virtual"):
        with pytest.raises(DataError, match="stored in another file"):
            read_h5(tmp_path / "x.h5", {name: ArraySpec()})
        with pytest.raises(DataError, match="stored in another file"):
            read_mat(tmp_path / "x.h5", [name])


@pytest.mark.parametrize("library", ["h5py", "scipy.io"])
def test_missing_library_names_the_extra(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = (write_mat73 if library == "h5py" else write_mat5)(tmp_path / "x.mat")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(DataError, match=r"mlzoo-core\[data\]"):
        read_mat(path, ["features"])


# Pickles


def test_pickle_is_read_through_the_restricted_unpickler(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"a": FEATURES}))
    assert np.array_equal(read_pickle(path)["a"], FEATURES)
    with pytest.raises(DataError, match="at most 10 are read"):
        read_pickle(path, max_bytes=10)
    path.write_bytes(pickle.dumps(print))
    with pytest.raises(DataError, match=r"x\.pkl is a pickle with the object builtins\.print"):
        read_pickle(path)


# Published files


@published
@pytest.mark.parametrize(
    ("path", "shape", "names"),
    [
        ("CUB/att_splits.mat", (312, 200), 200),
        ("CUB/sent_splits.mat", (1024, 200), 200),
        ("AWA1/att_splits.mat", (85, 50), 50),
        ("AWA2/att_splits_v2.mat", (85, 50), 50),
        ("SUN/att_splits.mat", (102, 717), 717),
        ("APY/att_splits.mat", (64, 32), 32),
        ("UCF101/att_splits.mat", (300, 101), 101),
    ],
)
def test_published_split_is_read(path: str, shape: tuple[int, int], names: int) -> None:
    keys = ["att", "allclasses_names", "trainval_loc"]
    found = read_mat(SHARED / "zero-shot" / path, keys)
    assert np.shape(found["att"]) == shape
    assert len(set(found["allclasses_names"])) == names
    assert np.shape(found["trainval_loc"])[1] == 1


@published
def test_published_word_vectors_are_read() -> None:
    path = SHARED / "nus-wide" / "NUS_WIDE_pretrained_w2v_glove-wiki-gigaword-300"
    tags, concepts = read_pickle(path)
    assert (tags.shape, concepts.shape) == ((1000, 300), (81, 300))
    assert np.linalg.norm(tags, axis=1).mean() == pytest.approx(6.66, abs=0.01)


@published
def test_published_features_are_read() -> None:
    path = SHARED / "zero-shot" / "CUB" / "resnet_logits_f16.npz"
    spec = ArraySpec(shape=(11_788, 1000), kinds="f")
    assert read_npz(path, {"features": spec})["features"].dtype == np.float16
