"""Rows that are computed bit by bit and survive a kill at any moment.

A folder holds ``rows.f32``, raw float32 rows; ``progress.json``, what they belong to and how many of
them are whole; and ``lock``. Rows are on the disk before the progress that counts them. They are
written, not mapped: a full disk is then an error and not the end of the process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from mlzoo.errors import RunError
from mlzoo.files import read_json, remove_leftovers, take_lock, write_json

ROWS, PROGRESS, LOCK = "rows.f32", "progress.json", "lock"


class PartWork:
    """A list of things of which each gives a row, or is left out with a reason.

    Attributes:
        done: how many of the list are done.
        left_out: the reasons by place in the list.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str], width: int) -> None:
        self.folder = folder
        self.identity = dict(identity)
        self.width = width
        self.done = 0
        self.left_out: dict[int, str] = {}
        if (folder / PROGRESS).exists():
            self._take_up()
        self._save()

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, identity: Mapping[str, str], width: int) -> Iterator[Self]:
        """Begin, or go on with what the folder holds.

        Args:
            folder: made if need be.
            identity: what the rows depend on, by name.
            width: numbers in a row.

        Raises:
            RunError: the folder holds rows that depend on something else, or is damaged, or another
                process is at it.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / LOCK).open("wb")
        except OSError as error:
            raise RunError(f"cannot write {folder}: {error.strerror or error}.") from error
        with lock:
            try:
                take_lock(lock.fileno())
            except OSError as error:
                raise RunError(f"another process works in {folder}.") from error
            remove_leftovers(folder)
            yield cls(folder, identity, width)

    def append(self, rows: npt.NDArray[np.float32], reasons: Sequence[str]) -> None:
        """The next of the list: one reason each, empty for those that have a row, in order.

        Raises:
            RunError: the disk is full, or the like.
        """
        path = self.folder / ROWS
        try:
            with path.open("r+b" if path.exists() else "w+b") as file:
                file.seek(self._bytes)
                file.truncate()
                file.write(np.ascontiguousarray(rows, "<f4").tobytes())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror or error}.") from error
        self.left_out |= {self.done + i: reason for i, reason in enumerate(reasons) if reason}
        self.done += len(reasons)
        self._save()

    def rows(self) -> npt.NDArray[np.float32]:
        """[n, width], mapped from the disk; n is at least 1."""
        shape = (self.done - len(self.left_out), self.width)
        return np.memmap(self.folder / ROWS, "<f4", "r", shape=shape)

    @property
    def _bytes(self) -> int:
        return (self.done - len(self.left_out)) * self.width * 4

    def _save(self) -> None:
        left_out = list(self.left_out.items())
        kept = {"identity": self.identity, "done": self.done, "left_out": left_out}
        write_json(self.folder / PROGRESS, kept)

    def _take_up(self) -> None:
        path = self.folder / PROGRESS
        anew = f"Delete {self.folder} to begin anew."
        kept = read_json(path)
        found = kept.get("identity")
        if found != self.identity:
            own = found if isinstance(found, dict) else {}
            other = [name for name, value in self.identity.items() if own.get(name) != value]
            raise RunError(
                f"{self.folder} holds unfinished work with other {' and '.join(other)}.", anew
            )
        try:
            self.done = int(kept["done"])
            self.left_out = {int(i): str(reason) for i, reason in kept["left_out"]}
            there = (self.folder / ROWS).stat().st_size if self._bytes else 0
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise RunError(f"{path} is damaged.", anew) from error
        if not 0 <= len(self.left_out) <= self.done or there < self._bytes:
            raise RunError(f"{self.folder} is damaged: rows are missing.", anew)
