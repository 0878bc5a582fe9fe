"""Make packed folders of features; :mod:`mlzoo_biam.store` reads them.

A folder is whole once ``store.json`` is in it: that is written last, after every value was looked at.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlzoo.data.checks import ArraySpec
from mlzoo.data.readers import read_npy
from mlzoo.errors import DataError, RunError
from mlzoo.files import atomic_write, write_json
from mlzoo_biam.store import (
    NAMES,
    RECORD,
    REGIONS,
    SCENE,
    Floats,
    PackedFeatures,
    check_names,
    content_digest,
)


def seal(folder: Path, names: Sequence[str], grid: tuple[int, int]) -> PackedFeatures:
    """Make a packed folder of one that holds ``regions.npy`` and ``scene.npy`` already.

    Both are read once, in pieces: for values that are not finite, and for the digest.

    Args:
        folder: also gets ``names.txt`` and, at last, ``store.json``.
        names: of the images, in the order of the rows.
        grid: rows and columns of regions.

    Raises:
        DataError: an array is cut short or not as promised, a value is not finite (the image is
            named), or a name occurs twice.
        RunError: the folder cannot be written.
    """
    check_names(names, str(folder / NAMES))
    regions, scene = (_mapped(folder / name, names) for name in (REGIONS, SCENE))
    if regions.ndim != 3 or regions.shape[2] != grid[0] * grid[1]:
        raise DataError(
            f"{folder / REGIONS}: expected [images, channels, {grid[0] * grid[1]}] "
            f"numbers, found {regions.shape}."
        )
    digest = content_digest(regions, scene, grid)
    if any("\n" in name or "\r" in name for name in names):
        raise DataError(f"{folder / NAMES}: a name holds a line break.")
    with atomic_write(folder / NAMES) as file:
        file.write("".join(f"{name}\n" for name in names).encode())
    record = {"images": len(names), "channels": regions.shape[1], "grid": list(grid)}
    write_json(folder / RECORD, {**record, "scene": scene.shape[1], "digest": digest})
    return PackedFeatures(folder)


def pack_arrays(
    folder: Path, regions: Floats, grid: tuple[int, int], scene: Floats, names: Sequence[str]
) -> PackedFeatures:
    """Write a packed folder of arrays in memory, whole or not at all.

    Args:
        folder: must not exist; its parent is made if need be.
        regions: float32 [N, D, S].
        grid: rows and columns of regions.
        scene: float32 [N, G].
        names: of the N images.

    Raises:
        DataError: as :func:`seal`.
        RunError: the folder exists or cannot be written.
    """
    if folder.exists():
        raise RunError(f"{folder} exists.", "Move it away, or choose another folder.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}.") from error
    try:
        for name, array in ((REGIONS, regions), (SCENE, scene)):
            with atomic_write(work / name) as file:
                np.save(file, np.ascontiguousarray(array, "<f4"), allow_pickle=False)
        seal(work, names, grid)
        work.chmod(0o755)  # mkdtemp makes folders for their owner alone
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return PackedFeatures(folder)


def _mapped(path: Path, names: Sequence[str]) -> Floats:
    array = read_npy(path, ArraySpec(kinds="f", finite=False), mmap=True)
    if len(array) != len(names):
        raise DataError(f"{path} has {len(array)} rows for {len(names)} images.")
    flat = array.reshape(len(array), -1)
    step = max(1, 2**24 // max(1, flat[0].nbytes))
    for start in range(0, len(flat), step):
        bad = ~np.isfinite(flat[start : start + step]).all(axis=1)
        if bad.any():
            name = names[start + int(bad.argmax())]
            raise DataError(f"{path}: the image {name!r} has values that are not finite (NaN).")
    return array
