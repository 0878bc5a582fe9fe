"""Features of encoders that stay are computed once: kept on the disk under what they depend on.

``<cache>/imagecode/features/<key>/rows`` is a finished folder of :mod:`mlzoo.data.row_store`; beside it lies
``lock``, and ``work`` while the rows are made. The key is a hash of all that the rows depend on: the weights,
the preprocessing, the images. Any entry can be deleted at any time.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mlzoo.backbones.part_work import PartWork
from mlzoo.data import manifest
from mlzoo.data.checks import first_not_finite
from mlzoo.data.row_store import RowStore
from mlzoo.errors import DataError, MlzooError, RunError
from mlzoo.files import take_lock
from mlzoo.progress import Progress
from mlzoo_imagecode.contextual import Floats, Index

ROWS, WORK, LOCK = "rows", "work", "lock"

SAVED_EVERY = 1.0
"""Seconds of work that a kill may cost; to bring a block to the disk takes some hundredths."""

LOOKED_EVERY = 0.2
"""Seconds between two looks whether another process has finished."""

_BUSY = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)

Make: TypeAlias = Callable[[Index], Floats]


def cache_folder() -> Path:
    """``imagecode`` in ``MLZOO_CACHE`` or, without that, in the user's cache folder of mlzoo."""
    return manifest.cache_folder() / "imagecode"


def cached_rows(
    folder: Path,
    identity: Mapping[str, str],
    count: int,
    width: int,
    make: Make,
    *,
    progress: Progress,
    title: str,
    block: int,
) -> Floats:
    """Rows that are made at most once, whoever asks for them and whatever stops it.

    After a kill the next call makes the rows that lack; as it goes on with a whole block, they are the same
    bit for bit if blocks have the same size. While another process makes them, this one waits, and goes on in
    its place if it ends early. Rows that lie there are read whole once and held against their digest; what is
    not as it was written is made anew, with a message.

    Args:
        folder: of many such rows, :func:`cache_folder` / "features"; made if need be.
        identity: all that the rows depend on, by name.
        count: how many.
        width: of a row.
        make: rows float32 [m, width] of these places, asked for in order, each at most once.
        progress: told how many are made.
        title: what a row is of, in the plural: "images".
        block: rows at once.

    Returns:
        float32 [count, width], mapped from the disk and read-only.

    Raises:
        RunError: the folder cannot be written or is full, unfinished work there is damaged, or rows are not
            finite.
        MlzooError: what ``make`` raises; what was made before is kept.
    """
    if not count:
        return np.empty((0, width), np.float32)
    entry = _Entry.of(folder, identity, count, width)
    with suppress(DataError):  # a damaged one is told by whoever makes it anew
        if (rows := entry.read()) is not None:
            return rows
    with entry.locked(progress, title):
        try:
            rows = entry.read()
        except DataError as error:
            progress.message(f"{error.message} The features of {title} are made anew.")
            entry.remove()
            rows = None
        if rows is None:
            entry.fill(make, progress, title, block)
            rows = entry.read()
    assert rows is not None
    return rows


@dataclass(frozen=True)
class _Entry:
    folder: Path
    identity: Mapping[str, str]
    count: int
    width: int

    @classmethod
    def of(cls, folder: Path, identity: Mapping[str, str], count: int, width: int) -> _Entry:
        whole = {**identity, "rows": f"{count} x {width}"}
        key = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
        return cls(folder / key[:32], whole, count, width)

    def read(self) -> Floats | None:
        """The rows; None if there are none.

        Raises:
            DataError: they are not what was written.
        """
        target = self.folder / ROWS
        if not target.exists():
            return None
        store = RowStore.opened(target)
        shapes = {name: array.shape for name, array in store.arrays.items()}
        if store.identity != self.identity or shapes != {ROWS: (self.count, self.width)}:
            raise DataError(f"{target} holds something else than its name says.")
        store.verify()
        return store.arrays[ROWS]

    def remove(self) -> None:
        """Rows that are damaged; whoever has them mapped keeps them."""
        with _cache_is_named():
            try:
                shutil.rmtree(self.folder / ROWS)
            except OSError as error:
                raise _unwritable(self.folder / ROWS, error) from error

    @contextmanager
    def locked(self, progress: Progress, title: str) -> Iterator[None]:
        """Alone at the entry; waits for whoever has it."""
        with _cache_is_named():
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                file = (self.folder / LOCK).open("ab")
            except OSError as error:
                raise _unwritable(self.folder, error) from error
        with file:
            waits = False
            while not _taken(file.fileno(), self.folder):
                if not waits:
                    progress.message(f"another process computes the features of {title}: waiting.")
                waits = True
                time.sleep(LOOKED_EVERY)
            yield

    def fill(self, make: Make, progress: Progress, title: str, block: int) -> None:
        """Make the rows that lack."""
        with ExitStack() as stack:
            with _cache_is_named():
                opened = PartWork.opened(self.folder / WORK, self.identity, {ROWS: (self.width,)})
                work = stack.enter_context(opened)
            if work.done:
                progress.message(f"{work.done} of {self.count} {title} were done before.")
            progress.begin(f"features of {title}", self.count, work.done)
            try:
                self._make(work, make, progress, block)
            finally:
                progress.end()
            with _cache_is_named():
                work.finish(self.folder / ROWS)

    def _make(self, work: PartWork, make: Make, progress: Progress, block: int) -> None:
        """Blocks are brought to the disk together if they are fast, and when something fails."""
        made: list[Floats] = []
        saved = time.monotonic()
        try:
            for start in range(work.done, self.count, block):
                rows = make(np.arange(start, min(start + block, self.count)))
                self._check(rows, start, min(block, self.count - start))
                made.append(rows)
                if time.monotonic() - saved >= SAVED_EVERY:
                    _save(work, made)
                    saved = time.monotonic()
                progress.counted(start + len(rows), self.count)
        except BaseException:
            with suppress(MlzooError):
                _save(work, made)
            raise
        _save(work, made)

    def _check(self, rows: Floats, start: int, count: int) -> None:
        if rows.shape != (count, self.width):
            raise ValueError(f"rows are {rows.shape}, expected {(count, self.width)}")
        if (bad := first_not_finite(rows)) is not None:
            raise RunError(
                f"the features of row {start + bad[0]} are not finite.",
                "Try --precision 32, or other weights.",
            )


def _save(work: PartWork, made: list[Floats]) -> None:
    """Bring blocks to the disk and forget them."""
    if made:
        rows = np.concatenate(made)
        made.clear()
        with _cache_is_named():
            work.append({ROWS: rows}, [""] * len(rows))


def _taken(file: int, folder: Path) -> bool:
    """Whether the lock of an open file is ours now."""
    try:
        take_lock(file)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise RunError(
            f"{folder} cannot be locked: {error.strerror or error}.",
            "Set MLZOO_CACHE to a folder on a disk of this machine.",
        ) from error
    return True


def _unwritable(path: Path, error: OSError) -> RunError:
    return RunError(f"cannot write {path}: {error.strerror or error}.")


@contextmanager
def _cache_is_named() -> Iterator[None]:
    """What fails in the cache's folder says how to use another one."""
    try:
        yield
    except RunError as error:
        fix = error.fix or "Set MLZOO_CACHE to a folder that can be written and has room."
        raise RunError(error.message, fix) from error
