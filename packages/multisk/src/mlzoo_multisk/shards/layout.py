"""What stands in a shard: a tar archive whose members are the arrays and facts of its videos.

    <key>.2d.npy      float16 or float32 [r2, D2]
    <key>.3d.npy      float16 or float32 [r3, D3]
    <key>.audio.npy   float16 or float32 [40, frames]
    <key>.json        an object

One video's members follow each other; a modality that it lacks has no member, the facts are always
there. WebDataset and every tar program read such archives. As a key ends at the first dot of a member's
name, everything in it but letters, digits, ``-``, ``_`` and ``~`` is percent-encoded (``a.b/c`` becomes
``a%2Eb%2Fc``). Arrays are in numpy's format 1.0, little-endian, row by row; they begin at a multiple of
64 bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import ArraySpec, check_array
from mlzoo.errors import DataError
from mlzoo_multisk.clips import MEL_BANDS, Item

PARTS = ("2d", "3d", "audio")
"""Arrays of a video, as their members are named."""
BLOCK = 512
"""Bytes that headers and members of a tar archive fill up to."""
RECORD = 20 * BLOCK
"""Bytes that a whole archive fills up to."""
SUFFIXES = {**{f"{part}.npy": part for part in PARTS}, "json": "json"}
"""What follows the key in a member's name."""

Array = npt.NDArray[Any]

_SPECS = {
    "2d": ArraySpec(ndim=2, kinds="f"),
    "3d": ArraySpec(ndim=2, kinds="f"),
    "audio": ArraySpec(shape=(MEL_BANDS, None), kinds="f"),
}


def escaped(key: str) -> str:
    """A key as it stands in a member's name.

    Raises:
        DataError: it is empty or no text.
    """
    try:
        return _escaped(key)
    except UnicodeEncodeError as error:
        raise DataError(f"{key!r} is no key of a video: it is no text.") from error


def _escaped(key: str) -> str:
    if not key:
        raise DataError("a video has an empty key.")
    return quote(key, safe="").replace(".", "%2E")


def unescaped(name: str) -> str:
    """The key of a member's name, up to its first dot; what is not percent-encoded stays."""
    return unquote(name, errors="replace")


def arrays_of(item: Item) -> dict[str, Array]:
    """The arrays that an item has, by :data:`PARTS`, as they are stored.

    Raises:
        DataError: one has other types, axes or values than can be stored; it is named.
    """
    given = {"2d": item.video_2d, "3d": item.video_3d, "audio": item.audio}
    return {
        part: stored_form(array, part, f"{item.key}: array {part!r}")
        for part, array in given.items()
        if array is not None
    }


def stored_form(array: Array, part: str, what: str) -> Array:
    """The array row by row and little-endian; float16 and float32 stay what they are.

    Raises:
        DataError: wrong axes or type, or a value that is not finite.
    """
    check_array(array, _SPECS[part], what)
    if array.dtype.itemsize not in (2, 4):
        raise DataError(f"{what}: expected float16 or float32, found {array.dtype}.")
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


@lru_cache(maxsize=4096)
def npy_header(shape: tuple[int, ...], itemsize: int) -> bytes:
    """The beginning of an .npy file of floats."""
    file = io.BytesIO()
    facts = {"descr": f"<f{itemsize}", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, facts)
    return file.getvalue()


def read_npy_header(data: bytes, what: str) -> tuple[tuple[int, int], int, int]:
    """Shape, bytes of a value, and length of the header at the beginning of an .npy file.

    Raises:
        DataError: it is none, or of something else than rows of float16 or float32.
    """
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        reader = "read_array_header_1_0" if version == (1, 0) else "read_array_header_2_0"
        shape, fortran, dtype = getattr(np.lib.format, reader)(file)
    except Exception as error:  # a damaged header can raise whatever evaluating a literal raises
        raise DataError(f"{what} is no .npy file: {error}.") from error
    if dtype.hasobject:
        raise DataError(f"{what} contains pickled objects, which can run code when they are read.")
    if len(shape) != 2 or fortran or dtype.str not in ("<f2", "<f4"):
        order = "column by column" if fortran else "row by row"
        raise DataError(
            f"{what}: expected [rows, numbers] of float16 or float32, row by row, "
            f"found {dtype} {shape}, {order}."
        )
    return (shape[0], shape[1]), dtype.itemsize, file.tell()


def tar_header(name: str, size: int) -> bytes:
    """What stands before a member; the same at all times and for all users."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT)


def filled_up(size: int, unit: int = BLOCK) -> int:
    """``size`` rounded up to whole units."""
    return -(-size // unit) * unit


def facts_bytes(facts: Mapping[str, Any], what: str) -> bytes:
    """Facts as JSON.

    Raises:
        DataError: they are no JSON values, or hold NaN.
    """
    try:
        return json.dumps(dict(facts), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{what}: facts are no JSON values: {error}.") from error


def read_facts(data: bytes, what: str) -> dict[str, Any]:
    """The object that JSON bytes describe.

    Raises:
        DataError: they do not, or hold NaN or infinity.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    try:
        facts = json.loads(data.decode(), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{what} is no JSON: {error}.") from error
    if not isinstance(facts, dict):
        raise DataError(f"{what} must hold an object, found {type(facts).__name__}.")
    return facts


def content_digest(key: str, arrays: Mapping[str, Array], facts: bytes) -> bytes:
    """SHA-256 of one video by content: its key, the arrays with type and shape, the facts as stored."""
    digest = hashlib.sha256(f"{len(key.encode())} {key}\n{len(facts)} ".encode())
    digest.update(facts)
    for part in PARTS:
        if part in arrays:
            array = arrays[part]
            digest.update(f"\n{part} {array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.digest()
