"""One part of NUS-WIDE from the h5 file that BiAM's program reads."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mlzoo.backbones.part_work import PartWork
from mlzoo.data.manifest import sha256_of
from mlzoo.errors import DataError
from mlzoo.progress import Progress
from mlzoo_biam.nus_archive import Archive, name_list, part_names
from mlzoo_biam.nus_files import Vocabulary
from mlzoo_biam.nus_h5 import OfficialFile, open_official
from mlzoo_biam.nus_labels import sparse_labels
from mlzoo_biam.packing import check_finite, finish, part_folder, shapes
from mlzoo_biam.prepare_nus import label_facts, require_space
from mlzoo_biam.prepare_nus_config import PrepareNusWideOptions
from mlzoo_biam.projection import Projection
from mlzoo_biam.store import REGIONS, SCENE, check_names

Floats = npt.NDArray[np.float32]


class SceneOf(Protocol):
    """Makes the global feature [n, width] of regions [n, D, S]."""

    width: int

    def __call__(self, regions: Floats) -> Floats: ...


def prepare_h5(
    root: Path,
    part: str,
    path: Path,
    archive: Archive,
    words: Vocabulary,
    options: PrepareNusWideOptions,
    progress: Progress,
) -> dict[str, Any]:
    """Pack one file, image by image in the order of the published list of names.

    Labels are read and checked before the first feature. The list decides which images there must be;
    without one, the file's own images are taken in alphabetical order.

    Returns:
        Facts of what was made.

    Raises:
        DataError: an image of the list is missing from the file, or an array is not as promised.
        RunError: the disk is too small, or unfinished work is of something else.
    """
    with open_official(path) as official:
        listed = name_list(archive, part)
        names = part_names(archive, part) if listed is not None else official.names()
        check_names(names, str(listed or path))
        if not names:
            raise DataError(f"{path} holds no image.")
        official.require(names)
        dense = official.labels(names, words)
        labels = sparse_labels(dense)
        del dense
        first = official.features(names[:1])[0]  # [D, S]
        grid = square_grid(first.shape[1], path)
        facts = {
            "from": path.name,
            "scene": options.scene,
            "names": listed.name if listed else "h5",
        }
        scene_of = scene_reader(options, first.shape[0], grid)
        sizes = shapes(first.shape[0], first.shape[1], scene_of.width)
        with PartWork.opened(
            part_folder(root / part), _identity(path, names, options), sizes
        ) as work:
            row_bytes = 4 * sum(prod(shape) for shape in sizes.values())
            require_space(root, row_bytes * (len(names) - work.done))
            _append_all(work, official, names, scene_of, options.batch_size, progress)
            finish(work, root / part, names, grid, labels=labels, facts=facts)
    return {"images": len(names), **facts, **label_facts(labels, words, ())}


def scene_reader(options: PrepareNusWideOptions, channels: int, grid: tuple[int, int]) -> SceneOf:
    """As the options ask for it; raises DataError where VGG-19's weights are not for such regions."""
    if options.scene == "projection":
        return Projection(channels)
    from mlzoo.backbones import SceneHead

    assert options.weights is not None
    head = SceneHead(options.weights, device=options.device, batch_size=options.batch_size)
    if (channels, grid) != (head.channels, (14, 14)):
        raise DataError(
            f"features are {channels} × {grid[0]}·{grid[1]}, expected {head.channels} × 14·14, VGG-19's."
        )
    return head


def square_grid(regions: int, path: Path) -> tuple[int, int]:
    """Rows and columns of regions; raises DataError if they are no square."""
    side = round(regions**0.5)
    if side * side != regions:
        raise DataError(f"{path}: {regions} regions are no square grid.")
    return side, side


def _append_all(
    work: PartWork,
    official: OfficialFile,
    names: Sequence[str],
    scene_of: SceneOf,
    batch_size: int,
    progress: Progress,
) -> None:
    if work.done:
        progress.message(f"{work.done} of {len(names)} images were done before.")
    progress.begin(f"images of {work.folder.name.removesuffix('.part')}", len(names), work.done)
    try:
        while work.done < len(names):
            batch = names[work.done : work.done + batch_size]
            regions = official.features(batch)
            if regions.shape[1:] != work.shapes[REGIONS]:
                raise DataError(
                    f"{official.path}: features of {batch[0]!r} are {regions.shape[1:]}, of the first "
                    f"image {work.shapes[REGIONS]}."
                )
            check_finite({"features": regions}, batch)
            work.append({REGIONS: regions, SCENE: scene_of(regions)}, [""] * len(batch))
            progress.counted(work.done, len(names))
    finally:
        progress.end()


def _identity(path: Path, names: Sequence[str], options: PrepareNusWideOptions) -> dict[str, str]:
    listed = hashlib.sha256("\n".join(names).encode()).hexdigest()
    scene = "projection" if options.weights is None else sha256_of(options.weights)
    return {"h5 file": f"{path.name} {path.stat().st_size}", "images": listed, "scene": scene}
