"""From a folder of images to the benchmark's features file, and with a split to both of its files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.backbones import Extracted, extract
from mlzoo.backbones.extraction import write_unreadable
from mlzoo.data.checks import existing
from mlzoo.errors import DataError, UsageError
from mlzoo.progress import Progress
from mlzoo_tfvaegan.image_lists import ImageList, list_images
from mlzoo_tfvaegan.mat_writing import write_features
from mlzoo_tfvaegan.prepare_config import PrepareOptions
from mlzoo_tfvaegan.user_files import TEXT, read_table
from mlzoo_tfvaegan.zero_shot import Features


def prepare_images(root: Path, options: PrepareOptions, progress: Progress) -> Mapping[str, object]:
    """Write ``<name>.mat`` with the features of images; with a split ``<embedding>_splits.mat``, too.

    Images are in the order of ``order``, else of the table of labels, else of their class, then path.
    Those that cannot be read are left out and listed in ``<name>.unreadable.csv``. Work that was stopped
    lies in ``<name>.part`` and is gone on with by the same call.

    Args:
        root: the dataset's folder.
        options: with ``images`` and ``weights``; ``attributes`` and ``splits`` both or none.
        progress: told how many images are done.

    Returns:
        Facts of what was made.

    Raises:
        UsageError: the features file exists, or the labels do not tell where they begin.
        DataError: no such images, weights that do not fit, or a split that counts unreadable images.
        RunError: the stopped work is of something else, or a file cannot be written.
    """
    assert options.images is not None
    assert options.weights is not None
    targets = [root / f"{options.name}.mat"]
    targets += [root / f"{options.embedding}_splits.mat"] if options.splits is not None else []
    for target in targets:
        if target.exists():
            raise UsageError(f"{target} exists.", "Move it away, or choose another name.")
    for path in (options.weights, options.attributes, options.splits):
        if path is not None:
            existing(path)
    images = list_images(options.images, options.labels, options.class_names, options.label_base)
    if options.order is not None:
        images = images.ordered(options.order)
    work = root / f"{options.name}.part"
    try:
        found = extract(
            options.backbone,
            options.weights,
            images.files,
            work,
            root=options.images,
            batch_size=options.batch_size,
            device=options.device,
            progress=progress,
        )
    except KeyboardInterrupt:
        progress.message("stopped; the same command goes on from here.")
        raise
    facts = _listed(root, options, images, found)
    images = images.taken(found.rows)
    write = _write_features if options.splits is None else _write_both
    facts |= write(root, options, images, found.features)
    del found  # its rows are mapped from the folder
    shutil.rmtree(work)
    return facts


def _listed(
    root: Path, options: PrepareOptions, images: ImageList, found: Extracted
) -> dict[str, object]:
    """Write which images are left out."""
    path = root / f"{options.name}.unreadable.csv"
    if not found.unreadable:
        path.unlink(missing_ok=True)
    else:
        write_unreadable(path, found.unreadable)
    if found.unreadable and options.splits is not None and _counts_images(options.splits):
        raise DataError(
            f"{path} lists {len(found.unreadable)} images that cannot be read, but {options.splits} "
            "counts all.",
            f"Mend them and delete {root / options.name}.part, or leave --attributes and --splits out.",
        )
    return {
        "backbone": options.backbone,
        "images": len(found.rows),
        "unreadable": len(found.unreadable),
        **({"listed in": path.name} if found.unreadable else {}),
        **({"other files": images.other} if images.other else {}),
    }


def _counts_images(splits: Path) -> bool:
    """Whether a split speaks of images by their number, and not of classes."""
    if splits.suffix in TEXT:
        return "split" in read_table(splits)[0]
    return splits.suffix != ".json"


def _write_features(
    root: Path, options: PrepareOptions, images: ImageList, features: Features
) -> dict[str, object]:
    path = root / f"{options.name}.mat"
    write_features(path, features=features, label=images.label, image_files=images.files)
    return {
        "features": {"file": path.name, "width": features.shape[1]},
        "classes": len(np.unique(images.label)),
    }


def _write_both(
    root: Path, options: PrepareOptions, images: ImageList, features: Features
) -> dict[str, object]:
    """What is known of the images stands in for what a user with arrays would give."""
    from mlzoo_tfvaegan.prepare_arrays import Samples, prepare_arrays

    assert options.splits is not None
    work = root / f"{options.name}.part"
    names = images.class_names
    update: dict[str, Any] = {"label_base": 0, "labels": work / "labels.npy"}
    np.save(update["labels"], images.label if names is None else np.array(names)[images.label])
    if names is not None and options.class_names is None and options.splits.suffix != ".mat":
        update["class_names"] = work / "class_names.json"
        update["class_names"].write_text(json.dumps(names), encoding="utf-8")
    given, quiet = options.model_copy(update=update), Progress(quiet=True)
    return dict(prepare_arrays(root, given, quiet, Samples(features, images.files)))
