"""Files that are either whole or not there."""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mlzoo.errors import RunError
from mlzoo.signals import held_back

if TYPE_CHECKING:
    import numpy.typing as npt


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that replaces ``path`` only when everything was written.

    It is written under another name in the same folder, flushed to disk, then renamed. After any
    error ``path`` is as it was and nothing else is left behind; Ctrl-C waits until it is written.

    Raises:
        RunError: the folder is missing or not writable, or the disk is full.
    """
    with held_back():
        yield from _replacing(path)


def _replacing(path: Path) -> Iterator[IO[bytes]]:
    try:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}.") from error
    temporary = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only the owner can read
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Add one line to a log; after an error the file is as long as it was.

    Raises:
        RunError: it cannot be written.
    """
    before = path.stat().st_size if path.exists() else None
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        if before is not None:
            with suppress(OSError):
                os.truncate(path, before)
        raise RunError(f"cannot write {path}: {error.strerror or error}.") from error


def remove_leftovers(folder: Path) -> None:
    """Delete the unfinished files that processes killed while writing left at or below a folder.

    Only for a folder in which nobody else writes: the files of a live writer look the same.
    """
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def take_lock(file: int) -> None:
    """Lock an open file for this process; the system gives it back when the process ends.

    Raises:
        OSError: another process has it.
    """
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def json_text(value: Any) -> str:
    """Strict JSON, indented, in the order given; NaN and infinities become null."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON atomically."""
    with atomic_write(path) as file:
        file.write(json_text(value).encode())


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write an ``.npz`` atomically.

    Raises:
        RunError: an array holds Python objects, which would need pickle.
    """
    import numpy as np

    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise RunError(f"cannot write {path}: array {name!r} holds Python objects.")
    with atomic_write(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        RunError: missing, damaged, with NaN or infinity or text that is none, or no object.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()  # half a letter could not even be shown
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunError(f"{path} cannot be read: {reason}.") from error
    if not isinstance(value, dict):
        raise RunError(f"{path} cannot be read: it must hold an object.")
    return value


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
