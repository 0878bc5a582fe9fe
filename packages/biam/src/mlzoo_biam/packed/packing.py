"""Make packed folders of features, bit by bit; :mod:`mlzoo_biam.packed.store` reads them.

The work lies in ``<folder>.part``, survives a kill at any moment, and becomes the folder by its name
alone once all is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.backbones.part_work import PartWork
from mlzoo.data.row_store import Shape
from mlzoo.errors import DataError, UsageError
from mlzoo.files import atomic_write, write_arrays, write_json
from mlzoo_biam.labels import Labels
from mlzoo_biam.packed.store import (
    LABELS,
    NAMES,
    RECORD,
    REGIONS,
    SCENE,
    Floats,
    PackedFeatures,
    check_names,
)

CHUNK = 64
"""Images at once, where nothing else decides."""


def part_folder(folder: Path) -> Path:
    """Where unfinished work for a packed folder lies."""
    return folder.with_name(f"{folder.name}.part")


def shapes(channels: int, regions: int, scene: int) -> dict[str, Shape]:
    """Of a row of each array, as :class:`mlzoo.backbones.part_work.PartWork` wants them."""
    return {REGIONS: (channels, regions), SCENE: (scene,)}


def require_absent(folder: Path) -> None:
    """Raises UsageError where a packed folder lies already: it is never replaced."""
    if folder.exists():
        raise UsageError(f"{folder} exists.", "Move it away to make it anew.")


def check_finite(rows: Mapping[str, Floats], names: Sequence[str]) -> None:
    """Raises DataError that names the first image with a value that is not finite.

    Args:
        rows: arrays [n, ...] by name.
        names: of the n images.
    """
    for what, array in rows.items():
        finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if not finite.all():
            name = names[int(finite.argmin())]
            raise DataError(
                f"the image {name!r}: its {what} holds values that are not finite (NaN)."
            )


def write_beside(
    store: Path,
    count: int,
    names: Sequence[str],
    grid: tuple[int, int],
    *,
    labels: Labels | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write into a folder of ``regions`` and ``scene`` what makes it a packed folder.

    Args:
        store: the folder, of finished work or before.
        count: of its rows.
        names: of the images that have a row, in their order.
        grid: rows and columns of regions.
        labels: of these images; written as ``labels.npz``.
        facts: what readers should know (JSON values).

    Raises:
        DataError: names or labels do not fit the rows, or a name occurs twice.
        RunError: it cannot be written.
    """
    check_names(names, str(store / NAMES))
    for what, found in (("names", len(names)), ("labels", len(labels or names))):
        if found != count:
            raise DataError(f"{store}: {found} {what} for {count} images.")
    with atomic_write(store / NAMES) as file:
        file.write("".join(f"{name}\n" for name in names).encode())
    if labels is not None:
        write_arrays(store / LABELS, labels.arrays())
    write_json(store / RECORD, {"grid": list(grid), "facts": dict(facts or {})})


def finish(
    work: PartWork,
    folder: Path,
    names: Sequence[str],
    grid: tuple[int, int],
    *,
    labels: Labels | None = None,
    facts: Mapping[str, Any] | None = None,
) -> PackedFeatures:
    """Make the packed folder of finished work; see :func:`write_beside`.

    Args:
        work: with the arrays ``regions`` [D, S] and ``scene`` [G].
        folder: must not exist; on the disk of the work.

    Raises:
        UsageError: the folder exists.
    """
    write_beside(work.store, work.count, names, grid, labels=labels, facts=facts)
    work.finish(folder)
    return PackedFeatures(folder)


def pack_arrays(
    folder: Path,
    regions: Floats,
    grid: tuple[int, int],
    scene: Floats,
    names: Sequence[str],
    *,
    labels: Labels | None = None,
    facts: Mapping[str, Any] | None = None,
) -> PackedFeatures:
    """Write a packed folder of arrays in memory, whole or not at all.

    Args:
        folder: must not exist; its parent is made if need be.
        regions: float32 [N, D, S].
        grid: rows and columns of regions; their product is S.
        scene: float32 [N, G].
        names: of the N images.
        labels, facts: as for :func:`finish`.

    Raises:
        DataError: the arrays do not fit together, or as :func:`finish`; values that are not finite.
        UsageError: the folder exists.
        RunError: it cannot be written.
    """
    require_absent(folder)
    if not len(regions) == len(scene) == len(names):
        raise DataError(
            f"{folder}: {len(regions)} images have regions, {len(scene)} a scene, {len(names)} names."
        )
    if regions.ndim != 3 or scene.ndim != 2 or regions.shape[2] != grid[0] * grid[1]:
        raise DataError(
            f"{folder}: regions {regions.shape} and scene {scene.shape} are not "
            f"[N, D, {grid[0]} · {grid[1]}] and [N, G]."
        )
    check_names(names, str(folder))
    check_finite({REGIONS: regions, SCENE: scene}, names)
    sizes = shapes(regions.shape[1], regions.shape[2], scene.shape[1])
    with PartWork.opened(part_folder(folder), {"made of": "arrays"}, sizes) as work:
        if work.done:
            raise UsageError(f"{work.folder} holds unfinished work.", "Move it away.")
        for start in range(0, len(names), CHUNK):
            piece = slice(start, start + CHUNK)
            rows = {REGIONS: regions[piece], SCENE: scene[piece]}
            work.append(rows, [""] * len(names[piece]))
        return finish(work, folder, names, grid, labels=labels, facts=facts)
