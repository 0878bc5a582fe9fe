"""The variant with two images: a description of one of a pair of images of a set.

Its files are lists of ``{directory, pos_idx, neg_idx, caption}``; those of training were not published with
the others, and there is no test file: what is scored is the published valid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import ContextualData, Part
from mlzoo_imagecode.cross.regions.stored import FOLDER, stored_regions
from mlzoo_imagecode.dataset_config import SimpleOptions
from mlzoo_imagecode.imagecode.descriptions import check_set, check_text, require_disjoint
from mlzoo_imagecode.imagecode.files import (
    CHOICES,
    IMAGE_SETS,
    TRAIN_SIMPLE,
    VALID_SIMPLE,
    read_json,
)
from mlzoo_imagecode.imagecode.held_out import held_out_sets
from mlzoo_imagecode.imagecode.image_sets import find_sets, folder_of
from mlzoo_imagecode.imagecode.marker import DEMO, ceilings_of_demo
from mlzoo_imagecode.imagecode.sources import SOURCES, is_video, source_of

KEYS = ("directory", "pos_idx", "neg_idx", "caption")


@dataclass(frozen=True)
class Pair:
    """One description and two images.

    Attributes:
        set: name of the image set.
        positive: position of the described image in it, from 0.
        negative: of the other.
        text: as published.
    """

    set: str
    positive: int
    negative: int
    text: str


@dataclass(frozen=True)
class Pairs:
    """What a file holds, in its order."""

    path: Path
    sha256: str
    rows: tuple[Pair, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def sets(self) -> tuple[str, ...]:
        """Names of the sets in the order of the file."""
        return tuple(dict.fromkeys(row.set for row in self.rows))

    def of_sets(self, names: frozenset[str]) -> Pairs:
        """Those of some sets alone."""
        return replace(self, rows=tuple(row for row in self.rows if row.set in names))


def read_pairs(path: Path) -> Pairs:
    """The pairs of ``valid_simple.json`` or ``train_simple.json``.

    Raises:
        DataError: missing, damaged, or with an entry that cannot be one; names it.
    """
    value, digest = read_json(path)
    if not isinstance(value, list) or not value:
        raise DataError(f"{path}: expected a list of pairs, found {type(value).__name__}.")
    return Pairs(path, digest, tuple(_pairs(path, value)))


def load(root: Path, options: SimpleOptions) -> ContextualData:
    """Pairs of the published valid as test; val and train if the training pairs are there.

    Args:
        root: the dataset's folder.
        options: folder of the images, what is held out for val.

    Raises:
        DataError: a file is missing or damaged, a set is in both files, has no folder, or other than ten
            images.
    """
    valid = read_pairs(root / VALID_SIMPLE)
    train = read_pairs(root / TRAIN_SIMPLE) if (root / TRAIN_SIMPLE).is_file() else None
    files = [valid] if train is None else [train, valid]
    require_disjoint(*files)
    folder = images_of(root, options)
    regions = [root / FOLDER, root.resolve().parent / "imagecode" / FOLDER]
    parts = {"test": make_part(folder, regions, valid)}
    if train is not None and options.held_out:
        held = held_out_sets(train.sets, options.held_out, options.held_out_seed)
        parts["val"] = make_part(folder, regions, train.of_sets(held))
        train = train.of_sets(frozenset(train.sets) - held)
    ceilings = ceilings_of_demo(root, [name for part in files for name in part.sets])
    return ContextualData(
        train=None if train is None else make_part(folder, regions, train),
        parts=parts,
        ceilings=ceilings or {},
        incomparable=DEMO if ceilings is not None else "",
    )


def images_of(root: Path, options: SimpleOptions) -> Path:
    """The folder of the sets' folders; that of ``imagecode`` beside this one if it has none of its own.

    Raises:
        DataError: there is none.
    """
    beside = root.resolve().parent / "imagecode" / IMAGE_SETS
    own = root / IMAGE_SETS
    return folder_of(options.images, *([own, beside] if own.is_dir() else [beside]))


def make_part(folder: Path, regions: Sequence[Path], pairs: Pairs) -> Part:
    """Pairs in the order of their positions, with those images alone that some pair shows.

    Raises:
        DataError: a set has no folder, or other than ten images.
    """
    sets = find_sets(folder, pairs.sets, pairs.path)
    place = {name: number for number, name in enumerate(sets.names)}
    of_row = np.array([place[row.set] for row in pairs.rows], dtype=np.int64)
    both = np.array([[row.positive, row.negative] for row in pairs.rows], dtype=np.int64)  # [n, 2]
    target = np.argmin(both, axis=1) != 0  # [n]: the described one is the later
    rows = of_row[:, None] * CHOICES + np.sort(both, axis=1)  # [n, 2]
    used, candidates = np.unique(rows, return_inverse=True)
    shown = sets.taken(used)
    return Part(
        images=shown.images,
        sets=shown.names,
        set_of_image=shown.set_of_image,
        position=shown.position,
        frame=shown.frame,
        regions=stored_regions(regions, shown.names, shown.set_of_image, shown.frame),
        video=np.array([is_video(name) for name in shown.names]),
        candidates=candidates.reshape(rows.shape).astype(np.int64),
        target=target.astype(np.int64),
        texts=tuple(row.text for row in pairs.rows),
    )


def tables(root: Path, options: SimpleOptions) -> Mapping[str, Mapping[str, Sequence[Any]]]:
    """Counts of pairs; no image is needed.

    Raises:
        DataError: the pairs of valid are missing, or a file is damaged.
    """
    found = {"valid": read_pairs(root / VALID_SIMPLE)}
    if (root / TRAIN_SIMPLE).is_file():
        found = {"train": read_pairs(root / TRAIN_SIMPLE), **found}
    parts = list(found.values())
    gaps = [[abs(row.positive - row.negative) for row in part.rows] for part in parts]
    later = [sum(row.positive > row.negative for row in part.rows) for part in parts]
    words = [[len(row.text.split()) for row in part.rows] for part in parts]
    sources = {
        s: [sum(source_of(r.set) == s for r in part.rows) for part in parts] for s in SOURCES
    }
    return {
        "pairs": {
            "split": list(found),
            "sets": [len(part.sets) for part in parts],
            "pairs": [len(part) for part in parts],
            **sources,
            "later one described": later,
        },
        "positions between the two": {
            "split": list(found),
            "least": [min(own) for own in gaps],
            "most": [max(own) for own in gaps],
        },
        "words of a description": {
            "split": list(found),
            "mean": [sum(own) / len(own) for own in words],
            "most": [max(own) for own in words],
        },
    }


def _pairs(path: Path, value: list[Any]) -> Iterator[Pair]:
    for number, entry in enumerate(value):
        if not isinstance(entry, dict) or not entry.keys() >= set(KEYS):
            raise DataError(f"{path}: entry {number} is no object of {', '.join(KEYS)}.")
        name, positive, negative, text = (entry[key] for key in KEYS)
        if not isinstance(name, str):
            raise DataError(f"{path}: entry {number}: the directory is no text.")
        check_set(path, name)
        for key, position in zip(KEYS[1:3], (positive, negative), strict=True):
            if type(position) is not int or not 0 <= position < CHOICES:
                raise DataError(
                    f"{path}: entry {number}, set {name!r}: {key} {position!r} is none of 0 to {CHOICES - 1}."
                )
        if positive == negative:
            raise DataError(
                f"{path}: entry {number}, set {name!r}: both images are number {positive}."
            )
        yield Pair(name, positive, negative, check_text(path, name, f"entry {number}", text))
