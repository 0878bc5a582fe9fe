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


def prepare_images(root: Path, options: PrepareOptions, progress: Progress) -> Mapping[str, object]:
    """Write ``<name>.mat`` with the features of images; with a split ``<embedding>_splits.mat``, too.

    Images are in the order of their class, then of their path, or in that of the table of labels.
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
    target = root / f"{options.name}.mat"
    if target.exists():
        raise UsageError(f"{target} exists; it is not replaced.", "Move it away, or give --name.")
    for path in (options.weights, options.attributes, options.splits, options.order):
        if path is not None:
            existing(path)
    images = list_images(options.images, options.labels, options.class_names, options.label_base)
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
    facts = {**_listed(root, options, images, found), **_written(root, options, images, found)}
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
    if found.unreadable and options.splits is not None:
        raise DataError(
            f"{path} lists {len(found.unreadable)} images that cannot be read, while "
            f"{options.splits} speaks of all.",
            "Mend or remove them, or prepare without --attributes and --splits.",
        )
    return {
        "backbone": options.backbone,
        "images": len(found.rows),
        "unreadable": len(found.unreadable),
        **({"listed in": path.name} if found.unreadable else {}),
        **({"other files": images.other} if images.other else {}),
    }


def _written(
    root: Path, options: PrepareOptions, images: ImageList, found: Extracted
) -> dict[str, object]:
    """Write the MATLAB files."""
    label, files = images.label[found.rows], [images.files[row] for row in found.rows]
    if options.splits is not None:
        return _with_split(root, options, images, found)
    path = root / f"{options.name}.mat"
    write_features(path, features=found.features, label=label, image_files=files)
    return {
        "features": {"file": path.name, "width": found.features.shape[1]},
        "classes": len(np.unique(label)),
    }


def _with_split(
    root: Path, options: PrepareOptions, images: ImageList, found: Extracted
) -> dict[str, object]:
    """All images are readable: they are arrays now, like those of a user who has them."""
    from mlzoo_tfvaegan.prepare_arrays import prepare_arrays

    work = root / f"{options.name}.part"
    update: dict[str, Any] = {
        "images": None,
        "weights": None,
        "features": work / "features.npy",
        "labels": work / "labels.npy",
        "label_base": 0,
        "image_files": work / "image_files.json",
    }
    np.save(update["features"], found.features)
    np.save(update["labels"], images.label)
    update["image_files"].write_text(json.dumps(images.files), encoding="utf-8")
    if images.class_names is not None:
        update["class_names"] = work / "class_names.json"
        update["class_names"].write_text(json.dumps(images.class_names), encoding="utf-8")
    return dict(prepare_arrays(root, options.model_copy(update=update), Progress(quiet=True)))
