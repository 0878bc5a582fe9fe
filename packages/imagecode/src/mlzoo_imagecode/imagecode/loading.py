"""ImageCoDe: descriptions of one image among ten similar ones.

Two protocols, of the same three files:

leaderboard  learn from train, choose on valid, predict test; the targets of test are hidden
valid        learn from train without some of its sets, choose on those, score valid
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo_imagecode.contextual import ContextualData, Part
from mlzoo_imagecode.cross.regions.stored import FOLDER, stored_regions
from mlzoo_imagecode.dataset_config import DescriptionOptions
from mlzoo_imagecode.imagecode.annotations import (
    Annotation,
    Key,
    annotator_array,
    read_annotations,
    read_annotators,
    tag_arrays,
    unmatched,
)
from mlzoo_imagecode.imagecode.descriptions import (
    Descriptions,
    read_labelled,
    read_unlabelled,
    require_disjoint,
)
from mlzoo_imagecode.imagecode.files import (
    ANNOTATIONS,
    ANNOTATORS,
    CHOICES,
    IMAGE_SETS,
    TEST,
    TRAIN,
    VALID,
)
from mlzoo_imagecode.imagecode.held_out import held_out_sets
from mlzoo_imagecode.imagecode.image_sets import find_sets, folder_of, sets_of_regions
from mlzoo_imagecode.imagecode.marker import DEMO, ceilings_of_demo
from mlzoo_imagecode.imagecode.sources import is_video

ON_VALID = (
    "scores are of the published valid, the published numbers of test, whose targets are hidden"
)


@dataclass(frozen=True)
class Notes:
    """What people noted about the published valid; None where the file is not there."""

    annotations: list[Annotation] | None
    writers: dict[Key, int] | None

    @classmethod
    def read(cls, root: Path) -> Notes:
        """Those that are there.

        Raises:
            DataError: a file is damaged.
        """
        phenomena, writers = root / ANNOTATIONS, root / ANNOTATORS
        return cls(
            read_annotations(phenomena) if phenomena.is_file() else None,
            read_annotators(writers) if writers.is_file() else None,
        )

    def arrays(self, descriptions: Descriptions) -> dict[str, Any]:
        """The columns of a part that they fill."""
        found: dict[str, Any] = {}
        if self.annotations is not None:
            found["tag"], found["annotated"] = tag_arrays(self.annotations, descriptions.rows)
        if self.writers is not None:
            found["annotator"] = annotator_array(self.writers, descriptions.rows)
        return found


def load(root: Path, options: DescriptionOptions) -> ContextualData:
    """ImageCoDe; image files are looked for now and read when they are asked for. Where regions of the images
    were prepared, models may read these instead, and the images need not be there.

    Args:
        root: the dataset's folder.
        options: protocol, folder of the images, what is held out.

    Raises:
        DataError: a file is missing or damaged, a set is in two files, has no folder, or other than ten
            images.
    """
    train, valid = read_labelled(root / TRAIN), read_labelled(root / VALID)
    files = [train, valid]
    if options.protocol == "leaderboard":
        files.append(read_unlabelled(root / TEST))
    require_disjoint(*files)
    labelled_sets = [*train.sets, *valid.sets]
    notes, folder, regions = Notes.read(root), None, root / FOLDER
    if options.images is not None or (root / IMAGE_SETS).is_dir() or not regions.is_dir():
        folder = folder_of(options.images, root / IMAGE_SETS)
    of_valid = make_part(folder, regions, valid, **notes.arrays(valid))
    if options.protocol == "leaderboard":
        parts = {"val": of_valid, "test": make_part(folder, regions, files[2])}
    else:
        held = held_out_sets(train.sets, options.held_out, options.held_out_seed)
        parts = {"val": make_part(folder, regions, train.of_sets(held)), "test": of_valid}
        train = train.of_sets(frozenset(train.sets) - held)
    ceilings = ceilings_of_demo(root, labelled_sets)
    return ContextualData(
        train=make_part(folder, regions, train),
        parts=parts,
        facts={"protocol": options.protocol, **_noted(notes, valid)},
        ceilings=ceilings or {},
        incomparable=DEMO if ceilings is not None else incomparable(files, options),
    )


def make_part(
    folder: Path | None, regions: Path, descriptions: Descriptions, **columns: Any
) -> Part:
    """Descriptions with the ten images of their sets as candidates.

    Args:
        folder: of the sets' folders; None if there are regions alone.
        regions: folder of the regions' store, if there is one.
        descriptions: of one split.
        columns: further ones of the part.

    Raises:
        DataError: a set has no folder, or other than ten images.
    """
    if folder is None:
        sets = sets_of_regions(regions, descriptions.sets)
    else:
        sets = find_sets(folder, descriptions.sets, descriptions.path)
    place = {name: number for number, name in enumerate(sets.names)}
    of_row = np.array([place[row.set] for row in descriptions.rows], dtype=np.int64)
    return Part(
        images=sets.images,
        sets=sets.names,
        set_of_image=sets.set_of_image,
        position=sets.position,
        frame=sets.frame,
        video=np.array([is_video(name) for name in sets.names]),
        candidates=of_row[:, None] * CHOICES + np.arange(CHOICES),  # [n, 10]
        target=np.array([row.target for row in descriptions.rows], dtype=np.int64),
        texts=tuple(row.text for row in descriptions.rows),
        regions=stored_regions([regions], sets.names, sets.set_of_image, sets.frame),
        **columns,
    )


def incomparable(files: list[Descriptions], options: DescriptionOptions) -> str:
    """Why the published numbers do not speak of these descriptions; empty if they do."""
    others = [part.path.name for part in files if not part.published]
    if others:
        return f"not the published descriptions: {', '.join(others)}"
    return ON_VALID if options.protocol == "valid" else ""


def _noted(notes: Notes, valid: Descriptions) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if notes.annotations is not None:
        lost = len(unmatched(notes.annotations, valid.rows))
        facts["annotated descriptions of valid"] = len(notes.annotations) - lost
        if lost:
            facts["annotations of no description"] = lost
    if notes.writers is not None:
        facts["descriptions of valid with known writer"] = len(notes.writers)
    return facts
