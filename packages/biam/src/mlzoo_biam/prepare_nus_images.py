"""One part of NUS-WIDE from its images, with labels from the official text files."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

from mlzoo.backbones import BACKBONES, WHOLE, Extracted, extract, write_unreadable
from mlzoo.progress import Progress
from mlzoo_biam.nus_archive import Archive, read_part
from mlzoo_biam.nus_files import Vocabulary, path_of
from mlzoo_biam.nus_labels import sparse_labels
from mlzoo_biam.packing import part_folder, write_beside
from mlzoo_biam.prepare_nus import label_facts, require_space
from mlzoo_biam.prepare_nus_config import PrepareNusWideOptions
from mlzoo_biam.store import REGIONS, PackedFeatures

BACKBONE = "vgg19"


def prepare_images(
    root: Path,
    part: str,
    archive: Archive,
    words: Vocabulary,
    options: PrepareNusWideOptions,
    progress: Progress,
) -> dict[str, Any]:
    """Describe the images of a part and pack them, in the order of the official list.

    Images that cannot be read, or are not there, are left out and listed in ``<part>.unreadable.csv``.

    Returns:
        Facts of what was made.

    Raises:
        DataError: labels or weights do not fit, or no image can be read.
        RunError: the disk is too small, or unfinished work is of something else.
    """
    assert options.images is not None
    assert options.weights is not None
    dense = read_part(archive, part, words)
    listed_names, repaired, labels = dense.names, dense.repaired, sparse_labels(dense.dense)
    del dense
    images = image_folder(options.images, listed_names[0])
    files = [listed_file(images, name) for name in listed_names]
    work = part_folder(root / part)
    if not work.exists():
        row_bytes = 4 * sum(prod(shape) for shape in BACKBONES[BACKBONE].outputs().values())
        require_space(root, row_bytes * len(files))
    progress.message(f"images of {part}:")
    found = extract(
        BACKBONE,
        options.weights,
        files,
        work,
        root=images,
        preprocessing=WHOLE,
        batch_size=options.batch_size,
        device=options.device,
        processes=options.processes,
        progress=progress,
    )
    listed = _list_unreadable(root / f"{part}.unreadable.csv", found)
    names = [listed_names[row] for row in found.rows]
    own = labels.subset(found.rows)
    side = round(found.arrays[REGIONS].shape[2] ** 0.5)
    facts = {"from": "images", "scene": BACKBONE, **listed}
    write_beside(found.store, len(names), names, (side, side), labels=own, facts=facts)
    found.finish(root / part)
    return {
        "images": len(PackedFeatures(root / part)),
        **facts,
        **label_facts(own, words, repaired),
    }


def image_folder(folder: Path, name: str) -> Path:
    """The folder that holds the folders of the images: itself, or its ``Flickr`` as in the archive."""
    inner = folder / "Flickr"
    return inner if inner.is_dir() and not (folder / path_of(name)).is_file() else folder


def listed_file(images: Path, name: str) -> str:
    """Where an image lies: in a folder of its own kind, or beside all others under its full name."""
    return name if (images / name).is_file() else path_of(name)


def _list_unreadable(path: Path, found: Extracted) -> dict[str, Any]:
    if not found.unreadable:
        path.unlink(missing_ok=True)
        return {}
    write_unreadable(path, found.unreadable)
    return {"unreadable": len(found.unreadable), "listed in": path.name}
