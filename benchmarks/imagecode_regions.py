"""Regions of images from a store on the disk against the published LMDB layout, read as published.

python benchmarks/imagecode_regions.py [--json FILE] [--repeats 5] [--quick]

As many keys as ImageCoDe has images; 36 regions of 2048 numbers of some of them, of which a batch of
eighty (eight descriptions of ten images) is read in a random order. Published is: find the image in the list
of keys, get its entry, unpickle it, decode base64. Files lie in the memory of the disk's cache.
"""

from __future__ import annotations

import argparse
import base64
import pickle
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _measure import Call, Row, arguments, compare, report

from mlzoo.backbones.part_work import PartWork
from mlzoo_imagecode.cross.regions.converting import convert
from mlzoo_imagecode.cross.regions.demo import write_records
from mlzoo_imagecode.cross.regions.lmdb_reader import library, opened
from mlzoo_imagecode.cross.regions.records import Record
from mlzoo_imagecode.cross.regions.store import RegionStore, shapes, write_keys

IMAGES, STORED, BATCH, REGIONS, WIDTH = 94_020, 400, 80, 36, 2048
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class World:
    """Keys of all images, those that are stored, and a batch of these."""

    keys: list[str]
    stored: list[str]
    batch: list[str]

    @classmethod
    def of(cls, options: argparse.Namespace) -> World:
        images, stored, batch = (500, 20, 10) if options.quick else (IMAGES, STORED, BATCH)
        keys = [f"videostorytellingvideo{n // 10}img{7 * (n % 10)}" for n in range(images)]
        drawn = np.random.default_rng(0).permutation(images)[:stored]
        own = [keys[place] for place in drawn]
        return cls(keys, own, own[:batch])

    def records(self, width: int) -> Iterator[tuple[str, Record]]:
        random = np.random.default_rng(1)
        for key in self.stored:
            ends = np.sort(random.uniform(0, 1, (REGIONS, 2, 2)), axis=1) * [640, 480]
            features = random.standard_normal((REGIONS, width), dtype=np.float32)
            yield key, Record(480, 640, features, ends.reshape(-1, 4).astype(np.float32))


class PublishedReader:
    """Entries of an LMDB folder, unpickled without any check, found by place in the list or by key."""

    def __init__(self, environment: Any, keys: Sequence[str]) -> None:
        self._environment = environment
        self._keys = [key.encode() for key in keys]

    def linear(self, key: str) -> Mapping[str, Any]:
        """As the published program does it."""
        return self._entry(self._keys[self._keys.index(key.encode())])

    def by_key(self, key: str) -> Mapping[str, Any]:
        """Without the search."""
        return self._entry(key.encode())

    def _entry(self, key: bytes) -> Mapping[str, Any]:
        with self._environment.begin() as transaction:
            item = pickle.loads(transaction.get(key))
        width = len(item["features"]) * 3 // 4 // REGIONS // 4
        return {
            "size": (item["img_h"], item["img_w"]),
            "features": _array(item["features"], width),
            "boxes": _array(item["boxes"], 4),
        }


def _array(text: bytes, width: int) -> Floats:
    return np.frombuffer(base64.decodebytes(text), np.float32).reshape(-1, width)


def with_image(item: Mapping[str, Any]) -> tuple[Floats, Floats]:
    """Features and locations of an image and its regions, one image at a time."""
    features, boxes, (height, width) = item["features"], item["boxes"], item["size"]
    whole = np.sum(features, axis=0) / len(features)
    placed = np.zeros((len(boxes), 5), np.float32)
    placed[:, :4] = boxes
    placed[:, 4] = (
        (placed[:, 3] - placed[:, 1])
        * (placed[:, 2] - placed[:, 0])
        / (float(width) * float(height))
    )
    placed[:, [0, 2]] /= float(width)
    placed[:, [1, 3]] /= float(height)
    image = np.array([[0, 0, 1, 1, 1]], np.float32)
    return np.concatenate([whole[None], features]), np.concatenate([image, placed])


def keys_alone(folder: Path, world: World) -> RegionStore:
    """A store of all keys, with one number an image."""
    sizes = shapes(1, 1)
    ones = {n: np.ones((len(world.keys), *shape), np.float32) for n, shape in sizes.items()}
    with PartWork.opened(folder.with_suffix(".part"), {"made of": "ones"}, sizes) as work:
        work.append(ones, [""] * len(world.keys))
        write_keys(work.store, world.keys)
        work.finish(folder)
    return RegionStore(folder)


def look_ups(folder: Path, world: World, options: argparse.Namespace) -> Row:
    """Where the images of a batch lie."""
    store, keys = keys_alone(folder, world), [key.encode() for key in world.keys]
    wanted = [key.encode() for key in world.batch]
    assert store.rows_of(world.batch).tolist() == [keys.index(key) for key in wanted]
    calls: dict[str, Call] = {
        "mlzoo": lambda: store.rows_of(world.batch),
        "linear search": lambda: [keys.index(key) for key in wanted],
    }
    what = f"rows of {len(wanted)} images among {len(keys):,} keys"
    return compare(what, calls, options, against=("linear search",))


def reading(
    store: RegionStore, published: PublishedReader, world: World, options: argparse.Namespace
) -> list[Row]:
    """Regions of a batch, and what a network reads of it."""

    def read_published() -> list[Any]:
        return [published.linear(key) for key in world.batch]

    ours, theirs = store.read(store.rows_of(world.batch)), read_published()
    assert all(
        (own == each["features"]).all() for own, each in zip(ours.features, theirs, strict=True)
    )
    assert all((own == each["boxes"]).all() for own, each in zip(ours.boxes, theirs, strict=True))
    inputs, plain = ours.inputs(), [with_image(each) for each in theirs]
    assert np.abs(inputs.features - [own for own, _ in plain]).max() < 1e-5
    assert np.abs(inputs.locations - [own for _, own in plain]).max() < 1e-6
    calls: dict[str, Call] = {
        "mlzoo": lambda: store.read(store.rows_of(world.batch)),
        "published reader": read_published,
        "published, by key": lambda: [published.by_key(key) for key in world.batch],
    }
    count = len(world.batch)
    what = f"regions of {count} images from a store"
    gigabytes = 2 * ours.features.nbytes / 1e9  # read once, written once
    against = ("published reader", "published, by key")
    rows = [compare(what, calls, options, against=against, gigabytes=gigabytes)]
    calls = {
        "mlzoo": lambda: store.read(store.rows_of(world.batch)).inputs(),
        "published reader": lambda: [with_image(published.linear(key)) for key in world.batch],
    }
    what = f"the network's input of {count} images from a store"
    return [*rows, compare(what, calls, options, against=("published reader",))]


def main() -> None:
    options = arguments(__doc__, repeats=5)
    world = World.of(options)
    with tempfile.TemporaryDirectory() as name:
        root, width = Path(name), 16 if options.quick else WIDTH
        write_records(root / "regions.lmdb", world.records(width))
        store = convert(root / "regions.lmdb", root / "regions")
        with opened(root / "regions.lmdb") as file:
            assert sorted(file.keys) == sorted(store.keys)
        with library().open(
            str(root / "regions.lmdb"), readonly=True, lock=False, readahead=False
        ) as environment:
            published = PublishedReader(environment, world.keys)
            rows = [
                look_ups(root / "keys", world, options),
                *reading(store, published, world, options),
            ]
    report(rows, options)


if __name__ == "__main__":
    main()
