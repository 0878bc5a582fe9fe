"""A training set in shards: packed folders that are read as one, some hundred images each.

<folder>/<shard>/     packed features with labels.npz, see mlzoo_biam.packed.packing
<folder>/shards.json  the shards in their order, with their numbers of images: written last
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from mlzoo.errors import DataError, MlzooError
from mlzoo.files import read_json, write_json
from mlzoo_biam.labels import Labels
from mlzoo_biam.multilabel import Images, Index
from mlzoo_biam.packed.label_file import read_labels
from mlzoo_biam.packed.store import AGAIN, LABELS, PackedFeatures, ShardedFeatures

SHARDS = "shards.json"
CLASSES = "classes"
"""Among the facts of a packed folder: the digest of the classes that its labels are of."""


class ShardNames(Sequence[str]):
    """The names of all images, of which a shard's are read when one of them is asked for."""

    def __init__(self, parts: Sequence[PackedFeatures], offsets: Index) -> None:
        self._parts = parts
        self._offsets: list[int] = offsets.tolist()

    def __len__(self) -> int:
        return self._offsets[-1]

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        place = int(row) + (len(self) if row < 0 else 0)
        if not 0 <= place < len(self):
            raise IndexError(row)
        number = bisect.bisect_right(self._offsets, place) - 1
        return self._parts[number].names[place - self._offsets[number]]

    def __iter__(self) -> Iterator[str]:
        return (name for part in self._parts for name in part.names)


def open_shards(folder: Path, classes: str, tags: int) -> tuple[Images, Index]:
    """All images of a sharded set, and where the shards begin and end.

    Args:
        folder: with ``shards.json``.
        classes: digest of the classes that the labels must be of.
        tags: how many classes.

    Returns:
        The images, and int64 [K+1] of the K shards.

    Raises:
        DataError: a shard is missing, cut short, of other classes, or has another number of images.
    """
    parts, labels = [], []
    for name, count in read_record(folder):
        part = open_packed(folder / name, classes, tags)
        if len(part) != count:
            raise DataError(
                f"{folder / name} has {len(part)} images, {SHARDS} tells of {count}.", AGAIN
            )
        assert isinstance(part.features, PackedFeatures)
        parts.append(part.features)
        labels.append(part.labels)
    features = ShardedFeatures(parts)
    images = Images(
        features,
        joined(labels),
        ShardNames(parts, features.offsets),
        np.arange(len(features), dtype=np.int64),
    )
    return images, features.offsets.astype(np.int64)


def open_packed(folder: Path, classes: str, tags: int) -> Images:
    """The images of one packed folder with their labels; raises DataError as :func:`open_shards`."""
    features = PackedFeatures(folder)
    if features.facts.get(CLASSES) != classes:
        raise DataError(
            f"{folder} was packed with labels of other classes than the class files list.",
            AGAIN,
        )
    labels = read_labels(folder / LABELS, tags, len(features))
    return Images(features, labels, features.names, np.arange(len(features), dtype=np.int64))


def joined(parts: Sequence[Labels]) -> Labels:
    """Labels of several sets of images, one after the other.

    Raises:
        DataError: their defaults differ.
    """
    default = parts[0].default
    if any(not np.array_equal(part.default, default) for part in parts):
        raise DataError("labels: the shards differ in what is not stored.", AGAIN)
    sizes = [len(part.tags) for part in parts]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    indptr = [part.indptr[:-1] + start for part, start in zip(parts, starts, strict=False)]
    return Labels(
        default,
        np.concatenate([*indptr, starts[-1:]]),
        np.concatenate([part.tags for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def read_record(folder: Path) -> list[tuple[str, int]]:
    """Name and number of images of each shard.

    Raises:
        DataError: missing, damaged, or a name that leads elsewhere.
    """
    path = folder / SHARDS
    if not path.is_file():
        raise DataError(f"{path} does not exist.", "Make it: mlzoo data prepare.")
    try:
        found = [(str(each["name"]), int(each["images"])) for each in read_json(path)["shards"]]
    except (MlzooError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged.", AGAIN) from error
    names = [name for name, _ in found]
    if not found or len(set(names)) < len(names) or any(Path(n).name != n for n in names):
        raise DataError(f"{path} is damaged: its shards must be distinct folders beside it.", AGAIN)
    return found


def write_record(folder: Path, shards: Sequence[str], **facts: Any) -> int:
    """Write ``shards.json`` after a look at every shard; returns the number of images.

    Raises:
        DataError: a shard is not whole, or an image is in two of them.
        RunError: it cannot be written.
    """
    sizes, names = [], []
    for shard in shards:
        part = PackedFeatures(folder / shard)
        sizes.append(len(part))
        names.append(np.array([name.encode() for name in part.names]))
    every = np.sort(np.concatenate(names))
    twice = every[1:][every[1:] == every[:-1]]
    if len(twice):
        raise DataError(f"{folder}: the image {twice[0].decode()!r} is in two shards.")
    rows = [{"name": name, "images": size} for name, size in zip(shards, sizes, strict=True)]
    write_json(folder / SHARDS, {"shards": rows, **facts})
    return sum(sizes)
