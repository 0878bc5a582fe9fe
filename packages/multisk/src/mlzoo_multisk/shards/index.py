"""The index beside shards, so that a video is found without reading any archive through.

``index.json``, for people and programs alike: the shards with their sizes, SHA-256 and numbers of videos,
widths, what the maker said. ``index.npz``, for N videos in the order of the shards:

    keys             text [N]
    shard            int64 [N]      number of the archive
    digest           uint8 [N, 32]  of the content, see :func:`mlzoo_multisk.shards.layout.content_digest`
    <part>_start     int64 [N]      first byte of the .npy file within the archive; -1 where it lacks
    <part>_data      int64 [N]      first byte of its numbers
    <part>_shape     int64 [N, 2]
    <part>_itemsize  int64 [N]      2 for float16, 4 for float32
    json_start, json_size           int64 [N]
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mlzoo.data.fingerprint import fingerprint
from mlzoo.data.readers import ArraySpec, read_npz
from mlzoo.errors import DataError, RunError
from mlzoo.files import read_json, write_arrays, write_json
from mlzoo_multisk.shards.layout import PARTS, escaped

INDEX, ARRAYS = "index.json", "index.npz"
FORMAT = "mlzoo stored videos, version 1"
AGAIN = "Make the shards again, or index them anew (mlzoo_multisk.shards.foreign:index_shards)."

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Place:
    """Where an array lies in its archive.

    Attributes:
        start: first byte of the .npy file.
        data: first byte of its numbers.
        shape: rows and numbers of a row.
        itemsize: bytes of a number.
    """

    start: int
    data: int
    shape: tuple[int, int]
    itemsize: int

    @property
    def end(self) -> int:
        """The byte after its last."""
        return self.data + self.shape[0] * self.shape[1] * self.itemsize


@dataclass(frozen=True)
class Entry:
    """Where a video lies.

    Attributes:
        key: its id.
        digest: of its content, in hexadecimal.
        places: of its arrays, by part.
        json: first byte and length of its facts.
    """

    key: str
    digest: str
    places: Mapping[str, Place]
    json: tuple[int, int]

    def as_json(self) -> dict[str, Any]:
        """JSON values, from which :meth:`from_json` makes it again."""
        places = {p: [x.start, x.data, *x.shape, x.itemsize] for p, x in self.places.items()}
        return {"key": self.key, "digest": self.digest, "json": list(self.json), "places": places}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """The entry that was kept; raises KeyError, TypeError or ValueError if it is damaged."""
        places = {
            part: Place(int(start), int(data), (int(rows), int(width)), int(itemsize))
            for part, (start, data, rows, width, itemsize) in kept["places"].items()
        }
        start, size = kept["json"]
        return cls(str(kept["key"]), str(kept["digest"]), places, (int(start), int(size)))


@dataclass(frozen=True)
class Shard:
    """One archive: its name, size in bytes, SHA-256 in hexadecimal and number of videos."""

    file: str
    bytes: int
    sha256: str
    videos: int


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """What both files say.

    Attributes:
        shards: in order.
        keys: of the videos, in order.
        arrays: the other arrays of ``index.npz`` by name.
        widths: numbers of a row, by part; no part that no video has.
        left_out: videos that could not be stored, with the reason of each.
        facts: what the maker said (JSON values).
    """

    shards: Sequence[Shard]
    keys: Sequence[str]
    arrays: Mapping[str, npt.NDArray[Any]]
    widths: Mapping[str, int]
    left_out: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        shards: Sequence[Shard],
        entries: Sequence[Entry],
        left_out: Mapping[str, str],
        facts: Mapping[str, Any],
    ) -> Self:
        """From the entries of all shards, one shard's after the other.

        Raises:
            DataError: no video, a key twice, or rows of one part with different widths.
        """
        keys = [entry.key for entry in entries]
        if not keys:
            raise DataError("there are no videos for the shards.")
        refuse_twice(keys)
        numbers = np.repeat(np.arange(len(shards)), [shard.videos for shard in shards])
        arrays: dict[str, npt.NDArray[Any]] = {"shard": numbers.astype(np.int64)}
        digests = b"".join(bytes.fromhex(entry.digest) for entry in entries)
        arrays["digest"] = np.frombuffer(digests, np.uint8).reshape(-1, 32)
        for part in PARTS:
            arrays |= _columns(part, [entry.places.get(part) for entry in entries])
        spans = np.array([entry.json for entry in entries], np.int64)
        arrays |= {"json_start": spans[:, 0], "json_size": spans[:, 1]}
        return cls(shards, keys, arrays, _widths(entries), dict(left_out), dict(facts))

    def digest(self) -> str:
        """SHA-256 of the content: of all videos in their order, however they are spread over shards."""
        return hashlib.sha256(self.arrays["digest"].tobytes()).hexdigest()

    def write(self, folder: Path) -> None:
        """Write ``index.npz``, then ``index.json``, without which there is no index."""
        arrays = {"keys": np.array(self.keys, dtype=np.str_), **self.arrays}
        write_arrays(folder / ARRAYS, arrays)
        write_json(
            folder / INDEX,
            {
                "format": FORMAT,
                "videos": len(self.keys),
                "widths": dict(self.widths),
                "digest": self.digest(),
                "index": fingerprint(arrays),
                "facts": dict(self.facts),
                "left_out": dict(self.left_out),
                "shards": [vars(shard) for shard in self.shards],
            },
        )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Both files of a folder.

        Raises:
            DataError: missing, damaged, or the one is not of the other.
        """
        path = folder / INDEX
        if not path.is_file():
            raise DataError(
                f"{folder} holds no index of shards: {INDEX} is missing.",
                "Index shards of others: mlzoo_multisk.shards.foreign:index_shards.",
            )
        try:
            kept = read_json(path)
            if kept.get("format") != FORMAT:
                raise DataError(f"{path} is not of the format {FORMAT!r}.", AGAIN)
            shards = [
                Shard(
                    _plain(each["file"]),
                    int(each["bytes"]),
                    str(each["sha256"]),
                    int(each["videos"]),
                )
                for each in kept["shards"]
            ]
            widths = {str(part): int(width) for part, width in kept["widths"].items()}
            left_out = {str(key): str(reason) for key, reason in kept["left_out"].items()}
            facts, own = dict(kept["facts"]), str(kept["index"])
        except (KeyError, TypeError, ValueError, AttributeError, RunError) as error:
            raise DataError(f"{path} is damaged.", AGAIN) from error
        arrays = _read_arrays(folder / ARRAYS, len(shards))
        if fingerprint(arrays) != own or len(arrays["keys"]) != sum(s.videos for s in shards):
            raise DataError(f"{folder / ARRAYS} is not what {INDEX} was written with.", AGAIN)
        return cls(shards, arrays.pop("keys").tolist(), arrays, widths, left_out, facts)

    def place(self, row: int, part: str) -> Place | None:
        """Where an array of a video lies; None where it lacks."""
        start = int(self.arrays[f"{part}_start"][row])
        if start < 0:
            return None
        rows, width = (int(n) for n in self.arrays[f"{part}_shape"][row])
        data, itemsize = (int(self.arrays[f"{part}_{n}"][row]) for n in ("data", "itemsize"))
        return Place(start, data, (rows, width), itemsize)


