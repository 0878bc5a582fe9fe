"""Features of single videos that survive a kill: a file for each, used as long as it is of the same."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mlzoo.data.readers import ArraySpec, read_npz
from mlzoo.errors import DataError, RunError
from mlzoo.files import remove_leftovers, take_lock, write_arrays

_IDENTITY, _REASON, _SILENT = "identity", "reason", "silent"


@dataclass(frozen=True, eq=False)
class Described:
    """What came of one video.

    Attributes:
        arrays: by ``2d``, ``3d`` and ``audio``, as far as there are.
        reason: why the video cannot be read; empty if it can.
        silent: why its sound cannot be read; empty if it can, or there is none.
    """

    arrays: Mapping[str, npt.NDArray[Any]]
    reason: str = ""
    silent: str = ""


class VideoWork:
    """A folder with a file for each video that is done.

    Attributes:
        folder: of the work.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator[Self]:
        """Begin, or go on with what the folder holds.

        Raises:
            RunError: it cannot be written, or another process works there.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / "lock").open("wb")
        except OSError as error:
            raise RunError(f"cannot write {folder}: {error.strerror or error}.") from error
        with lock:
            try:
                take_lock(lock.fileno())
            except OSError as error:
                raise RunError(f"another process works in {folder}.") from error
            remove_leftovers(folder)
            yield cls(folder)

    def has(self, key: str, identity: Mapping[str, Any]) -> bool:
        """Whether a video is done, and was made of the same."""
        path = self._path(key)
        try:
            kept = read_npz(path, {_IDENTITY: ArraySpec(ndim=0, kinds="U")})
        except DataError:  # not there, or damaged: it is made again
            return False
        return str(kept[_IDENTITY]) == _told(identity)

    def read(self, key: str) -> Described:
        """What was kept of a video.

        Raises:
            RunError: nothing was.
        """
        try:
            arrays = read_npz(self._path(key))
            texts = {name: str(arrays.pop(name)) for name in (_IDENTITY, _REASON, _SILENT)}
        except (DataError, KeyError) as error:
            raise RunError(
                f"{self.folder} has lost its features of {key!r}.", "Say the same command again."
            ) from error
        return Described(arrays, texts[_REASON], texts[_SILENT])

    def keep(self, key: str, identity: Mapping[str, Any], described: Described) -> None:
        """Keep what came of a video.

        Raises:
            RunError: it cannot be written.
        """
        texts = {_IDENTITY: _told(identity), _REASON: described.reason, _SILENT: described.silent}
        named = {name: np.array(text) for name, text in texts.items()}
        write_arrays(self._path(key), {**described.arrays, **named})

    def remove(self) -> None:
        """Nothing of it is needed any more."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.npz"


def _told(identity: Mapping[str, Any]) -> str:
    return json.dumps(identity, sort_keys=True)
