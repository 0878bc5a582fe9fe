"""Rows of one or several arrays in a folder: a ``.npy`` file each, and ``made.json``, what they are.

:class:`mlzoo.backbones.part_work.PartWork` makes such a folder; this is its format and the way to
read it. All arrays have the same number of rows n, of float32.

The digest of an array is a chain over its rows, so that it is known as rows are added, goes on after a
stop and does not depend on how many were added at once: d₀ = SHA-256(shape of a row as text),
d₁ = SHA-256(d₀, bytes of the first row), and so on.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import AGAIN, Array, ArraySpec
from mlzoo.data.readers import read_npy
from mlzoo.errors import DataError, RunError
from mlzoo.files import read_json

MADE = "made.json"
HEADER = 256
"""Bytes of the header of every array, so that rows can be written before their number is known."""

Shape = tuple[int, ...]


def npy_header(rows: int, shape: Shape) -> bytes:
    """The header of a float32 array [rows, *shape] in numpy's format 1.0, padded to :data:`HEADER`.

    Raises:
        ValueError: a shape of too many axes.
    """
    described = {"descr": "<f4", "fortran_order": False, "shape": (rows, *shape)}
    text = repr(described).encode()
    start = b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little")
    if len(start) + len(text) >= HEADER:
        raise ValueError(f"rows of shape {shape} have too many axes")
    return start + text.ljust(HEADER - len(start) - 1) + b"\n"


def first_link(shape: Shape) -> bytes:
    """The digest of an array of no rows."""
    return hashlib.sha256(repr(tuple(shape)).encode()).digest()


def chained(digest: bytes, rows: npt.NDArray[np.float32]) -> bytes:
    """The digest after these rows [n, *shape] are added."""
    if len(rows) == 0:
        return digest
    flat = np.ascontiguousarray(rows, "<f4").reshape(len(rows), -1).view(np.uint8)
    for row in flat:
        digest = hashlib.sha256(digest + row.data).digest()
    return digest


@dataclass(frozen=True)
class RowStore:
    """A finished folder of rows.

    Attributes:
        folder: where it lies.
        identity: what the rows were made of, by name.
        length: of the list whose things gave a row or were left out.
        left_out: the reasons by place in the list.
        digests: of the arrays, in hexadecimal.
        arrays: float32 [n, *shape] by name, mapped from the disk and read-only.
    """

    folder: Path
    identity: Mapping[str, str]
    length: int
    left_out: Mapping[int, str]
    digests: Mapping[str, str]
    arrays: Mapping[str, npt.NDArray[np.float32]]

    @classmethod
    def opened(cls, folder: Path) -> Self:
        """Look at a folder without reading its rows.

        Raises:
            DataError: it is none, a file is missing or damaged, or has other rows than ``made.json``
                says.
        """
        path = folder / MADE
        if not path.is_file():
            raise DataError(f"{folder} is no folder of rows: {MADE} is missing.")
        try:
            made = read_json(path)
            identity = {str(name): str(value) for name, value in made["identity"].items()}
            left_out = {int(i): str(reason) for i, reason in made["left_out"]}
            length = int(made["length"])
            digests = {str(name): str(each["digest"]) for name, each in made["arrays"].items()}
            shapes = {str(name): tuple(each["shape"]) for name, each in made["arrays"].items()}
        except (KeyError, TypeError, ValueError, AttributeError, RunError) as error:
            raise DataError(f"{path} is damaged.", AGAIN) from error
        arrays = {name: _mapped(folder, name, shape) for name, shape in shapes.items()}
        return cls(folder, identity, length, left_out, digests, arrays)

    @property
    def places(self) -> npt.NDArray[np.int64]:
        """int64 [n]: which of the list the rows are."""
        return np.delete(np.arange(self.length), list(self.left_out))

    def verify(self, rows_at_once: int = 256) -> None:
        """Read everything.

        Raises:
            DataError: an array is not what was written.
        """
        for name, array in self.arrays.items():
            digest = first_link(array.shape[1:])
            for start in range(0, len(array), rows_at_once):
                digest = chained(digest, array[start : start + rows_at_once])
            if digest.hex() != self.digests[name]:
                raise DataError(f"{self.folder / name}.npy is not what was written.", AGAIN)


def _mapped(folder: Path, name: str, shape: Shape) -> Array:
    path = folder / f"{name}.npy"
    if path.parent != folder:
        raise DataError(f"{folder / MADE} is damaged: {name!r} is no name of an array.", AGAIN)
    array = read_npy(path, ArraySpec(shape=shape, kinds="f", finite=False), mmap=True)
    if array.dtype != np.float32:
        raise DataError(f"{path}: expected float32, found {array.dtype}.", AGAIN)
    return array


def bytes_of(shape: Shape) -> int:
    """Of one row."""
    return 4 * math.prod(shape)
