"""Read data files safely: every failure is one ``DataError`` with file, expectation and finding.

Nothing here executes what a file holds. HDF5 and MATLAB files need the extra ``mlzoo-core[data]``.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from mlzoo.data import restricted_pickle
from mlzoo.data.checks import (
    AGAIN,
    MAX_BYTES,
    Array,
    ArraySpec,
    check_all,
    check_array,
    check_size,
    existing,
    first_not_finite,
    readable,
    require,
)
from mlzoo.data.hdf5 import open_h5, read_h5
from mlzoo.data.matlab import read_mat
from mlzoo.errors import DataError

__all__ = [
    "MAX_BYTES",
    "Array",
    "ArraySpec",
    "check_array",
    "first_not_finite",
    "open_h5",
    "read_h5",
    "read_mat",
    "read_npy",
    "read_npz",
    "read_pickle",
]


def read_npz(
    path: str | Path,
    arrays: Mapping[str, ArraySpec] | None = None,
    *,
    optional: Mapping[str, ArraySpec] | None = None,
    max_bytes: int = MAX_BYTES,
) -> dict[str, Array]:
    """Arrays of an .npz file by name; others than those asked for are not even decompressed.

    Args:
        path: the file.
        arrays: those that must be there. None reads all as they are, NaN included: stored
            predictions may hold it.
        optional: those that are read and checked if they are there.
        max_bytes: cap on the declared size of what is read, uncompressed.

    Raises:
        DataError: missing, damaged, pickled objects, too large, or not as specified.
    """
    path = existing(path)
    with readable(path, "a whole .npz file"), zipfile.ZipFile(path) as archive:
        members = {
            info.filename.removesuffix(".npy"): info
            for info in archive.infolist()
            if info.filename.endswith(".npy")
        }
        names = list(members)
        if arrays is not None:
            require(path, arrays, members)
            names = [*arrays, *(name for name in optional or () if name in members)]
        check_size(path, sum(members[name].file_size for name in names), max_bytes)
        found = {}
        for name in names:
            with archive.open(members[name]) as file:
                found[name] = _read_array(file, members[name].file_size, f"{path}: array {name!r}")
    check_all(path, found, {**(optional or {}), **(arrays or {})})
    return found


def read_npy(path: str | Path, spec: ArraySpec | None = None, *, mmap: bool = False) -> Array:
    """The array of an .npy file, checked against ``spec`` if there is one.

    Args:
        path: the file.
        spec: what it must be; a check for finite values reads the whole file, mapped or not.
        mmap: leave it on the disk, read-only, and read what is used.

    Raises:
        DataError: missing, truncated, pickled objects, or not as specified.
    """
    path = existing(path)
    with readable(path, "a whole .npy file"), path.open("rb") as file:
        array = _read_array(file, path.stat().st_size, str(path), path if mmap else None)
    if spec is not None:
        check_array(array, spec, str(path))
    return array


def _read_array(file: IO[bytes], size: int, what: str, mapped: Path | None = None) -> Array:
    """One array in numpy's format, its declared shape held against the bytes that are there."""
    version = np.lib.format.read_magic(file)
    first = version == (1, 0)
    read_header = (
        np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise DataError(
            f"{what} contains pickled objects, which can run code when they are read.",
            "Only numbers and text are read; store it again with a plain dtype.",
        )
    declared, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if declared != there:
        raise DataError(
            f"{what}: expected {declared} bytes for shape {shape}, found {there}.", AGAIN
        )
    if mapped is not None and declared:  # nothing cannot be mapped
        return np.lib.format.open_memmap(mapped, mode="r")
    file.seek(0)
    array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array


def read_pickle(path: str | Path, *, encoding: str = "ASCII", max_bytes: int = 2**32) -> Any:
    """A published pickle as plain data; see :func:`mlzoo.data.restricted_pickle.loads`.

    Raises:
        DataError: missing, damaged, larger than ``max_bytes``, or holds anything but containers,
            numbers, strings and numpy arrays.
    """
    path = existing(path)
    check_size(path, path.stat().st_size, max_bytes)
    with readable(path, "readable"):
        return restricted_pickle.load_file(path, encoding=encoding)
