"""Videos in shards, of which only those asked for are read."""

from __future__ import annotations

import hashlib
import mmap
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError
from mlzoo.progress import Progress
from mlzoo_multisk.clips import Index, Item
from mlzoo_multisk.shards.index import AGAIN, Place, ShardIndex, member_name
from mlzoo_multisk.shards.layout import PARTS, Array, npy_header, read_facts, read_npy_header

OPEN_SHARDS = 64
"""Archives that stay mapped; the longest unused one is let go for another."""
CHUNK = 1 << 22


class ShardStore:
    """A folder of shards with an index: an :class:`mlzoo_multisk.clips.ItemStore`.

    Arrays of an item are read-only views of the mapped archive: only pages that are used are read, and
    the system takes their memory back when it needs it. Values were found finite when the shards were
    written or indexed; reading looks at the first and the last row of each array.

    Attributes:
        folder: where they lie.
        keys: ids of the videos, in the order of rows.
        sizes: int64 [S], videos of each shard, for :func:`mlzoo_multisk.shards.order.windowed_order`.
        widths: numbers of a row by part (``2d``, ``3d``; ``audio``: bands).
        facts: what the maker said (JSON values).
        left_out: videos that could not be stored, with the reason of each.
    """

    def __init__(self, folder: Path, index: ShardIndex) -> None:
        self.folder = folder
        self._index = index
        self.keys: Sequence[str] = index.keys
        self.sizes: Index = np.array([shard.videos for shard in index.shards], np.int64)
        self.widths: Mapping[str, int] = index.widths
        self.facts: Mapping[str, Any] = index.facts
        self.left_out: Mapping[str, str] = index.left_out
        self._maps: OrderedDict[int, mmap.mmap] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def opened(cls, folder: Path) -> Self:
        """Look at a folder without reading its videos.

        Raises:
            DataError: it has no index, or shards are missing, of another size, or not in the index; all
                of them are named.
        """
        if not folder.is_dir():
            raise DataError(f"{folder} does not exist.", "Make it: mlzoo data prepare.")
        index = ShardIndex.read(folder)
        wrong = _wrong_shards(folder, index)
        if wrong:
            raise DataError(f"{folder}: {'; '.join(wrong)}.", AGAIN)
        return cls(folder, index)

    def __len__(self) -> int:
        return len(self.keys)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.folder, self._index)  # another process maps for itself

    def item(self, row: int) -> Item:
        """One video.

        Raises:
            DataError: an archive is not what the index says, or a value is not finite.
            IndexError: there is no such row.
        """
        mapped = self._mapped(self._shard(row))
        arrays = {part: self._array(mapped, row, part) for part in PARTS}
        facts = self.facts_of(row)
        return Item(self.keys[row], arrays["2d"], arrays["3d"], arrays["audio"], facts)

    def facts_of(self, row: int) -> dict[str, Any]:
        """The facts of one video alone.

        Raises:
            DataError: they are no JSON object.
            IndexError: there is no such row.
        """
        mapped = self._mapped(self._shard(row))
        start, size = (int(self._index.arrays[f"json_{name}"][row]) for name in ("start", "size"))
        return read_facts(mapped[start : start + size], self._where(row, "json"))

    def lengths(self, part: str) -> Index:
        """int64 [N]: rows (of ``audio``: frames) that each video has of a part; -1 where it lacks."""
        shape = self._index.arrays[f"{part}_shape"][:, 1 if part == "audio" else 0]
        return np.where(self._index.arrays[f"{part}_start"] < 0, -1, shape)

    def digest(self) -> str:
        """SHA-256 of the content as its maker recorded it, however it is spread over shards."""
        return self._index.digest()

    def verify(self, progress: Progress | None = None) -> None:
        """Read everything and compare it with the digests.

        Raises:
            DataError: shards are not what was written; all of them are named.
        """
        wrong = []
        for number, shard in enumerate(self._index.shards, start=1):
            if file_digest(self.folder / shard.file) != shard.sha256:
                wrong.append(shard.file)
            if progress is not None:
                progress.counted(number, len(self._index.shards))
        if wrong:
            raise DataError(f"{self.folder}: not what was written: {', '.join(wrong)}.", AGAIN)

    def _shard(self, row: int) -> int:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} is outside the {len(self)} videos")
        return int(self._index.arrays["shard"][row])

    def _mapped(self, shard: int) -> mmap.mmap:
        with self._lock:  # threads read ahead
            if shard not in self._maps:
                self._maps[shard] = self._map(shard)
                if len(self._maps) > OPEN_SHARDS:
                    self._maps.popitem(last=False)  # closed when no array of it is left
            self._maps.move_to_end(shard)
            return self._maps[shard]

    def _map(self, shard: int) -> mmap.mmap:
        known = self._index.shards[shard]
        path = self.folder / known.file
        try:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read: {error}.", AGAIN) from error
        if len(mapped) != known.bytes:
            raise DataError(
                f"{path}: expected {known.bytes:,} bytes, found {len(mapped):,}.", AGAIN
            )
        return mapped

    def _array(self, mapped: mmap.mmap, row: int, part: str) -> Array | None:
        place = self._index.place(row, part)
        if place is None:
            return None
        what = self._where(row, part)
        if not _is_there(mapped, place, what):
            raise DataError(f"{what} is not what the index says.", AGAIN)
        count = place.shape[0] * place.shape[1]
        flat: npt.NDArray[Any] = np.frombuffer(mapped, f"<f{place.itemsize}", count, place.data)
        array = flat.reshape(place.shape)
        if count and not (np.isfinite(array[0]).all() and np.isfinite(array[-1]).all()):
            raise DataError(f"{what}: expected finite values.", AGAIN)
        return array

    def _where(self, row: int, part: str) -> str:
        shard = self._index.shards[int(self._index.arrays["shard"][row])]
        return f"{self.folder / shard.file}: {member_name(self.keys[row], part)}"


def file_digest(path: Path) -> str:
    """SHA-256 of a file in hexadecimal; raises DataError if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(CHUNK):
                digest.update(piece)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    return digest.hexdigest()


def _is_there(mapped: mmap.mmap, place: Place, what: str) -> bool:
    """Whether the archive has the header of such an array where the index says."""
    if not 0 <= place.start < place.data <= place.end <= len(mapped):
        return False
    header = mapped[place.start : place.data]
    if header == npy_header(place.shape, place.itemsize):  # as our writer writes it
        return True
    shape, itemsize, length = read_npy_header(header, what)
    return (shape, itemsize, place.start + length) == (place.shape, place.itemsize, place.data)


def _wrong_shards(folder: Path, index: ShardIndex) -> list[str]:
    """What is wrong with each archive, as far as names and sizes tell."""
    wrong = []
    there = {path.name: path.stat().st_size for path in folder.iterdir() if path.suffix == ".tar"}
    for shard in index.shards:
        size = there.pop(shard.file, None)
        if size is None:
            wrong.append(f"{shard.file} is missing")
        elif size != shard.bytes:
            wrong.append(f"{shard.file} has {size:,} bytes, expected {shard.bytes:,}")
    return wrong + [f"{name} is not in the index" for name in sorted(there)]
