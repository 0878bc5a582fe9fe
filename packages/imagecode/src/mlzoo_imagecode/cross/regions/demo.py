"""A small file of regions in the published layout, cut out of small pictures."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mlzoo.errors import RunError
from mlzoo_imagecode.contextual import Bytes, Index
from mlzoo_imagecode.cross.regions.cut import cut_regions
from mlzoo_imagecode.cross.regions.lmdb_reader import KEYS, library
from mlzoo_imagecode.cross.regions.questions import image_key
from mlzoo_imagecode.cross.regions.records import Record

GRID, SIDE = 2, 3
"""Five regions an image of 27 numbers each: a kilobyte."""
_ROOM = 1 << 24
_AT_ONCE = 500

Sets = tuple[Sequence[str], Index, Bytes]
"""Names of S sets, int64 [S, k] numbers of their frames, uint8 [S, k, H, W, 3] pixels."""


def write_demo_regions(
    path: Path, parts: Iterable[Sets], *, grid: int = GRID, side: int = SIDE
) -> int:
    """Write regions of the pictures of some sets as one LMDB folder.

    Args:
        path: the folder; does not exist.
        parts: the sets.
        grid, side: as of :func:`~mlzoo_imagecode.cross.regions.cut.cut_regions`.

    Returns:
        How many images there are.

    Raises:
        DataError: lmdb is not installed.
        RunError: it cannot be written.
    """
    return write_records(path, _records(parts, grid, side))


def write_records(path: Path, records: Iterable[tuple[str, Record]], room: int = _ROOM) -> int:
    """Write regions in the published layout.

    Args:
        path: the LMDB folder; does not exist.
        records: keys of images, and their regions.
        room: bytes to begin with; more are taken as they are needed.

    Returns:
        How many images there are.

    Raises:
        DataError: lmdb is not installed.
        RunError: it cannot be written.
    """
    entries = ((key.encode(), pickle.dumps(own.published())) for key, own in records)
    return write_entries(path, entries, room)


def write_entries(path: Path, entries: Iterable[tuple[bytes, bytes]], room: int = _ROOM) -> int:
    """Write values as they are, and the list of their keys; otherwise as :func:`write_records`."""
    lmdb = library()
    keys: list[bytes] = []
    try:
        path.mkdir(parents=True)
        with lmdb.open(str(path), map_size=room, lock=False) as environment:
            for batch in _batches(entries):
                keys += [key for key, _ in batch]
                _put(environment, batch)
            _put(environment, [(KEYS, pickle.dumps(keys))])
    except (OSError, lmdb.Error) as error:
        raise RunError(f"cannot write {path}: {error}.") from error
    return len(keys)


def _put(environment: object, batch: Sequence[tuple[bytes, bytes]]) -> None:
    """Write some values at once, in a file that is large enough."""
    lmdb = library()
    while True:
        try:
            with environment.begin(write=True) as transaction:  # type: ignore[attr-defined]
                for key, value in batch:
                    transaction.put(key, value)
            return
        except lmdb.MapFullError:
            environment.set_mapsize(2 * environment.info()["map_size"])  # type: ignore[attr-defined]


def _batches(entries: Iterable[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    batch: list[tuple[bytes, bytes]] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _records(parts: Iterable[Sets], grid: int, side: int) -> Iterator[tuple[str, Record]]:
    for names, frames, pixels in parts:
        for name, own, pictures in zip(names, frames.tolist(), pixels, strict=True):
            features, boxes = cut_regions(pictures, grid, side)
            height, width = pictures.shape[1:3]
            for frame, each, where in zip(own, features, boxes, strict=True):
                yield image_key(name, frame), Record(height, width, each, where)
