"""Made regions of images, and LMDB files of them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo_imagecode.cross.regions.demo import write_entries
from mlzoo_imagecode.cross.regions.records import Record

WIDTH = 6


def record(seed: int = 0, regions: int = 5, width: int = WIDTH) -> Record:
    """An image of 40 × 60 pixels or more."""
    random = np.random.default_rng(seed)
    height, wide = 40 + seed % 7, 60 + seed % 5
    ends = np.sort(random.uniform(0, 1, (regions, 2, 2)), axis=1)  # [n, 2 ends, (x, y)]
    boxes = (ends * [wide, height]).reshape(regions, 4).astype(np.float32)
    return Record(height, wide, random.random((regions, width), dtype=np.float32), boxes)


def records(count: int = 7, most: int = 5, width: int = WIDTH) -> dict[str, Record]:
    """Frames of sets of ten, in an order of their own; images have 1 to ``most`` regions."""
    keys = [f"set{n // 10}img{7 * n}" for n in range(count)]
    drawn = np.random.default_rng(1).permutation(count)
    return {keys[n]: record(int(n), 1 + (int(n) + most - 1) % most, width) for n in drawn}


def write_lmdb(path: Path, values: Mapping[str, Any]) -> Path:
    """An LMDB folder; values are pickled, bytes are written as they are, and ``Record`` as published."""

    def content(value: Any) -> bytes:
        value = value.published() if isinstance(value, Record) else value
        return value if isinstance(value, bytes) else pickle.dumps(value)

    write_entries(path, ((key.encode(), content(value)) for key, value in values.items()))
    return path
