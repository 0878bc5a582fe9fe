"""Variables of MATLAB files, version 5 to 7.3, in MATLAB's own orientation."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import AGAIN, MAX_BYTES, check_size, existing, extra, readable, require
from mlzoo.data.hdf5 import open_h5, own_dataset
from mlzoo.errors import DataError

Value = npt.NDArray[Any] | list[str]

_NUMBERS = (
    "double",
    "single",
    "logical",
    *(f"{s}int{n}" for s in ("", "u") for n in (8, 16, 32, 64)),
)
_V5_KINDS = (*_NUMBERS, "char", "cell")
_HDF5_KINDS = (*_V5_KINDS, "")  # "": written by other programs

_CELL_BYTES = 2**20  # of one string
_HDF5 = b"\x89HDF\r\n\x1a\n"


def read_mat(
    path: str | Path,
    keys: Iterable[str],
    *,
    optional: Iterable[str] = (),
    max_bytes: int = MAX_BYTES,
) -> dict[str, Value]:
    """Variables of a .mat file by name.

    Numbers keep their two or more axes and their order as MATLAB shows them; cell arrays of strings
    become ``list[str]`` in column order, character arrays ``list[str]`` with one string a row.

    Args:
        path: the file; its header tells the version.
        keys: the variables that must be there.
        optional: those that are read if they are there and hold numbers or strings.
        max_bytes: cap on the declared size of what is read.

    Raises:
        DataError: missing, damaged, not a MATLAB file, too large, without one of the keys, or one of
            them is neither numbers nor strings (struct, function, sparse matrix).
    """
    path = existing(path)
    keys, optional = list(keys), list(optional)
    with path.open("rb") as file:
        header = file.read(520)
    # Bytes 124-127: the version, then "IM" (little-endian) or "MI".
    version = header[125:126] if header[126:128] == b"IM" else header[124:125]
    if header.startswith(_HDF5) or (version == b"\x02" and header[512:520] == _HDF5):
        return _read_hdf5(path, keys, optional, max_bytes)
    if header[126:128] in (b"IM", b"MI") and version == b"\x01":
        return _read_v5(path, keys, optional, max_bytes)
    raise DataError(f"{path} is not a MATLAB file of version 5, 6, 7 or 7.3.", AGAIN)


def _read_v5(path: Path, keys: list[str], optional: list[str], max_bytes: int) -> dict[str, Value]:
    matlab = extra("scipy.io", path)
    damage = extra("scipy.io.matlab", path).MatReadError
    try:
        with readable(path, "a whole MATLAB file"):
            listed = {name: (shape, kind) for name, shape, kind in matlab.whosmat(path)}
            _check_whole(path)
            require(path, keys, listed)
            for key in keys:
                if listed[key][1] not in _V5_KINDS:
                    raise _unreadable(path, key, listed[key][1])
            kinds = {key: listed[key][1] for key in optional if key in listed}
            keys = [*keys, *(key for key, kind in kinds.items() if kind in _V5_KINDS)]
            # Eight bytes an item at most: doubles, or the pointers of a cell array.
            check_size(path, sum(8 * math.prod(listed[key][0]) for key in keys), max_bytes)
            found = matlab.loadmat(path, variable_names=keys, mat_dtype=False, appendmat=False)
    except (damage, NotImplementedError, zlib.error) as error:
        raise DataError(f"{path} is not a whole MATLAB file: {error}.", AGAIN) from error
    return _values(keys, optional, lambda key: _v5_value(path, key, found[key]))


def _check_whole(path: Path) -> None:
    """A file that was cut off would only seem to lack the variables behind the cut."""
    size, end = path.stat().st_size, 128
    with path.open("rb") as file:
        header = file.read(end)
        order: Literal["little", "big"] = "little" if header[126:128] == b"IM" else "big"
        while end < size:  # a variable: its type and its length, four bytes each, and so many bytes
            file.seek(end + 4)
            end += 8 + int.from_bytes(file.read(4), order)
    if end > size:
        raise DataError(f"{path} is cut off: {size:,} of at least {end:,} bytes are there.", AGAIN)


def _values(
    keys: list[str], optional: list[str], value: Callable[[str], Value]
) -> dict[str, Value]:
    found = {}
    for key in keys:
        try:
            found[key] = value(key)
        except _UnreadableError:
            if key not in optional:
                raise
    return found


def _v5_value(path: Path, key: str, value: Any) -> Value:
    if value.dtype.kind == "U":
        return [str(row) for row in value.ravel()]
    if value.dtype.kind != "O":
        return np.asarray(value)
    cells = value.ravel(order="F")
    for cell in cells:
        if not (isinstance(cell, np.ndarray) and cell.dtype.kind == "U" and cell.size <= 1):
            raise _unreadable(path, key, "cell with other than strings")
    return [str(cell.item()) if cell.size else "" for cell in cells]


def _read_hdf5(
    path: Path, keys: list[str], optional: list[str], max_bytes: int
) -> dict[str, Value]:
    with open_h5(path) as file:
        require(path, keys, file)
        for key in keys:
            if (kind := _matlab_class(file[key])) not in _HDF5_KINDS:
                raise _unreadable(path, key, kind)
        there = [key for key in optional if key in file]
        keys = [*keys, *(key for key in there if _matlab_class(file[key]) in _HDF5_KINDS)]
        datasets = {key: own_dataset(file[key], file, key) for key in keys}
        check_size(path, sum(dataset.nbytes for dataset in datasets.values()), max_bytes)
        return _values(keys, optional, lambda key: _hdf5_value(path, key, datasets[key]))


def _hdf5_value(path: Path, key: str, dataset: Any) -> Value:
    kind = _matlab_class(dataset)
    empty = "MATLAB_empty" in dataset.attrs  # then it holds the shape
    if kind == "cell":
        # Stored with its axes reversed: the order of the bytes is MATLAB's column order.
        references = [] if empty else dataset[()].ravel()
        return [_hdf5_cell(path, key, dataset.file, reference) for reference in references]
    if dataset.dtype.kind not in "fiub":
        raise _unreadable(path, key, f"dataset of {dataset.dtype}")
    if kind == "char":
        return _rows(dataset)
    return np.empty(tuple(int(n) for n in dataset[()])) if empty else np.asarray(dataset[()]).T


def _hdf5_cell(path: Path, key: str, file: Any, reference: Any) -> str:
    node = own_dataset(file[reference], file, key) if reference else file
    if _matlab_class(node) != "char" or node.dtype.kind != "u" or node.nbytes > _CELL_BYTES:
        raise _unreadable(path, key, "cell with other than strings")
    return "".join(_rows(node))


def _matlab_class(node: Any) -> str:
    name = node.attrs.get("MATLAB_class", b"")
    return name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)


def _rows(dataset: Any) -> list[str]:
    """The strings of a character array, stored as UTF-16 units with the axes reversed."""
    if "MATLAB_empty" in dataset.attrs:
        return []
    units = np.atleast_2d(dataset[()].T).astype("<u2")
    return [row.tobytes().decode("utf-16-le", "replace") for row in units]


class _UnreadableError(DataError):
    """A variable that is whole, but neither numbers nor strings."""


def _unreadable(path: Path, key: str, kind: str) -> _UnreadableError:
    return _UnreadableError(f"{path}: variable {key!r} is a {kind}; expected numbers or strings.")
