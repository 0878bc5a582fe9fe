"""``mlzoo data prepare custom``: decides between images and arrays and refuses what fits neither."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlzoo.errors import UsageError
from mlzoo.progress import Progress
from mlzoo_tfvaegan.prepare_config import PrepareOptions

OF_IMAGES = ("images", "weights")
OF_ARRAYS = ("features", "image_files")
OF_SPLITS = ("attributes", "splits")
FILES = (*OF_IMAGES, *OF_ARRAYS, *OF_SPLITS, "labels", "class_names", "order")


def prepare(root: Path, options: PrepareOptions, progress: Progress) -> Mapping[str, object]:
    """Make the files of a zero-shot dataset in ``root``; returns facts of what was made.

    Raises:
        UsageError: options that contradict each other, or one that is missing.
        DataError: a file that is missing, damaged or does not fit the others.
        RunError: a file cannot be written.
    """
    check(options)
    if options.images is not None:
        from mlzoo_tfvaegan.prepare_images import prepare_images

        return prepare_images(root, options, progress)
    from mlzoo_tfvaegan.prepare_arrays import prepare_arrays

    return prepare_arrays(root, options, progress)


def check(options: PrepareOptions) -> None:
    """Raises UsageError before anything is read."""
    given = {name for name in FILES if getattr(options, name) is not None}
    if not given & {"images", "features"}:
        raise UsageError(
            "there is nothing to prepare from.",
            "Give --images DIR with --weights FILE, or --features, --labels, --attributes and --splits.",
        )
    own, other = (OF_IMAGES, OF_ARRAYS) if "images" in given else (OF_ARRAYS, OF_IMAGES)
    for name in other:
        if name in given:
            raise UsageError(f"{_flag(name)} does not go with {_flag(own[0])}.", "Leave one out.")
    needed = {"weights"} if "images" in given else {"labels", "splits"}
    if given & {*OF_SPLITS}:
        needed |= {"splits"} if _brings_attributes(options.splits) else {*OF_SPLITS}
    for name in FILES:
        if name in needed - given:
            cause = next((other for other in OF_SPLITS if other in given), own[0])
            asks = own[0] if name not in OF_SPLITS else cause
            raise UsageError(f"{_flag(asks)} needs {_flag(name)}.", f"Add {_flag(name)} FILE.")


def _brings_attributes(splits: Path | None) -> bool:
    """A split file of the benchmark holds class embeddings, too."""
    return splits is not None and splits.suffix == ".mat"


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
