"""Writing shards, whole or not at all, so that a kill at any moment loses one shard at most.

While it is written, ``<folder>.part`` holds ``store/``, the archives that are finished; ``records/``, one
file for each of them that says what it holds; and ``lock``. An archive without a record does not count
and is written again. In the end the index is written and ``store`` becomes the folder by its name alone.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Self

from mlzoo.errors import DataError, RunError, UsageError
from mlzoo.files import read_json, remove_leftovers, take_lock, write_json
from mlzoo.signals import held_back
from mlzoo_multisk.clips import Item
from mlzoo_multisk.shards.index import Entry, Place, Shard, ShardIndex, member_name
from mlzoo_multisk.shards.layout import (
    BLOCK,
    RECORD,
    Array,
    arrays_of,
    content_digest,
    facts_bytes,
    filled_up,
    npy_header,
    tar_header,
)
from mlzoo_multisk.shards.store import ShardStore

SHARD_BYTES = 10**9
STORE, RECORDS, LOCK, IDENTITY = "store", "records", "lock", "identity.json"


def part_folder(folder: Path) -> Path:
    """Where unfinished work for a folder of shards lies."""
    return folder.with_name(folder.name + ".part")


class ShardWriter:
    """Videos of a list, each of which is stored or left out with a reason, in the order of the list.

    Attributes:
        done: how many of the list are done; the next call is about ``list[done]``.
        left_out: the reasons by key.
    """

    def __init__(
        self, folder: Path, identity: Mapping[str, str], shard_bytes: int, shard_videos: int | None
    ) -> None:
        self.folder, self.identity = folder, dict(identity)
        self.shard_bytes, self.shard_videos = shard_bytes, shard_videos
        self.done = 0
        self.left_out: dict[str, str] = {}
        self._part = part_folder(folder)
        self._shards: list[Shard] = []
        self._entries: list[Entry] = []
        self._keys: set[str] = set()
        self._archive: _Archive | None = None
        self._new_left_out: dict[str, str] = {}
        self._take_up()

    @classmethod
    @contextmanager
    def opened(
        cls,
        folder: Path,
        identity: Mapping[str, str],
        *,
        shard_bytes: int = SHARD_BYTES,
        shard_videos: int | None = None,
    ) -> Iterator[Self]:
        """Begin, or go on with what was left unfinished.

        Args:
            folder: does not exist; its parent does.
            identity: what the shards depend on, by name: the list, the source, the options.
            shard_bytes: no archive is larger, unless one video is.
            shard_videos: no archive has more.

        Raises:
            UsageError: the folder exists.
            RunError: unfinished work is of something else or damaged, or another process is at it.
        """
        part = part_folder(folder)
        if folder.exists():
            if part.is_dir() and not (part / STORE).exists():
                shutil.rmtree(part, ignore_errors=True)  # killed when all was done but clearing up
            raise UsageError(f"{folder} exists.", "Move it away, or choose another name.")
        try:
            for name in (STORE, RECORDS):
                (part / name).mkdir(parents=True, exist_ok=True)
            lock = (part / LOCK).open("wb")
        except OSError as error:
            raise _unwritable(part, error) from error
        with lock:
            try:
                take_lock(lock.fileno())
            except OSError as error:
                raise RunError(f"another process works in {part}.") from error
            remove_leftovers(part)
            writer = cls(folder, identity, shard_bytes, shard_videos)
            try:
                yield writer
            finally:
                writer._abandon()
        if folder.exists():
            shutil.rmtree(part, ignore_errors=True)

    def add(self, item: Item) -> None:
        """Store the next of the list.

        Raises:
            DataError: a value that is not finite, a wrong type or shape, facts that are no JSON, or a
                key that was stored before; the key is named.
            RunError: it cannot be written.
        """
        if item.key in self._keys:
            raise DataError(f"the video {item.key!r} occurs twice.", "Leave one out.")
        arrays, facts = arrays_of(item), facts_bytes(item.facts, item.key)
        size = sum(filled_up(array.nbytes) + 4 * BLOCK for array in arrays.values())
        size += filled_up(len(facts)) + 2 * BLOCK
        try:
            if self._archive is not None and self._is_full(self._archive, size):
                self._close()
            if self._archive is None:
                self._archive = _Archive(self.store / _name(len(self._shards)))
            self._archive.add(item.key, arrays, facts)
        except OSError as error:
            raise _unwritable(self.store, error) from error
        self._keys.add(item.key)
        self.done += 1

    def leave_out(self, key: str, reason: str) -> None:
        """The next of the list cannot be stored."""
        self._new_left_out[key] = reason
        self.left_out[key] = reason
        self.done += 1

    def finish(self, facts: Mapping[str, Any] | None = None) -> ShardStore:
        """The folder appears, with its index.

        Args:
            facts: what ``index.json`` says beside (JSON values).

        Raises:
            DataError: there are no videos, or their rows have different widths.
            RunError: it cannot be written.
        """
        try:
            self._close()
            index = ShardIndex.of(self._shards, self._entries, self.left_out, facts or {})
            with held_back():
                index.write(self.store)
                self.store.replace(self.folder)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        return ShardStore.opened(self.folder)

    @property
    def store(self) -> Path:
        """The folder in the making. What else is written there just before the end goes along."""
        return self._part / STORE

    def _is_full(self, archive: _Archive, size: int) -> bool:
        if self.shard_videos is not None and len(archive.entries) >= self.shard_videos:
            return True
        return filled_up(archive.position + size + 2 * BLOCK, RECORD) > self.shard_bytes

    def _close(self) -> None:
        """Finish the archive that is being written, and say so in a record."""
        if self._archive is None:
            return
        archive, self._archive = self._archive, None
        with held_back():
            shard = archive.finish()
            write_json(
                self._record(len(self._shards)),
                {
                    "shard": vars(shard),
                    "done": self.done,
                    "left_out": self._new_left_out,
                    "entries": [entry.as_json() for entry in archive.entries],
                },
            )
        self._shards.append(shard)
        self._entries += archive.entries
        self._new_left_out = {}

    def _record(self, number: int) -> Path:
        return self._part / RECORDS / f"{number:06d}.json"

    def _take_up(self) -> None:
        anew = f"Delete {self._part} to begin anew."
        path = self._part / IDENTITY
        if path.exists():
            kept = read_json(path)
            other = sorted(
                name
                for name in {*kept, *self.identity}
                if kept.get(name) != self.identity.get(name)
            )
            if other:
                raise RunError(
                    f"{self._part} holds unfinished work with other {' and '.join(other)}.", anew
                )
        else:
            write_json(path, self.identity)
        while (record := self._record(len(self._shards))).exists():
            try:
                self._take_up_record(read_json(record))
            except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
                raise RunError(f"{record} is damaged.", anew) from error
        known = {shard.file for shard in self._shards}
        for file in self.store.iterdir():
            if file.name not in known:
                file.unlink()

    def _take_up_record(self, kept: Mapping[str, Any]) -> None:
        shard = Shard(**kept["shard"])
        entries = [Entry.from_json(each) for each in kept["entries"]]
        if (self.store / shard.file).stat().st_size != shard.bytes or len(entries) != shard.videos:
            raise ValueError(f"{shard.file} is not whole")
        self._shards.append(shard)
        self._entries += entries
        self._keys.update(entry.key for entry in entries)
        self.left_out |= {str(key): str(reason) for key, reason in kept["left_out"].items()}
        self.done = int(kept["done"])

    def _abandon(self) -> None:
        if self._archive is not None:
            self._archive.abandon()
            self._archive = None


class _Archive:
    """A tar archive in the making, under another name until it is whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        self.entries: list[Entry] = []
        self._temporary = path.with_name(f".{path.name}.tmp")
        # Without a buffer: members are large, and what failed is not tried again as the file is closed.
        self._file: IO[bytes] = self._temporary.open("wb", buffering=0)
        self._digest = hashlib.sha256()

    def add(self, key: str, arrays: Mapping[str, Array], facts: bytes) -> None:
        places = {part: self._add_array(key, part, array) for part, array in arrays.items()}
        self._write(tar_header(member_name(key, "json"), len(facts)))
        start = self.position
        self._write(facts)
        self._fill(BLOCK)
        digest = content_digest(key, arrays, facts).hex()
        self.entries.append(Entry(key, digest, places, (start, len(facts))))

    def _add_array(self, key: str, part: str, array: Array) -> Place:
        header = npy_header(array.shape, array.itemsize)
        self._write(tar_header(member_name(key, part), len(header) + array.nbytes))
        start = self.position
        self._write(header)
        data = self.position
        self._write(array.reshape(-1).view("u1").data)
        self._fill(BLOCK)
        return Place(start, data, (array.shape[0], array.shape[1]), array.itemsize)

    def finish(self) -> Shard:
        self._write(bytes(2 * BLOCK))
        self._fill(RECORD)
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self.path)
        digest = self._digest.hexdigest()
        return Shard(self.path.name, self.position, digest, len(self.entries))

    def abandon(self) -> None:
        with suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _fill(self, unit: int) -> None:
        self._write(bytes(filled_up(self.position, unit) - self.position))

    def _write(self, data: bytes | memoryview) -> None:
        left = memoryview(data)
        while len(left):
            count = self._file.write(left)
            if not count:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            left = left[count:]
        self._digest.update(data)
        self.position += len(data)


def _name(number: int) -> str:
    return f"shard-{number:06d}.tar"


def _unwritable(path: Path, error: OSError) -> RunError:
    return RunError(f"cannot write {path}: {error.strerror or error}.")