def refuse_twice(keys: Sequence[str]) -> None:
    """Raises DataError with the first key that occurs twice."""
    known: set[str] = set()
    for key in keys:
        if key in known:
            raise DataError(f"the video {key!r} occurs twice.", "Leave one out.")
        known.add(key)


def _plain(name: Any) -> str:
    """The name of a file in the folder itself."""
    if not isinstance(name, str) or Path(name).name != name:
        raise ValueError(f"{name!r} is no name of a shard")
    return name


def _columns(part: str, places: Sequence[Place | None]) -> dict[str, npt.NDArray[Any]]:
    lacking = Place(-1, -1, (0, 0), 0)
    rows = [place or lacking for place in places]
    return {
        f"{part}_start": np.array([row.start for row in rows], np.int64),
        f"{part}_data": np.array([row.data for row in rows], np.int64),
        f"{part}_shape": np.array([row.shape for row in rows], np.int64),
        f"{part}_itemsize": np.array([row.itemsize for row in rows], np.int64),
    }


def _widths(entries: Sequence[Entry]) -> dict[str, int]:
    found: dict[str, tuple[int, str]] = {}
    for entry in entries:
        for part, place in entry.places.items():
            width = place.shape[0] if part == "audio" else place.shape[1]
            first, key = found.setdefault(part, (width, entry.key))
            if width != first:
                raise DataError(
                    f"{entry.key}: the {part} rows have {width} numbers, those of {key} {first}."
                )
    return {part: found[part][0] for part in PARTS if part in found}


def _read_arrays(path: Path, shards: int) -> dict[str, npt.NDArray[Any]]:
    """All arrays, of one length, with shards that there are."""
    specs = {"keys": ArraySpec(ndim=1, kinds="U"), "shard": ArraySpec(ndim=1, kinds="i")}
    specs["digest"] = ArraySpec(shape=(None, 32), kinds="u")
    flat = [f"{part}_{name}" for part in PARTS for name in ("start", "data", "itemsize")]
    specs |= {name: ArraySpec(ndim=1, kinds="i") for name in (*flat, "json_start", "json_size")}
    specs |= {f"{part}_shape": ArraySpec(shape=(None, 2), kinds="i") for part in PARTS}
    arrays = read_npz(path, specs)
    numbers = arrays["shard"]
    if len({len(array) for array in arrays.values()}) != 1 or not len(numbers):
        raise DataError(f"{path}: the arrays have different lengths, or none.", AGAIN)
    if numbers.min() < 0 or numbers.max() >= shards or (np.diff(numbers) < 0).any():
        raise DataError(f"{path}: a video lies in a shard that is not there.", AGAIN)
    refuse_twice(arrays["keys"].tolist())
    return arrays


def member_name(key: str, part: str) -> str:
    """``<key>.2d.npy``, as it stands in the archive."""
    return f"{escaped(key)}.{part}.npy" if part in PARTS else f"{escaped(key)}.json"
