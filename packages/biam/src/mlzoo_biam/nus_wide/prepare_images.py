"""One part of NUS-WIDE from its images, with labels from the official text files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlzoo.backbones import Unreadable, write_unreadable
from mlzoo.progress import Progress
from mlzoo_biam.labels import Labels
from mlzoo_biam.nus_wide.archive import Archive, read_part
from mlzoo_biam.nus_wide.files import Vocabulary, path_of
from mlzoo_biam.nus_wide.prepare import label_facts
from mlzoo_biam.nus_wide.prepare_config import PrepareNusWideOptions
from mlzoo_biam.packed.label_file import read_labels
from mlzoo_biam.packed.packing import part_folder
from mlzoo_biam.packed.packing_parts import BACKBONE, ROW_BYTES, pack_images, unreadable_of
from mlzoo_biam.packed.preparing import require_space
from mlzoo_biam.packed.store import LABELS, PackedFeatures


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
    listed_names, repaired, labels = dense.names, dense.repaired, Labels.from_dense(dense.dense)
    del dense
    images = image_folder(options.images, listed_names[0])
    files = [listed_file(images, name) for name in listed_names]
    if not part_folder(root / part).exists():
        require_space(root, ROW_BYTES * len(files))
    progress.message(f"images of {part}:")
    facts: dict[str, Any] = {"from": "images", "scene": BACKBONE}
    pack_images(
        root / part,
        files,
        labels,
        images,
        options.weights,
        names=listed_names,
        facts=facts,
        batch_size=options.batch_size,
        device=options.device,
        processes=options.processes,
        progress=progress,
    )
    packed = PackedFeatures(root / part)
    unreadable = unreadable_of(root / part, files)
    facts |= _list_unreadable(root / f"{part}.unreadable.csv", unreadable)
    own = read_labels(root / part / LABELS, labels.width, len(packed), words.seen_count)
    return {"images": len(packed), **facts, **label_facts(own, words, repaired)}


def image_folder(folder: Path, name: str) -> Path:
    """The folder that holds the folders of the images: itself, or its ``Flickr`` as in the archive."""
    inner = folder / "Flickr"
    return inner if inner.is_dir() and not (folder / path_of(name)).is_file() else folder


def listed_file(images: Path, name: str) -> str:
    """Where an image lies: in a folder of its own kind, or beside all others under its full name."""
    return name if (images / name).is_file() else path_of(name)


def _list_unreadable(path: Path, unreadable: Sequence[Unreadable]) -> dict[str, Any]:
    if not unreadable:
        path.unlink(missing_ok=True)
        return {}
    write_unreadable(path, unreadable)
    return {"unreadable": len(unreadable), "listed in": path.name}
