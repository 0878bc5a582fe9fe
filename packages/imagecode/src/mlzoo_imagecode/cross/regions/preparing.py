"""``mlzoo data prepare imagecode --regions FILE.lmdb``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlzoo.errors import DataError, UsageError
from mlzoo.progress import Progress
from mlzoo_imagecode.cross.regions.converting import convert
from mlzoo_imagecode.cross.regions.prepare_config import RegionOptions
from mlzoo_imagecode.cross.regions.questions import set_key
from mlzoo_imagecode.cross.regions.store import RegionStore
from mlzoo_imagecode.cross.regions.stored import FOLDER
from mlzoo_imagecode.imagecode.descriptions import read_labelled, read_unlabelled
from mlzoo_imagecode.imagecode.files import TEST, TRAIN, VALID


def prepare(folder: Path, options: RegionOptions, progress: Progress) -> Mapping[str, Any]:
    """Make ``regions/`` of a published file.

    Args:
        folder: of the dataset.
        options: the file.
        progress: told how many images are done.

    Returns:
        Counts, and of each file of descriptions that is there how many of its sets have regions.

    Raises:
        UsageError: no file is named.
        MlzooError: as :func:`~mlzoo_imagecode.cross.regions.converting.convert`.
    """
    if options.regions is None:
        raise UsageError(
            "there is nothing to prepare.", "--regions FILE.lmdb names region features."
        )
    if not options.regions.exists():
        raise DataError(f"{options.regions} does not exist.", "--regions names the LMDB file.")
    store = convert(
        options.regions, folder / FOLDER, regions=options.max_regions, progress=progress
    )
    facts: dict[str, Any] = {
        "images": len(store),
        "regions of an image, at most": store.regions,
        "numbers of a region": store.width,
        "digest": store.digest(),
    }
    return facts | _covered(folder, store)


def _covered(folder: Path, store: RegionStore) -> dict[str, str]:
    there = {key.rpartition("img")[0] for key in store.keys}
    facts = {}
    for name, read in ((TRAIN, read_labelled), (VALID, read_labelled), (TEST, read_unlabelled)):
        if (folder / name).is_file():
            sets = read(folder / name).sets
            found = sum(set_key(own) in there for own in sets)
            facts[f"sets of {name} with regions"] = f"{found:,} of {len(sets):,}"
    return facts
