"""What the doctors look at in the folders of image sets."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mlzoo.contracts import Finding
from mlzoo.errors import DataError, MlzooError
from mlzoo_imagecode.imagecode.files import ARCHIVE, CHOICES
from mlzoo_imagecode.imagecode.image_sets import folders_in, some
from mlzoo_imagecode.images.folder import JpgImages, frames_of

SAMPLE = 200
"""Images that are decoded, evenly over all."""
SIZE = 32
"""Side to which they are."""
NAMED = 3


def check_folders(
    folder: Path, sets: Mapping[str, Sequence[str]]
) -> Generator[Finding, None, list[str]]:
    """Whether every described set has a folder with ten images, and no other folder is there.

    Args:
        folder: of the sets' folders.
        sets: names of the sets by file.

    Returns:
        The names of the sets whose folder is right.

    Raises:
        DataError: the folder cannot be read.
    """
    there = folders_in(folder)
    whole: list[str] = []
    for file, names in sets.items():
        if lacking := [name for name in names if name not in there]:
            text = f"{len(lacking):,} of {len(names):,} sets have no folder: {some(lacking)}"
            yield Finding(
                "error", file, text, f"They are in {ARCHIVE}: mlzoo data download imagecode"
            )
        broken = []
        for name in names:
            if name in there:
                try:
                    frames_of(folder / name, CHOICES)
                    whole.append(name)
                except DataError as error:
                    broken.append(error.message)
        for message in broken[:NAMED]:
            yield Finding("error", file, message, f"Unpack {ARCHIVE} again.")
        if broken[NAMED:]:
            yield Finding("error", file, f"{len(broken) - NAMED:,} other sets are like that")
    described = {name for names in sets.values() for name in names}
    yield Finding("ok", folder.name, f"{len(whole):,} sets of ten images in {folder}")
    if unlisted := sorted(there - described):
        text = f"{len(unlisted):,} folders are described by no file here: {some(unlisted)}"
        yield Finding("note", folder.name, text)
    return whole


def check_pictures(folder: Path, names: Sequence[str], sample: int = SAMPLE) -> Iterator[Finding]:
    """Decode a sample of the images of whole sets."""
    count = len(names) * CHOICES
    if not count:
        return
    rows = np.unique(np.linspace(0, count - 1, sample).astype(np.int64))
    frames = {place: frames_of(folder / names[place], CHOICES) for place in set(rows // CHOICES)}
    paths = [frames[row // CHOICES][row % CHOICES][1] for row in rows]
    images = JpgImages(folder, [f"{path.parent.name}/{path.name}" for path in paths])
    broken = []
    for row in range(len(paths)):
        try:
            images.crops(np.array([row]), SIZE)
        except MlzooError as error:
            broken.append(error.message)
    for message in broken[:NAMED]:
        yield Finding("error", folder.name, message, f"Unpack {ARCHIVE} again.")
    if broken[NAMED:]:
        yield Finding(
            "error", folder.name, f"{len(broken) - NAMED} others of the sample are like that"
        )
    what = "all" if len(paths) == count else "a sample, evenly over all"
    good = len(paths) - len(broken)
    yield Finding(
        "error" if broken else "ok",
        folder.name,
        f"{good:,} of {len(paths):,} images decode ({what}; there are {count:,})",
    )
