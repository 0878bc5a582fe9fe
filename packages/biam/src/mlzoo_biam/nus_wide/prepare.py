"""``mlzoo data prepare nus-wide``: from h5 files or images to the packed folders ``train`` and ``test``."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlzoo.errors import DataError, UsageError
from mlzoo.files import atomic_write
from mlzoo.progress import Progress
from mlzoo_biam.labels import Labels
from mlzoo_biam.nus_wide.archive import PARTS, Archive
from mlzoo_biam.nus_wide.files import (
    CONCEPTS,
    TAGS,
    VECTORS,
    Vocabulary,
    read_vocabulary,
    read_word_vectors,
)
from mlzoo_biam.nus_wide.prepare_config import PrepareNusWideOptions
from mlzoo_biam.packed.packing import require_absent
from mlzoo_biam.packed.preparing import going_on

H5_FILES = {part: f"nus_wide_{part}.h5" for part in PARTS}
WHERE = "Give --h5 DIR with --weights FILE, or --images DIR with --weights FILE and --archive DIR."


def prepare(root: Path, options: PrepareNusWideOptions, progress: Progress) -> Mapping[str, object]:
    """Make the packed folders and put tag lists and word vectors beside them.

    A part that is there already stays, so that a call that was stopped is repeated as it was.

    Args:
        root: the dataset's folder.
        options: what to make it of.
        progress: told how many images are done.

    Returns:
        Facts of what was made, by part.

    Raises:
        UsageError: options that do not go together, or everything is there already.
        DataError: a file that is missing, damaged or does not fit the others.
        RunError: a file cannot be written, or unfinished work of something else is in the way.
    """
    archive = Archive([f for f in (options.archive, options.h5, root) if f is not None])
    check(options, archive)
    words = take_words(root, archive)
    parts = _open_parts(root, options, progress)
    facts: dict[str, Any] = {"tags": {"seen": words.seen_count, "unseen": len(words.concepts)}}
    for part in parts:
        with going_on(progress):
            if options.images is not None:
                from mlzoo_biam.nus_wide.prepare_images import prepare_images

                facts[part] = prepare_images(root, part, archive, words, options, progress)
            else:
                from mlzoo_biam.nus_wide.prepare_h5 import prepare_h5

                path = archive.find(H5_FILES[part])
                assert path is not None
                facts[part] = prepare_h5(root, part, path, archive, words, options, progress)
    return facts


def check(options: PrepareNusWideOptions, archive: Archive) -> None:
    """Raises UsageError before anything is read or written, DataError for a folder that is none."""
    if options.images is not None and options.h5 is not None:
        raise UsageError("--h5 does not go with --images.", "Leave one out.")
    for folder in (options.images, options.h5, options.archive):
        if folder is not None and not folder.is_dir():
            raise DataError(f"{folder} is no folder.")
    if options.images is None:
        wanted = _wanted(options)
        missing = [H5_FILES[part] for part in wanted if archive.find(H5_FILES[part]) is None]
        if len(missing) == len(wanted):
            raise UsageError("there is nothing to prepare from.", WHERE)
        if missing:
            raise DataError(
                f"{missing[0]} is not in {options.h5 or archive.folders[0]}.",
                "To make the other part alone: --part train or --part test",
            )
    elif options.scene == "projection":
        raise UsageError("--scene projection does not go with --images.", "Leave it out.")
    if options.scene == "vgg19" and options.weights is None:
        raise UsageError(
            "the global feature needs --weights.",
            "Give the state dict of torchvision's vgg19, or for a trial --scene projection.",
        )
    if options.scene == "projection" and options.weights is not None:
        raise UsageError("--scene projection needs no --weights.", "Leave one out.")


def take_words(root: Path, archive: Archive) -> Vocabulary:
    """Tag lists and word vectors, in the dataset's folder afterwards.

    Raises:
        DataError: one is nowhere, or they do not fit together.
    """
    for name in (TAGS, CONCEPTS, VECTORS):
        if not (root / name).is_file():
            source = archive.need(name, f"{name}.pkl")
            with source.open("rb") as content, atomic_write(root / name) as copy:
                shutil.copyfileobj(content, copy)
    words = read_vocabulary(root)
    read_word_vectors(root / VECTORS, words)
    return words


def label_facts(labels: Labels, words: Vocabulary, repaired: Sequence[str]) -> dict[str, Any]:
    """Mean tags of an image, and what was mended."""
    kinds = {"seen": slice(0, words.seen_count), "unseen": slice(words.seen_count, labels.width)}
    means = {
        kind: round(float(labels.positives_of_images(tags).mean()), 3)
        for kind, tags in kinds.items()
    }
    return {"positives an image": means, **({"repaired": list(repaired)} if repaired else {})}


def _wanted(options: PrepareNusWideOptions) -> tuple[str, ...]:
    return PARTS if options.part == "both" else (options.part,)


def _open_parts(root: Path, options: PrepareNusWideOptions, progress: Progress) -> list[str]:
    """The parts that are to be made."""
    wanted = _wanted(options)
    missing = [part for part in wanted if not (root / part).exists()]
    if not missing:
        require_absent(root / wanted[0])
    for part in wanted:
        if part not in missing:
            progress.message(f"{root / part} is there already.")
    return missing
