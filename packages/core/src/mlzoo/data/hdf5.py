"""HDF5 files: whole datasets, or an open file for what is too large to read whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.data.checks import (
    AGAIN,
    MAX_BYTES,
    Array,
    ArraySpec,
    check_all,
    check_size,
    existing,
    extra,
    require,
)
from mlzoo.errors import DataError


@contextmanager
def open_h5(path: str | Path) -> Iterator[Any]:
    """An open ``h5py.File``, read-only, for what is too large to read whole.

    Raises:
        DataError: missing or damaged, also where h5py finds the damage inside the ``with`` block;
            h5py is not installed.
    """
    path = existing(path)
    h5py = extra("h5py", path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path} is not a whole HDF5 file: {error}.", AGAIN) from error
    with file:
        try:
            yield file
        except OSError as error:
            if error.errno is not None:  # of the block's own files
                raise
            raise DataError(f"{path} is damaged: {error}.", AGAIN) from error


def read_h5(
    path: str | Path, arrays: Mapping[str, ArraySpec], *, max_bytes: int = MAX_BYTES
) -> dict[str, Array]:
    """Datasets of an HDF5 file by name (``group/name`` inside groups), whole.

    Raises:
        DataError: missing, damaged, stored in another file, too large, or not as specified.
    """
    with open_h5(path) as file:
        require(path, arrays, file)
        datasets = {name: _numbers(file[name], file, name) for name in arrays}
        check_size(path, sum(dataset.nbytes for dataset in datasets.values()), max_bytes)
        found = {name: dataset[()] for name, dataset in datasets.items()}
    found = {name: np.asarray(value) for name, value in found.items()}
    check_all(path, found, arrays)
    return found


def own_dataset(node: Any, file: Any, name: str) -> Any:
    """A dataset whose bytes lie in this very file; links could show any file of the machine."""
    if not hasattr(node, "dtype"):
        raise DataError(f"{file.filename}: {name!r} is a group; expected an array.")
    if node.file.filename != file.filename or node.external or node.is_virtual:
        raise DataError(f"{file.filename}: {name!r} is stored in another file.")
    return node


def _numbers(node: Any, file: Any, name: str) -> Any:
    if own_dataset(node, file, name).dtype.kind == "O":
        raise DataError(f"{file.filename}: {name!r} holds objects; expected numbers.")
    return node
