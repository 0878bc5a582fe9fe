"""Rows that are computed bit by bit and survive a kill at any moment.

A folder holds ``store/<name>.npy``, the rows of each array; ``progress.json``, what they belong to and
how many of them are whole; and ``lock``. Rows are on the disk before the progress that counts them.
They are written, not mapped: a full disk is then an error and not the end of the process.

A header is kept free at the beginning of every file, so that ``store`` becomes the finished folder by
its name alone, however large it is.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mlzoo.data.row_store import HEADER, MADE, Shape, bytes_of, chained, first_link, npy_header
from mlzoo.errors import RunError, UsageError
from mlzoo.files import read_json, remove_leftovers, take_lock, write_json
from mlzoo.signals import held_back

STORE, PROGRESS, LOCK = "store", "progress.json", "lock"
_NAME = re.compile(r"[A-Za-z]\w*")

Rows = npt.NDArray[np.float32]


class PartWork:
    """A list of things of which each gives a row of every array, or is left out with a reason.

    Attributes:
        store: the folder of the arrays. What else is written there goes along with them.
        shapes: of one row, by array.
        done: how many of the list are done.
        left_out: the reasons by place in the list.
    """

    def __init__(
        self, folder: Path, identity: Mapping[str, str], arrays: Mapping[str, Shape]
    ) -> None:
        self.folder = folder
        self.store = folder / STORE
        self.identity = dict(identity)
        self.shapes = {name: tuple(shape) for name, shape in arrays.items()}
        for name, shape in self.shapes.items():
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of an array")
            npy_header(0, shape)
        self.done = 0
        self.left_out: dict[int, str] = {}
        self._digests = {name: first_link(shape) for name, shape in self.shapes.items()}
        self._finished = False
        if (folder / PROGRESS).exists():
            self._take_up()
        self._prepare()

    @classmethod
    @contextmanager
    def opened(
        cls, folder: Path, identity: Mapping[str, str], arrays: Mapping[str, Shape]
    ) -> Iterator[Self]:
        """Begin, or go on with what the folder holds. What fails before anything is done leaves nothing.

        Args:
            folder: made if need be.
            identity: what the rows depend on, by name.
            arrays: shape of one row by the array's name, ``{"scene": (4096,)}``.

        Raises:
            RunError: the folder holds rows that depend on something else, or is damaged, or another
                process is at it.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / LOCK).open("wb")
        except OSError as error:
            raise _unwritable(folder, error) from error
        with lock:
            try:
                take_lock(lock.fileno())
            except OSError as error:
                raise RunError(f"another process works in {folder}.") from error
            remove_leftovers(folder)
            work = cls(folder, identity, arrays)
            try:
                yield work
            except BaseException:
                if not work.done:  # nothing to go on with
                    shutil.rmtree(work.store, ignore_errors=True)
                    work._clear()
                raise
        if work._finished:
            work._clear()

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.done - len(self.left_out)

    def append(self, rows: Mapping[str, Rows], reasons: Sequence[str]) -> None:
        """The next of the list: one reason each, empty for those that have a row, in order.

        Args:
            rows: float32 [n, *shape] by array, n the number of empty reasons.
            reasons: why there is none.

        Raises:
            RunError: the disk is full, or the like.
            ValueError: other arrays, or of other shapes.
        """
        count = sum(not reason for reason in reasons)
        if rows.keys() != self.shapes.keys():
            raise ValueError(f"expected the arrays {', '.join(self.shapes)}, got {', '.join(rows)}")
        for name, shape in self.shapes.items():
            if rows[name].shape != (count, *shape):
                raise ValueError(f"{name} is {rows[name].shape}, expected {(count, *shape)}")
        for name in self.shapes:
            self._write(name, np.ascontiguousarray(rows[name], "<f4"))
        self._digests = {name: chained(self._digests[name], rows[name]) for name in self.shapes}
        self.left_out |= {self.done + i: reason for i, reason in enumerate(reasons) if reason}
        self.done += len(reasons)
        self._save()

    def rows(self, name: str) -> Rows:
        """float32 [n, *shape], mapped from the disk."""
        shape = (self.count, *self.shapes[name])
        if not self.count:
            return np.empty(shape, np.float32)
        return np.memmap(self._path(name), "<f4", "r", offset=HEADER, shape=shape)

    def finish(self, target: Path) -> None:
        """The rows so far become the folder ``target``, which appears whole or not at all.

        Nothing is copied. :class:`mlzoo.data.row_store.RowStore` reads it. The work is gone then;
        after a kill before that it can be taken up, and finished, again.

        Args:
            target: does not exist; on the same disk.

        Raises:
            UsageError: it exists.
            RunError: there are no rows, or it cannot be written.
        """
        if target.exists():
            raise UsageError(f"{target} exists.", "Move it away, or choose another name.")
        if not self.count:
            raise RunError(f"{self.folder} holds no rows.")
        try:
            with held_back():
                for name in self.shapes:
                    self._close(name)
                write_json(self.store / MADE, self._made())
                self._save(finished=True)  # without its store it is not damaged then, but over
                _on_disk(self.store)
                self.store.replace(target)
                self.store, self._finished = target, True
                _on_disk(target.parent)
        except OSError as error:
            raise _unwritable(target, error) from error

    def _path(self, name: str) -> Path:
        return self.store / f"{name}.npy"

    def _end(self, name: str) -> int:
        return HEADER + self.count * bytes_of(self.shapes[name])

    def _prepare(self) -> None:
        try:
            self.store.mkdir(exist_ok=True)
            for name in self.shapes:
                self._path(name).touch()
        except OSError as error:
            raise _unwritable(self.store, error) from error
        self._save()

    def _write(self, name: str, rows: Rows) -> None:
        path = self._path(name)
        try:
            with path.open("r+b") as file:
                file.seek(self._end(name))
                file.truncate()
                if rows.size:
                    file.write(rows.reshape(-1).view(np.uint8).data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _unwritable(path, error) from error

    def _close(self, name: str) -> None:
        """Give a file its header and its length."""
        # Without a buffer: one that failed would be written again as the file is closed, over the rows.
        with self._path(name).open("r+b", buffering=0) as file:
            file.truncate(self._end(name))  # of rows that were written and not counted
            if file.write(npy_header(self.count, self.shapes[name])) != HEADER:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            os.fsync(file.fileno())

    def _made(self) -> dict[str, Any]:
        return {
            "identity": self.identity,
            "length": self.done,
            "left_out": list(self.left_out.items()),
            "arrays": {
                name: {"shape": (self.count, *shape), "digest": self._digests[name].hex()}
                for name, shape in self.shapes.items()
            },
        }

    def _save(self, *, finished: bool = False) -> None:
        write_json(self.folder / PROGRESS, {**self._kept(), "finished": finished})

    def _kept(self) -> dict[str, Any]:
        return {
            "identity": self.identity,
            "arrays": self.shapes,
            "done": self.done,
            "left_out": list(self.left_out.items()),
            "digests": {name: digest.hex() for name, digest in self._digests.items()},
        }

    def _take_up(self) -> None:
        path = self.folder / PROGRESS
        anew = f"Delete {self.folder} to begin anew."
        try:
            kept = read_json(path)
        except RunError as error:
            raise RunError(error.message, anew) from error
        if kept.get("finished") and not self.store.exists():
            return  # killed when all was done but clearing up
        other = self._differing(kept)
        if other:
            raise RunError(
                f"{self.folder} holds unfinished work with other {' and '.join(other)}.", anew
            )
        try:
            self.done = int(kept["done"])
            self.left_out = {int(i): str(reason) for i, reason in kept["left_out"]}
            self._digests = {name: bytes.fromhex(kept["digests"][name]) for name in self.shapes}
            there = {name: self._path(name).stat().st_size for name in self.shapes if self.count}
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise RunError(f"{path} is damaged.", anew) from error
        short = any(size < self._end(name) for name, size in there.items())
        if not 0 <= len(self.left_out) <= self.done or short:
            raise RunError(f"{self.folder} is damaged: rows are missing.", anew)

    def _differing(self, kept: Mapping[str, Any]) -> list[str]:
        found, shapes = kept.get("identity"), {n: list(s) for n, s in self.shapes.items()}
        own = found if isinstance(found, dict) else {}
        other = [name for name, value in self.identity.items() if own.get(name) != value]
        other += [name for name in own if name not in self.identity]
        return other + ([] if kept.get("arrays") == shapes else ["arrays"])

    def _clear(self) -> None:
        """Nothing of the work is left, unless the caller keeps something in its folder."""
        for name in (PROGRESS, LOCK):
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()


def _unwritable(path: Path, error: OSError) -> RunError:
    return RunError(f"cannot write {path}: {error.strerror or error}.")


def _on_disk(folder: Path) -> None:
    """What a folder lists survives a loss of power, where the system can be asked for it."""
    if os.name == "posix":
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
