"""One part of NUS-WIDE from the h5 file that BiAM's program reads."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError
from mlzoo.progress import Progress
from mlzoo_biam.labels import Labels
from mlzoo_biam.nus_wide.archive import Archive, name_list, part_names
from mlzoo_biam.nus_wide.files import Vocabulary
from mlzoo_biam.nus_wide.h5 import OfficialFile, open_official
from mlzoo_biam.nus_wide.prepare import label_facts
from mlzoo_biam.nus_wide.prepare_config import PrepareNusWideOptions
from mlzoo_biam.packed.packing import check_finite
from mlzoo_biam.packed.packing_parts import pack_features, scene_identity, scene_reader
from mlzoo_biam.packed.store import check_names

Floats = npt.NDArray[np.float32]


def prepare_h5(
    root: Path,
    part: str,
    path: Path,
    archive: Archive,
    words: Vocabulary,
    options: PrepareNusWideOptions,
    progress: Progress,
) -> dict[str, Any]:
    """Pack one file, image by image in the order of the published list of names.

    Labels are read and checked before the first feature. The list decides which images there must be;
    without one, the file's own images are taken in alphabetical order.

    Returns:
        Facts of what was made.

    Raises:
        DataError: an image of the list is missing from the file, or an array is not as promised.
        RunError: the disk is too small, or unfinished work is of something else.
    """
    with open_official(path) as official:
        listed = name_list(archive, part)
        names = part_names(archive, part) if listed is not None else official.names()
        check_names(names, str(listed or path))
        if not names:
            raise DataError(f"{path} holds no image.")
        official.require(names)
        labels = _labels(official, names, words, progress)

        def read(batch: Sequence[str]) -> Floats:
            regions = official.features(batch)
            check_finite({"features": regions}, batch)
            return regions

        facts = {
            "from": path.name,
            "scene": options.scene,
            "names": listed.name if listed else "h5",
        }
        progress.message(f"images of {part}:")
        pack_features(
            root / part,
            path,
            names,
            labels,
            read,
            scene_reader(options.scene, options.weights, options.device),
            _identity(path, names, options),
            facts=facts,
            batch_size=options.batch_size,
            progress=progress,
        )
    return {"images": len(names), **facts, **label_facts(labels, words, ())}


def _labels(
    official: OfficialFile, names: Sequence[str], words: Vocabulary, progress: Progress
) -> Labels:
    progress.message(f"labels of {official.path.name}:")
    progress.begin("labels", len(names), 0)
    try:
        dense = official.labels(names, words, lambda done: progress.counted(done, len(names)))
    finally:
        progress.end()
    return Labels.from_dense(dense)


def _identity(path: Path, names: Sequence[str], options: PrepareNusWideOptions) -> dict[str, str]:
    return {
        "h5 file": f"{path.name} {path.stat().st_size}",
        "images": hashlib.sha256("\n".join(names).encode()).hexdigest(),
        "scene": scene_identity(options.scene, options.weights),
    }
