"""From published regions to a store, once: the work survives a kill and goes on where it was.

Images of a set become neighbours, in the order of their frames: a batch reads a few long stretches.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from mlzoo.backbones.part_work import PartWork
from mlzoo.data.row_store import bytes_of
from mlzoo.errors import DataError, RunError, UsageError
from mlzoo.prefetch import ahead
from mlzoo.progress import Progress
from mlzoo_imagecode.contextual import Floats
from mlzoo_imagecode.cross.regions.boxes import ROWS
from mlzoo_imagecode.cross.regions.lmdb_reader import RegionFile, opened
from mlzoo_imagecode.cross.regions.records import Record
from mlzoo_imagecode.cross.regions.store import (
    BOXES,
    COUNTS,
    FEATURES,
    SIZES,
    RegionStore,
    digest_of_keys,
    shapes,
    write_keys,
)

REGIONS = ROWS - 1
"""The most regions of an image in the published files."""
BLOCK = 64
"""Images that are written at once: a kill loses no more."""
LOOKED_AT = 16
"""Entries whose bytes tell one file from another, spread evenly over all."""

_FRAME = re.compile(r"(.*)img([0-9]+)", re.DOTALL)


def convert(
    source: Path,
    target: Path,
    *,
    regions: int = REGIONS,
    width: int | None = None,
    block: int = BLOCK,
    progress: Progress | None = None,
) -> RegionStore:
    """Make a store of a published file, or go on with one that was begun.

    Args:
        source: LMDB file or folder, see :mod:`~mlzoo_imagecode.cross.regions.lmdb_reader`.
        target: folder; does not exist. Unfinished work lies in ``<target>.part``.
        regions: the most that an image may have.
        width: F that all features must have; that of the first image if not given.
        block: images that are written at once; changes nothing but speed.
        progress: told how many are done.

    Raises:
        UsageError: the target exists.
        DataError: the source is missing or damaged; an image's entry is missing, no plain data, of another
            width, with too many regions or a box outside; names the image.
        RunError: unfinished work is of another file, the disk is full or too small.
    """
    if target.exists():
        raise UsageError(f"{target} exists.", "Move it away to make it anew.")
    progress = progress or Progress(quiet=True)
    with opened(source) as file:
        keys = sorted(file.keys, key=place_of)
        width = width or file.read(keys[0]).features.shape[1]
        sizes = shapes(regions, width)
        part = target.with_name(f"{target.name}.part")
        with PartWork.opened(part, _identity(file, keys), sizes) as work:
            row_bytes = sum(bytes_of(shape) for shape in sizes.values())
            _require_space(part, row_bytes * (len(keys) - work.done))
            progress.begin("images", len(keys), work.done)
            try:
                # Closed, as no thread may read when the file is unmapped.
                with closing(_blocks(file, keys[work.done :], regions, width, block)) as blocks:
                    for rows in blocks:
                        work.append(rows, [""] * len(rows[COUNTS]))
                        progress.counted(work.done, len(keys))
            except KeyboardInterrupt:
                progress.message("stopped; the same command goes on from here.")
                raise
            finally:
                progress.end()
            write_keys(work.store, keys)
            work.finish(target)
    return RegionStore(target)


def place_of(key: str) -> tuple[str, int]:
    """What images are sorted by: the key of their set, then the number of their frame."""
    match = _FRAME.fullmatch(key)
    return (match[1], int(match[2])) if match else (key, -1)


def stacked(records: Sequence[Record], regions: int, width: int) -> Mapping[str, Floats]:
    """Rows of a store's arrays, zeros after the last region.

    Args:
        records: of n images, of at most ``regions`` regions and of ``width`` numbers.
    """
    rows = {
        name: np.zeros((len(records), *shape), np.float32)
        for name, shape in shapes(regions, width).items()
    }
    for row, record in enumerate(records):
        count = len(record.boxes)
        rows[FEATURES][row, :count] = record.features
        rows[BOXES][row, :count] = record.boxes
        rows[COUNTS][row] = count
        rows[SIZES][row] = record.height, record.width
    return rows


def _blocks(
    file: RegionFile, keys: Sequence[str], regions: int, width: int, block: int
) -> Generator[Mapping[str, Floats], None, None]:
    """Rows of some images at a time; the next ones are decoded while these are written."""

    def rows_of(start: int) -> Mapping[str, Floats]:
        own = keys[start : start + block]
        records = [file.read(key, width) for key in own]
        for key, record in zip(own, records, strict=True):
            if len(record.boxes) > regions:
                raise DataError(
                    f"{file.path}: {key!r} has {len(record.boxes)} regions, at most {regions} are kept.",
                    "Raise --max-regions.",
                )
        return stacked(records, regions, width)

    return ahead(rows_of, range(0, len(keys), block))


def _identity(file: RegionFile, keys: Sequence[str]) -> dict[str, str]:
    """Tells files apart without reading tens of gigabytes: size, keys, and some of the entries."""
    places = np.unique(np.linspace(0, len(keys) - 1, LOOKED_AT).astype(int))
    looked = hashlib.sha256()
    for place in places:
        looked.update(hashlib.sha256(file.value(keys[place])).digest())
    return {"size": str(file.size), "keys": digest_of_keys(keys), "entries": looked.hexdigest()}


def _require_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise RunError(
            f"{folder} has {free / 1e9:.1f} GB free, the regions need {size / 1e9:.1f} GB more.",
            "Choose another place with --data-dir DIR.",
        )
