"""What every reader of data files checks, and the words in which it complains."""

from __future__ import annotations

import importlib
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError, did_you_mean

Array = npt.NDArray[Any]

MAX_BYTES = 2**35
"""Cap on what a file may declare to hold, 32 GiB; readers take another one as ``max_bytes``."""

AGAIN = "Fetch the file again."
_KINDS = {
    "f": "floats",
    "i": "integers",
    "u": "unsigned integers",
    "b": "booleans",
    "c": "complex numbers",
    "U": "text",
    "S": "byte strings",
}


@dataclass(frozen=True)
class ArraySpec:
    """What an array must be.

    Attributes:
        ndim: number of axes; None admits any.
        shape: length of each axis, None where any is right: ``(None, 2048)``.
        kinds: letters of the numpy dtype kinds admitted, e.g. ``"fiu"``.
        finite: refuse NaN and infinity (in floats and complex numbers).
    """

    ndim: int | None = None
    shape: tuple[int | None, ...] | None = None
    kinds: str | None = None
    finite: bool = True


def check_array(array: Array, spec: ArraySpec, what: str) -> None:
    """Hold an array against its spec. ``what`` names it, e.g. ``"array 'features' of x.npz"``.

    Raises:
        DataError: wrong number of axes, shape or kind, or the first value that is not finite.
    """
    if spec.ndim is not None and array.ndim != spec.ndim:
        raise DataError(f"{what}: expected {spec.ndim} axes, found shape {array.shape}.")
    if spec.shape is not None and not (
        array.ndim == len(spec.shape)
        and all(want in (None, found) for want, found in zip(spec.shape, array.shape, strict=True))
    ):
        wanted = ", ".join("any" if length is None else str(length) for length in spec.shape)
        raise DataError(f"{what}: expected shape ({wanted}), found {array.shape}.")
    if spec.kinds is not None and array.dtype.kind not in spec.kinds:
        wanted = " or ".join(_KINDS.get(kind, kind) for kind in spec.kinds)
        raise DataError(f"{what}: expected {wanted}, found {array.dtype}.")
    if spec.finite and (bad := first_not_finite(array)) is not None:
        raise DataError(f"{what}: expected finite values, found {array[bad]} at {list(bad)}.")


def first_not_finite(array: Array, chunk: int = 2**18) -> tuple[int, ...] | None:
    """Index of the first NaN or infinity in storage order, or None.

    Goes through ``chunk`` values at a time: no temporary of the array's size, and a memory-mapped
    file is read once.
    """
    if array.dtype.kind not in "fc":
        return None
    order: Literal["C", "F"] = (
        "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    )
    flat = (array.T if order == "F" else array).reshape(-1)  # a view of what the readers return
    for start in range(0, flat.size, chunk):
        finite = np.isfinite(flat[start : start + chunk])
        if not finite.all():
            index = np.unravel_index(start + int(finite.argmin()), array.shape, order=order)
            return tuple(int(i) for i in index)
    return None


def extra(module: str, path: Path) -> Any:
    """Import a library of the extra ``mlzoo-core[data]``."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(
            f"{path} needs {module.split('.')[0]}, which is not installed ({error}).",
            "pip install 'mlzoo-core[data]'",
        ) from error


def existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist.", "Check the data folder, or fetch the file.")
    if not path.is_file():
        raise DataError(f"{path} is not a file.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty.", AGAIN)
    return path


@contextmanager
def readable(path: Path, expected: str) -> Iterator[None]:
    damage = (OSError, EOFError, ValueError, TypeError, LookupError, RuntimeError, MemoryError)
    try:
        yield
    except (*damage, SyntaxError, OverflowError, zipfile.BadZipFile, zlib.error) as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} is not {expected}: {detail}.", AGAIN) from error


def require(path: str | Path, wanted: Iterable[str], there: Any) -> None:
    for name in wanted:
        if name not in there:
            hint = did_you_mean(name, there) if len(there) else "It is empty."
            raise DataError(f"{path} holds no {name!r}.", hint)


def check_size(path: str | Path, declared: int, max_bytes: int) -> None:
    if declared > max_bytes:
        raise DataError(
            f"{path} declares {declared:,} bytes; at most {max_bytes:,} are read.",
            "Raise max_bytes if you trust it.",
        )


def check_all(path: str | Path, found: Mapping[str, Array], specs: Mapping[str, ArraySpec]) -> None:
    for name, array in found.items():
        if name in specs:
            check_array(array, specs[name], f"{path}: array {name!r}")
