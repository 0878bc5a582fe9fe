"""Folders of image sets: ``<folder>/<set>/img<N>.jpg``, ten of a set, in the order of N."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import Images, Index
from mlzoo_imagecode.cross.regions.questions import frames_by_set
from mlzoo_imagecode.cross.regions.store import RegionStore
from mlzoo_imagecode.imagecode.files import ARCHIVE, CHOICES
from mlzoo_imagecode.images.absent import AbsentImages
from mlzoo_imagecode.images.folder import JpgImages, frames_of

GET = (
    f"mlzoo data download imagecode fetches and unpacks {ARCHIVE} (13.8 GB); --images names a folder that "
    "lies elsewhere."
)
NAMED = 3
"""Of many, those that are named."""


@dataclass(frozen=True)
class ImageSets:
    """Images of some sets, set by set and by position.

    Attributes:
        folder: of the sets' folders; None where there are no images, but their regions.
        names: of the sets.
        files: of the images, below the folder: ``<set>/img3.jpg``.
        set_of_image, position, frame: int64 [N], as in :class:`~mlzoo_imagecode.contextual.Part`.
    """

    folder: Path | None
    names: tuple[str, ...]
    files: tuple[str, ...]
    set_of_image: Index
    position: Index
    frame: Index

    @property
    def images(self) -> Images:
        """The files, to be read when they are asked for."""
        if self.folder is None:
            return AbsentImages(self.files, GET)
        return JpgImages(self.folder, self.files)

    def taken(self, rows: Index) -> ImageSets:
        """Some of the images, of the same sets."""
        files = tuple(self.files[row] for row in rows)
        columns = (self.set_of_image[rows], self.position[rows], self.frame[rows])
        return ImageSets(self.folder, self.names, files, *columns)


def folder_of(options_images: Path | None, *places: Path) -> Path:
    """The folder of the sets' folders: the one that is named, else the first of some places that is there.

    Raises:
        DataError: there is none.
    """
    if options_images is not None:
        if not options_images.is_dir():
            raise DataError(
                f"{options_images} is no folder.", "--images names the folder of the sets' folders."
            )
        return options_images
    for place in places:
        if place.is_dir():
            return place
    raise DataError(f"there are no images: {places[0]} is no folder.", GET)


def find_sets(folder: Path, names: Sequence[str], told_by: Path) -> ImageSets:
    """The images of some sets.

    Args:
        folder: of the sets' folders.
        names: of the sets.
        told_by: the file that names them, for errors.

    Raises:
        DataError: sets without a folder, of which the first is named, or a folder without exactly ten
            images ``img<N>.jpg``.
    """
    if lacking := without_folder(folder, names):
        count = f"{len(lacking):,} sets" if len(lacking) > 1 else "a set"
        raise DataError(
            f"{told_by.name} describes {count} without a folder in {folder}: {some(lacking)}.", GET
        )
    found = [frames_of(folder / name, CHOICES) for name in names]
    files = [f"{path.parent.name}/{path.name}" for own in found for _, path in own]
    return _of_frames(folder, names, files, [frame for own in found for frame, _ in own])


def sets_of_regions(store: Path, names: Sequence[str]) -> ImageSets:
    """The same without images: which frames there are is known by their regions.

    Args:
        store: folder of region features.
        names: of the sets.

    Raises:
        DataError: the store is damaged, or has regions of other than ten images of a set; names the first.
    """
    frames = frames_by_set(RegionStore(store).keys, names, CHOICES)
    files = [f"{name}/img{frame}.jpg" for name in names for frame in frames[name]]
    return _of_frames(None, names, files, [frame for name in names for frame in frames[name]])


def _of_frames(
    folder: Path | None, names: Sequence[str], files: Sequence[str], frames: Sequence[int]
) -> ImageSets:
    sets = np.arange(len(names), dtype=np.int64)
    return ImageSets(
        folder=folder,
        names=tuple(names),
        files=tuple(files),
        set_of_image=np.repeat(sets, CHOICES),
        position=np.tile(np.arange(CHOICES, dtype=np.int64), len(names)),
        frame=np.array(frames, dtype=np.int64),
    )


def without_folder(folder: Path, names: Collection[str]) -> list[str]:
    """Sets that have no folder, in the order of ``names``."""
    there = folders_in(folder)
    return [name for name in names if name not in there]


def folders_in(folder: Path) -> set[str]:
    """Names of the folders in a folder; those that begin with a dot are left out.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return {e.name for e in entries if e.is_dir() and not e.name.startswith(".")}
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}.") from error


def some(names: Sequence[str]) -> str:
    """The first few, and how many others there are."""
    rest = len(names) - NAMED
    shown = ", ".join(repr(name) for name in names[:NAMED])
    return shown + (f" and {rest:,} others" if rest > 0 else "")
