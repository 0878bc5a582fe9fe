"""A digest of data by content, so that numbers are compared only on equal data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError

CHUNK_BYTES = 1 << 24


def fingerprint(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """SHA-256 over name, type, shape and values of every array, whatever their order or layout.

    Byte order and memory layout do not matter; a memory-mapped array is read in pieces.

    Raises:
        DataError: an array holds Python objects.
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        if array.dtype.hasobject:
            raise DataError(f"array {name!r} holds Python objects and has no fingerprint.")
        dtype = array.dtype.newbyteorder("<")
        digest.update(f"{name} {dtype.str} {array.shape}\n".encode())
        for piece in _pieces(array):
            digest.update(np.ascontiguousarray(piece, dtype=dtype).tobytes())
    return digest.hexdigest()


def _pieces(array: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    if array.ndim == 0 or array.nbytes <= CHUNK_BYTES:
        return [array]
    rows = max(1, CHUNK_BYTES * len(array) // array.nbytes)
    return [array[start : start + rows] for start in range(0, len(array), rows)]
