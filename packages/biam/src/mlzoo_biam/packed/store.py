"""Features of many images on the disk, of which only the rows asked for are read.

A packed folder holds, for N images,

    regions.npy   float32 [N, D, S]   one image after the other: 401 KB each for 512 × 196
    scene.npy     float32 [N, G]
    made.json     what both were made of, their sizes and digests (:mod:`mlzoo.data.row_store`)
    names.txt     N lines
    labels.npz    if they are known, see :mod:`mlzoo_biam.labels`
    store.json    the grid, and facts of whoever made it

Rows are read from the file into the array that is returned, neighbours at once: memory does not
depend on N, no file stays open, and threads and processes may share an object.
:mod:`mlzoo_biam.packed.packing` makes such folders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import ArraySpec, check_array, existing, readable
from mlzoo.data.row_store import RowStore, chained, first_link
from mlzoo.errors import DataError, MlzooError
from mlzoo.files import read_json
from mlzoo_biam.multilabel import Features, Index
from mlzoo_biam.packed.row_file import RowFile, check_rows

Floats = npt.NDArray[np.float32]

REGIONS, SCENE = "regions", "scene"
"""Names of the two arrays."""
NAMES, RECORD, LABELS = "names.txt", "store.json", "labels.npz"
AGAIN = "Pack it again: mlzoo data prepare."


def content_digest(digests: Mapping[str, str], grid: tuple[int, int]) -> str:
    """SHA-256 of features by content, from the digests of both arrays; packed and embedded features
    that are equal have the same."""
    text = f"{digests[REGIONS]} {digests[SCENE]} {grid[0]} {grid[1]}"
    return hashlib.sha256(text.encode()).hexdigest()


class ArrayFeatures:
    """Features in memory.

    Args:
        regions: float32 [N, D, S].
        grid: rows and columns of regions; their product is S.
        scene: float32 [N, G].

    Raises:
        DataError: the arrays do not fit together or hold values that are not finite.
    """

    def __init__(self, regions: Floats, grid: tuple[int, int], scene: Floats) -> None:
        check_array(regions, ArraySpec(ndim=3, kinds="f"), "regions")
        check_array(scene, ArraySpec(ndim=2, kinds="f"), "scene")
        self._regions = np.asarray(regions, np.float32)
        self._scene = np.asarray(scene, np.float32)
        _check_sizes(regions.shape, scene.shape, grid, "the features")
        self.channels, self.grid, self.scene_width = regions.shape[1], grid, scene.shape[1]

    def __len__(self) -> int:
        return len(self._regions)

    def regions(self, rows: Index) -> Floats:
        """float32 [n, D, S] of some images."""
        return self._regions[rows]

    def scene(self, rows: Index) -> Floats:
        """float32 [n, G] of some images."""
        return self._scene[rows]

    def digest(self) -> str:
        """Hex digest of the content."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        arrays = {REGIONS: self._regions, SCENE: self._scene}
        digests = {n: chained(first_link(x.shape[1:]), x).hex() for n, x in arrays.items()}
        return content_digest(digests, self.grid)


