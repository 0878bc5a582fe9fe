"""``mlzoo data prepare open-images``: from h5 files or images to shards; word vectors of GloVe's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlzoo.data.checks import existing
from mlzoo.errors import DataError, UsageError
from mlzoo.progress import Progress
from mlzoo_biam.open_images.classes import read_classes
from mlzoo_biam.open_images.prepare_config import PrepareOpenImagesOptions
from mlzoo_biam.open_images.spec import PARTS
from mlzoo_biam.open_images.vectors import build_class_vectors
from mlzoo_biam.packed.packing import require_absent
from mlzoo_biam.packed.preparing import going_on

WHERE = "Give --h5 DIR or --images DIR, with --weights FILE; or --glove FILE for word vectors."


def prepare(
    root: Path, options: PrepareOpenImagesOptions, progress: Progress
) -> Mapping[str, object]:
    """Make the packed folders ``train`` (in shards), ``test`` and ``validation``, and word vectors.

    A part that is there already stays, so that a call that was stopped is repeated as it was.

    Args:
        root: the dataset's folder; holds the class lists, and for ``images`` the annotations.
        options: what to make it of.
        progress: told how many images are done.

    Returns:
        Facts of what was made, by part.

    Raises:
        UsageError: options that do not go together, or everything is there already.
        DataError: a file that is missing, damaged or does not fit the others.
        RunError: a file cannot be written, or unfinished work of something else is in the way.
    """
    check(options)
    classes = read_classes(root)
    facts: dict[str, Any] = {
        "classes": {"seen": len(classes.seen), "unseen": len(classes.unseen)},
    }
    if options.glove is not None:
        facts["word vectors"] = build_class_vectors(root, classes, options.glove)
    if options.h5 is None and options.images is None:
        return facts
    with going_on(progress):
        if options.h5 is not None:
            from mlzoo_biam.open_images.prepare_h5 import PackH5

            work: PackH5 | PackImages = PackH5(root, classes, options, progress)
        else:
            from mlzoo_biam.open_images.prepare_images import PackImages

            work = PackImages(root, classes, options, progress)
        for part in _missing(root, options, work.there(), progress):
            facts[part] = work.train() if part == "train" else work.whole(part)
    return facts


def check(options: PrepareOpenImagesOptions) -> None:
    """Raises UsageError before anything is read or written, DataError for a folder that is none."""
    given = [options.h5, options.images, options.glove]
    if all(each is None for each in given):
        raise UsageError("there is nothing to prepare from.", WHERE)
    if options.h5 is not None and options.images is not None:
        raise UsageError("--h5 does not go with --images.", "Leave one out.")
    for folder in (options.h5, options.images):
        if folder is not None and not folder.is_dir():
            raise DataError(f"{folder} is no folder.")
    for file in (options.weights, options.glove):
        if file is not None:
            existing(file)
    if options.images is not None and options.scene == "projection":
        raise UsageError("--scene projection does not go with --images.", "Leave it out.")
    features = options.h5 is not None or options.images is not None
    if features and options.scene == "vgg19" and options.weights is None:
        raise UsageError(
            "the features need --weights.",
            "Give the state dict of torchvision's vgg19, or for a trial of h5 files "
            "--scene projection.",
        )
    if options.scene == "projection" and options.weights is not None:
        raise UsageError("--scene projection needs no --weights.", "Leave one out.")


def _missing(
    root: Path, options: PrepareOpenImagesOptions, there: Mapping[str, str], progress: Progress
) -> list[str]:
    """The parts that are to be made.

    Args:
        there: by part, why it cannot be made; empty if it can.
    """
    wanted = PARTS if options.part == "all" else (options.part,)
    # Without validation images the epoch is chosen in another way; the other parts are needed.
    needed = [part for part in wanted if part != "validation" or options.part == "validation"]
    made = [part for part in wanted if (root / part).exists()]
    if all(part in made for part in needed):
        require_absent(root / needed[0])
    for part in made:
        progress.message(f"{root / part} is there already.")
    lacking = [part for part in needed if part not in made and there[part]]
    if lacking:
        others = [part for part in wanted if not there[part]]
        ways = " or ".join(f"--part {part}" for part in others)
        fix = f"To make the other parts alone: {ways}" if others else ""
        raise DataError(there[lacking[0]], fix)
    return [part for part in wanted if part not in made and not there[part]]
