"""Packed folders made of images, or of features that somebody else took of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.backbones import WHOLE, SceneHead, Unreadable, extract
from mlzoo.backbones.extraction import list_digest
from mlzoo.backbones.part_work import PartWork
from mlzoo.data.manifest import sha256_of
from mlzoo.data.row_store import RowStore
from mlzoo.errors import DataError, RunError
from mlzoo.progress import Progress
from mlzoo_biam.labels import Labels
from mlzoo_biam.packed.packing import finish, part_folder, shapes, write_beside
from mlzoo_biam.packed.preparing import require_space
from mlzoo_biam.packed.projection import Projection
from mlzoo_biam.packed.store import REGIONS, SCENE

Floats = npt.NDArray[np.float32]
SceneOf = Callable[[Floats], Floats]

BACKBONE, GRID = "vgg19", (14, 14)
ROW_BYTES = 4 * (512 * 196 + 4096)
"""Of an image in a packed folder."""


def pack_images(
    target: Path,
    files: Sequence[str],
    labels: Labels,
    root: Path,
    weights: Path,
    *,
    names: Sequence[str] | None = None,
    facts: Mapping[str, Any],
    batch_size: int,
    device: str,
    processes: int,
    progress: Progress,
) -> None:
    """Make a packed folder of images, squashed to 224 × 224 pixels as BiAM's features are.

    Images that cannot be read have no row; the folder's ``made.json`` says which they are.

    Args:
        target: must not exist; unfinished work lies in ``<target>.part``.
        files: N paths below ``root``.
        labels: of the N images.
        root: the folder of the images.
        weights: of torchvision's vgg19.
        names: of the N images; their paths if not given.
        facts: what readers should know.

    Raises:
        DataError: the weights do not fit, or no image can be read.
        UsageError: the folder exists.
        RunError: unfinished work is of something else, or it cannot be written.
    """
    found = extract(
        BACKBONE,
        weights,
        files,
        part_folder(target),
        root=root,
        preprocessing=WHOLE,
        batch_size=batch_size,
        device=device,
        processes=processes,
        progress=progress,
    )
    known = files if names is None else names
    own = [known[row] for row in found.rows]
    kept = labels.subset(found.rows)
    write_beside(found.store, len(own), own, GRID, labels=kept, facts=facts)
    found.finish(target)


def made_of(folder: Path, files: Sequence[str], root: Path, weights_digest: str) -> bool:
    """Whether a packed folder was made of these very images with these weights."""
    identity = RowStore.opened(folder).identity
    return (identity.get("images"), identity.get("weights")) == (
        list_digest(files, root),
        weights_digest,
    )


def unreadable_of(folder: Path, files: Sequence[str]) -> list[Unreadable]:
    """The images of a packed folder's list that have no row."""
    left_out = RowStore.opened(folder).left_out
    return [Unreadable(files[place], reason) for place, reason in left_out.items()]


def pack_features(
    target: Path,
    source: Path,
    names: Sequence[str],
    labels: Labels,
    read: Callable[[Sequence[str]], Floats],
    scene_of: SceneOf,
    identity: Mapping[str, str],
    *,
    facts: Mapping[str, Any],
    batch_size: int,
    progress: Progress | None,
) -> None:
    """Make a packed folder of features that are there.

    Args:
        target: must not exist; unfinished work lies in ``<target>.part``.
        source: where the features are from, for messages.
        names: of the N images, at least one.
        labels: of the N images.
        read: gives float32 [n, D, S] of some names.
        scene_of: gives float32 [n, G] of those.
        identity: what the rows depend on.
        facts: what readers should know.
        batch_size: images at once.
        progress: told how many are done.

    Raises:
        DataError: what ``read`` raises, or regions that are no square or differ.
        UsageError: the folder exists.
        RunError: unfinished work is of something else, or it cannot be written.
    """
    first = read(names[:1])
    grid = _square(first.shape[2], source)
    sizes = shapes(first.shape[1], first.shape[2], scene_of(first).shape[1])
    with PartWork.opened(part_folder(target), identity, sizes) as work:
        row_bytes = 4 * sum(prod(shape) for shape in sizes.values())
        require_space(target.parent, row_bytes * (len(names) - work.done))
        if progress is not None:
            progress.begin("images", len(names), work.done)
        try:
            while work.done < len(names):
                batch = names[work.done : work.done + batch_size]
                regions = read(batch)
                if regions.shape[1:] != work.shapes[REGIONS]:
                    raise DataError(
                        f"{source}: features of {batch[0]!r} are {regions.shape[1:]}, of "
                        f"{names[0]!r} {work.shapes[REGIONS]}."
                    )
                work.append({REGIONS: regions, SCENE: scene_of(regions)}, [""] * len(batch))
                if progress is not None:
                    progress.counted(work.done, len(names))
        finally:
            if progress is not None:
                progress.end()
        finish(work, target, names, grid, labels=labels, facts=facts)


def scene_reader(scene: str, weights: Path | None, device: str) -> SceneOf:
    """What makes the global feature [n, G] of regions [n, D, S].

    Args:
        scene: ``vgg19`` or ``projection``.
        weights: of vgg19.
        device: for vgg19.
    """
    if scene == "projection":
        return _Projected()
    assert weights is not None
    return SceneHead(weights, device=device)


def scene_identity(scene: str, weights: Path | None) -> str:
    """What the global feature depends on."""
    return scene if weights is None else sha256_of(weights)


class _Projected:
    """A projection made when the number of channels is known."""

    def __init__(self) -> None:
        self._made: Projection | None = None

    def __call__(self, regions: Floats) -> Floats:
        if self._made is None:
            self._made = Projection(regions.shape[1])
        return self._made(regions)


def _square(regions: int, source: Path) -> tuple[int, int]:
    side = round(regions**0.5)
    if side * side != regions:
        raise DataError(f"{source}: {regions} regions are no square grid.")
    return side, side


class PieceProgress(Progress):
    """Progress of one piece of a longer work: counted on from the pieces before.

    Args:
        whole: shows the work; its bar was begun.
        before: how many things the pieces before have.
        total: of all pieces.
    """

    def __init__(self, whole: Progress, before: int, total: int) -> None:
        super().__init__(quiet=True)
        self._whole, self._before, self._all = whole, before, total

    def message(self, text: str) -> None:
        """A line for the person."""
        self._whole.message(text)

    def counted(self, done: int, total: int) -> None:
        """So many of this piece are done."""
        self._whole.counted(self._before + done, self._all)


def changed(folder: Path) -> RunError:
    """The error for finished work of other images than those that are there now."""
    return RunError(
        f"{folder} was made of other images, weights or labels than those given now.",
        f"Delete {folder.parent} to begin anew.",
    )
