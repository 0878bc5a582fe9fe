"""An index for WebDataset shards that others wrote, with the same names of members."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from mlzoo.data.checks import AGAIN, readable
from mlzoo.errors import DataError
from mlzoo.progress import Progress
from mlzoo_multisk.shards.index import Entry, Place, Shard, ShardIndex
from mlzoo_multisk.shards.layout import (
    BLOCK,
    SUFFIXES,
    Array,
    content_digest,
    read_facts,
    read_npy_header,
    stored_form,
    unescaped,
)
from mlzoo_multisk.shards.store import ShardStore, file_digest

MAX_HEADER = 1 << 16
MAX_FACTS = 1 << 28
"""Bytes of one video's facts, at most."""
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)


def index_shards(folder: Path, progress: Progress | None = None) -> ShardStore:
    """Read all ``*.tar`` of a folder through, in the order of their names, and write the index.

    Members of other names are left alone and counted. A video needs ``<key>.json``. Nothing is written
    unless all of it is right.

    Raises:
        DataError: an archive is damaged, packed or cut short, an array has a wrong type or a value
            that is not finite, a video has no facts, or a key occurs twice; archive and member are named.
        RunError: the index cannot be written.
    """
    paths = sorted(folder.glob("*.tar"))
    if not paths:
        raise DataError(f"{folder} holds no shards (*.tar).")
    shards, entries, others = [], [], 0
    for number, path in enumerate(paths, start=1):
        found, ignored = _entries(path)
        shards.append(Shard(path.name, path.stat().st_size, file_digest(path), len(found)))
        entries += found
        others += ignored
        if progress is not None:
            progress.counted(number, len(paths))
    facts = {"members of other names": others} if others else {}
    ShardIndex.of(shards, entries, {}, facts).write(folder)
    return ShardStore.opened(folder)


@dataclass
class _Video:
    """What was found of a video so far."""

    arrays: dict[str, Array] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    json: tuple[int, int] | None = None
    facts: bytes = b""


def _entries(path: Path) -> tuple[list[Entry], int]:
    """The videos of an archive, and how many members are something else."""
    entries: list[Entry] = []
    video, last, ignored = _Video(), "", 0
    with path.open("rb") as file:
        for member in _members(path):
            folder, _, name = member.name.rpartition("/")
            stem, _, suffix = name.partition(".")
            part = SUFFIXES.get(suffix)
            if part is None or not stem or member.type not in _PLAIN:
                ignored += 1
                continue
            key = unescaped(f"{folder}/{stem}" if folder else stem)
            if key != last and last:
                entries.append(_entry(path, last, video))
                video = _Video()
            last = key
            _add(path, file, member, part, video)
    if last:
        entries.append(_entry(path, last, video))
    return entries, ignored


def _members(path: Path) -> Iterator[tarfile.TarInfo]:
    """The members of an archive that is not packed, each of which lies wholly within the file."""
    size = path.stat().st_size
    try:
        with tarfile.open(path, "r:") as archive, path.open("rb") as file:
            for member in archive:
                if member.isreg() and member.offset_data + member.size > size:
                    raise DataError(f"{path} is cut short in {member.name}.", AGAIN)
                yield member
            # Tar ends with two blocks of zeros; at anything else the reader stops, too, and says nothing.
            file.seek(archive.offset)
            if file.read(2 * BLOCK) != bytes(2 * BLOCK):
                raise DataError(
                    f"{path} is cut short or damaged at byte {archive.offset:,}.", AGAIN
                )
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise DataError(f"{path} is no whole tar archive: {error}.", AGAIN) from error


def _add(path: Path, file: IO[bytes], member: tarfile.TarInfo, part: str, video: _Video) -> None:
    what = f"{path}: {member.name}"
    if part in video.arrays or (part == "json" and video.json is not None):
        raise DataError(f"{what} occurs twice.")
    with readable(path, "readable"):
        file.seek(member.offset_data)
        if part == "json":
            if member.size > MAX_FACTS:
                raise DataError(
                    f"{what} has {member.size:,} bytes; at most {MAX_FACTS:,} are read."
                )
            video.json = (member.offset_data, member.size)
            video.facts = file.read(member.size)
            read_facts(video.facts, what)
            return
        shape, itemsize, length = read_npy_header(file.read(min(member.size, MAX_HEADER)), what)
        place = Place(member.offset_data, member.offset_data + length, shape, itemsize)
        if place.end != member.offset_data + member.size:
            raise DataError(f"{what}: expected {place.end - place.start} bytes for shape {shape}.")
        file.seek(place.data)
        data = file.read(place.end - place.data)
    array = np.frombuffer(data, f"<f{itemsize}").reshape(shape)
    video.arrays[part] = stored_form(array, part, what)
    video.places[part] = place


def _entry(path: Path, key: str, video: _Video) -> Entry:
    if video.json is None:
        raise DataError(f"{path}: the video {key!r} has no facts (.json).")
    digest = content_digest(key, video.arrays, video.facts)
    return Entry(key, digest.hex(), video.places, video.json)