class PackedFeatures:
    """The features of a packed folder.

    Args:
        folder: made by :mod:`mlzoo_biam.packed.packing`.

    Attributes:
        facts: what its maker wrote into ``store.json`` (JSON values).
        identity: what it was made of, by name.

    Raises:
        DataError: a file is missing, cut short, or does not fit the others. Values are not looked
            at here: they were when the folder was packed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise DataError(f"{folder} does not exist.", "Make it: mlzoo data prepare.")
        rows = RowStore.opened(folder)
        if rows.arrays.keys() != {REGIONS, SCENE}:
            raise DataError(
                f"{folder} holds {', '.join(rows.arrays)}, not regions and scene.", AGAIN
            )
        self.identity = rows.identity
        self.grid, self.facts = _record(folder / RECORD)
        self._regions, self._scene = (
            RowFile.of(folder / f"{name}.npy", rows.arrays[name], axes)
            for name, axes in ((REGIONS, 3), (SCENE, 2))
        )
        regions, scene = ((each.count, *each.shape) for each in (self._regions, self._scene))
        _check_sizes(regions, scene, self.grid, str(folder))
        self._digest = content_digest(rows.digests, self.grid)
        self.channels, self.scene_width = regions[1], scene[1]

    def __len__(self) -> int:
        return self._regions.count

    def regions(self, rows: Index) -> Floats:
        """float32 [n, D, S] of some images, in the order of ``rows``.

        Raises:
            DataError: the file was cut short, or cannot be read.
            IndexError: a row is not there.
        """
        return self._regions.read(rows)

    def scene(self, rows: Index) -> Floats:
        """float32 [n, G] of some images; raises as ``regions``."""
        return self._scene.read(rows)

    def digest(self) -> str:
        """What was recorded when the folder was packed."""
        return self._digest

    @cached_property
    def names(self) -> list[str]:
        """The images' names, N of them.

        Raises:
            DataError: the file is missing or damaged, or has another number of names, or one twice.
        """
        path = self.folder / NAMES
        names = read_names(path)
        if len(names) != len(self):
            raise DataError(f"{path} has {len(names)} names for {len(self)} images.", AGAIN)
        return names


class ShardedFeatures:
    """Several sets of features, one after the other, as one.

    Args:
        parts: of the same kind; at least one.

    Raises:
        DataError: there is none, or they are of different kinds.
    """

    def __init__(self, parts: Sequence[Features]) -> None:
        if not parts:
            raise DataError("there are no shards of features.")
        first = _kind(parts[0])
        for number, part in enumerate(parts):
            if _kind(part) != first:
                raise DataError(
                    f"features of {_where(part, number)} are {_kind(part)}, of "
                    f"{_where(parts[0], 0)} {first}; expected as many channels, regions and "
                    "numbers of the scene."
                )
        self.parts = tuple(parts)
        self.channels, self.grid, self.scene_width = first
        self.offsets: Index = np.concatenate([[0], np.cumsum([len(part) for part in parts])])

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def regions(self, rows: Index) -> Floats:
        """float32 [n, D, S] of some images, in the order of ``rows``."""
        found = np.empty((len(rows), self.channels, self.grid[0] * self.grid[1]), np.float32)
        for part, places, own in self._by_part(rows):
            found[places] = part.regions(own)
        return found

    def scene(self, rows: Index) -> Floats:
        """float32 [n, G] of some images."""
        found = np.empty((len(rows), self.scene_width), np.float32)
        for part, places, own in self._by_part(rows):
            found[places] = part.scene(own)
        return found

    def digest(self) -> str:
        """Digest of the parts' digests in their order."""
        return hashlib.sha256("\n".join(part.digest() for part in self.parts).encode()).hexdigest()

    def _by_part(self, rows: Index) -> Iterator[tuple[Features, Index, Index]]:
        """Each part that has some of the rows: the part, their places in ``rows``, rows of its own."""
        check_rows(rows, len(self), "the shards")
        number = np.searchsorted(self.offsets, rows, side="right") - 1
        for each in np.unique(number):
            places = np.flatnonzero(number == each)
            yield self.parts[each], places, rows[places] - self.offsets[each]


def read_names(path: Path) -> list[str]:
    """Names of images, one a line.

    Raises:
        DataError: missing, empty, not UTF-8, or with a name twice or an empty one.
    """
    existing(path)
    with readable(path, "a list of names"):
        names = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    check_names(names, str(path))
    return names


def check_names(names: Sequence[str], what: str) -> None:
    """Raises DataError for an empty name, or one that occurs twice: two images' labels would mix."""
    known: set[str] = set()
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise DataError(f"{what}: name {number} is empty.")
        if "\n" in name or "\r" in name:
            raise DataError(f"{what}: name {number} has a line break.")
        if name in known:
            raise DataError(f"{what}: the image {name!r} occurs twice.", "Leave one out.")
        known.add(name)


def _check_sizes(
    regions: tuple[int, ...], scene: tuple[int, ...], grid: tuple[int, int], what: str
) -> None:
    if regions[0] != scene[0]:
        raise DataError(
            f"{what}: {regions[0]} images have regions, {scene[0]} a scene; expected as many.",
            AGAIN,
        )
    if regions[2] != grid[0] * grid[1]:
        raise DataError(f"{what}: {regions[2]} regions are no grid of {grid[0]} × {grid[1]}.")


def _record(path: Path) -> tuple[tuple[int, int], dict[str, Any]]:
    """Grid and facts of ``store.json``."""
    existing(path)
    try:
        kept = read_json(path)
        rows, columns = kept["grid"]
        return (int(rows), int(columns)), dict(kept["facts"])
    except MlzooError as error:
        raise DataError(error.message, AGAIN) from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged: it lacks the grid or the facts.", AGAIN) from error


def _kind(features: Features) -> tuple[int, tuple[int, int], int]:
    return features.channels, features.grid, features.scene_width


def _where(part: Features, number: int) -> str:
    return str(getattr(part, "folder", f"shard {number}"))
