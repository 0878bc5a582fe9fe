"""``mlzoo data demo imagecode``: strips of pictures in the published layout, and descriptions that are right.

Every description fits one picture of its ten and no other, so that the best accuracy is 100 %. Some speak of
the picture alone, others of how it differs from the rest or of the order of frames. Beside the data stand
``tiny-clip``, a CLIP of a few thousand random weights to try ``--clip`` with, and where lmdb is installed
``regions.lmdb``, region features in the published layout to try ``mlzoo data prepare`` with.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from mlzoo.errors import DataError, RunError
from mlzoo.files import atomic_write, write_json
from mlzoo_imagecode.contextual import Bytes
from mlzoo_imagecode.cross.regions.demo import write_demo_regions
from mlzoo_imagecode.cross.regions.lmdb_reader import library
from mlzoo_imagecode.cross.regions.questions import image_key
from mlzoo_imagecode.imagecode.files import (
    ANNOTATIONS,
    ANNOTATORS,
    CHOICES,
    IMAGE_SETS,
    TEST,
    TRAIN,
    TRAIN_SIMPLE,
    VALID,
    VALID_SIMPLE,
)
from mlzoo_imagecode.imagecode.marker import write_marker
from mlzoo_imagecode.imagecode.set_names import set_names
from mlzoo_imagecode.metric_specs import TAGS
from mlzoo_imagecode.strips import Strips, Writers, draw_strips

SETS: dict[Writers, int] = {"train": 400, "val": 60, "test": 60}
BORDER = 4
"""Grey columns at the left and right of a picture, which the square crop cuts away."""
GREY = 128
QUALITY = 95
"""Of the jpgs; their colours are kept at full resolution."""
SEEN_WRITERS = 0.25
"""Share of the validation descriptions whose writer wrote training descriptions, too."""
FOR_PAIRS = ("absolute", "superlative", "negation")
"""Descriptions that tell their picture from one other, whatever the rest of the set."""
TINY_CLIP = "tiny-clip"
REGIONS = "regions.lmdb"


def write_demo(root: Path, seed: int) -> Mapping[str, object]:
    """Write 400 sets to learn from, 60 of valid with phenomena and writers, 60 of test without targets.

    Returns:
        What was planted: counts and ceilings.

    Raises:
        RunError: a file cannot be written.
    """
    from mlzoo_imagecode.clip import tiny_clip_folder

    strips = {part: draw_strips(count, seed, writers=part) for part, count in SETS.items()}
    names = _named(strips, seed)
    labelled = {part: _labelled(own, names[part]) for part, own in strips.items()}
    random = np.random.RandomState(seed)
    for part, own in strips.items():
        _write_sets(root, own, names[part])
    write_json(root / TRAIN, labelled["train"])
    write_json(root / VALID, labelled["val"])
    write_json(
        root / TEST, {name: _shuffled(own, random) for name, own in labelled["test"].items()}
    )
    _write_annotations(root / ANNOTATIONS, strips["val"], names["val"])
    write_json(root / ANNOTATORS, _annotators(labelled["val"], random))
    tiny_clip_folder(root / TINY_CLIP, seed)
    regions = _write_regions(root / REGIONS, strips, names)
    descriptions = {part: len(own.texts) for part, own in strips.items()}
    kinds = strips["val"].kinds()
    facts = {"descriptions": descriptions, "kinds of valid (%)": kinds}
    beside = {"a random CLIP, for --clip": str(root / TINY_CLIP), **regions}
    return _planted(root, names, facts) | beside


def _write_regions(
    path: Path, strips: Mapping[Writers, Strips], names: Mapping[Writers, list[str]]
) -> dict[str, str]:
    """Regions of all images, in the order of their keys, which fills the file's pages."""
    what = "regions, for mlzoo data prepare imagecode --regions"
    try:
        library()
    except DataError as error:
        return {what: f"not written: {error.fix} first"}
    images = sorted(
        (image_key(name, frame), name, part, row, place)
        for part, own in names.items()
        for row, name in enumerate(own)
        for place, frame in enumerate(strips[part].frame[row].tolist())
    )
    each = (
        ([name], own.frame[row, [place]][None], own.pixels[row, [place]][None])
        for _, name, part, row, place in images
        for own in [strips[part]]
    )
    write_demo_regions(path, each)
    return {what: str(path)}


def write_simple_demo(root: Path, seed: int) -> Mapping[str, object]:
    """Write pairs of up to 400 sets to learn from and of up to 60 of valid, with their images.

    The training pairs, which were not published with the others, are there, too. Only descriptions are taken
    that tell the two pictures apart.

    Returns:
        What was planted: counts and ceilings.

    Raises:
        RunError: a file cannot be written.
    """
    parts: tuple[Writers, ...] = ("train", "val")
    strips = {part: draw_strips(SETS[part], seed, writers=part) for part in parts}
    names = _named(strips, seed)
    random = np.random.RandomState(seed)
    pairs = {part: _pairs(own, names[part], random) for part, own in strips.items()}
    files: dict[Writers, str] = {"train": TRAIN_SIMPLE, "val": VALID_SIMPLE}
    for part, file in files.items():
        with atomic_write(root / file) as out:
            out.write((json.dumps(pairs[part], indent=4) + "\n").encode())
    used = {
        part: list(dict.fromkeys(str(p["directory"]) for p in own)) for part, own in pairs.items()
    }
    for part, own in strips.items():
        _write_sets(root, own, names[part], frozenset(used[part]))
    return _planted(root, used, {"pairs": {part: len(own) for part, own in pairs.items()}})


def _planted(
    root: Path, names: Mapping[Writers, list[str]], facts: Mapping[str, object]
) -> dict[str, object]:
    told = {"sets": {part: len(own) for part, own in names.items()}, **facts}
    ceilings = dict.fromkeys(("accuracy", "accuracy_video", "accuracy_static"), 100.0)
    write_marker(root, [*names["train"], *names["val"]], ceilings, facts)
    return {**told, "ceilings": ceilings}


def _named(strips: Mapping[Writers, Strips], seed: int) -> dict[Writers, list[str]]:
    """Names of the sets by part."""
    found: dict[Writers, list[str]] = {}
    for part, own in strips.items():
        first = sum(len(names) for names in found.values())
        random = np.random.RandomState([seed, first])
        found[part] = set_names(own.video, random, first=first, training=part == "train")
    return found


def _write_sets(
    root: Path, strips: Strips, names: list[str], only: frozenset[str] | None = None
) -> None:
    for name, pictures, frames in zip(names, strips.pixels, strips.frame, strict=True):
        if only is None or name in only:
            _write_set(root / IMAGE_SETS / name, pictures, frames.tolist())


def _write_set(folder: Path, pictures: Bytes, frames: Iterable[int]) -> None:
    """Ten pictures, uint8 [10, H, W, 3], under the numbers of their frames."""
    wide = np.pad(pictures, ((0, 0), (0, 0), (BORDER, BORDER), (0, 0)), constant_values=GREY)
    try:
        folder.mkdir(parents=True)
        for picture, frame in zip(wide, frames, strict=True):
            image = Image.fromarray(picture)
            image.save(folder / f"img{frame}.jpg", quality=QUALITY, subsampling=0)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}.") from error


def _labelled(strips: Strips, names: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for strip, target, text in zip(strips.strip, strips.target, strips.texts, strict=True):
        found[names[strip]][str(target)] = text
    return found


def _shuffled(own: dict[str, str], random: np.random.RandomState) -> list[str]:
    """Texts in an order that tells nothing of their targets."""
    texts = list(own.values())
    return [texts[place] for place in random.permutation(len(texts))]


def _write_annotations(path: Path, strips: Strips, names: list[str]) -> None:
    """One row of each description, as published: quoted text throughout."""
    lines, last = [], -1
    rows = zip(strips.strip, strips.target, strips.texts, strips.tag, strict=True)
    for number, (strip, target, text, tags) in enumerate(rows):
        if strip != last:
            lines.append(f'"{names[strip]}":')
        last = strip
        noted = ",".join(tag for tag, own in zip(TAGS, tags, strict=True) if own)
        lines += [
            f'  "{target}":',
            f'    "description": {json.dumps(text)}',
            f'    "annotation": "{noted}"',
            f'    "visualization_id": "{number}"',
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def _annotators(
    labelled: dict[str, dict[str, str]], random: np.random.RandomState
) -> dict[str, dict[str, str]]:
    kinds = ("unseen_worker", "train_worker")
    return {
        name: {target: kinds[random.random_sample() < SEEN_WRITERS] for target in own}
        for name, own in labelled.items()
    }


def _pairs(
    strips: Strips, names: list[str], random: np.random.RandomState
) -> list[dict[str, object]]:
    """The described picture and one two places from it."""
    found: list[dict[str, object]] = []
    rows = zip(strips.strip, strips.target, strips.texts, strips.kind, strict=True)
    for strip, target, text, kind in rows:
        others = [place for place in (target - 2, target + 2) if 0 <= place < CHOICES]
        other = others[random.randint(len(others))]
        if kind in FOR_PAIRS:
            found.append(
                {
                    "directory": names[strip],
                    "pos_idx": int(target),
                    "neg_idx": int(other),
                    "caption": text,
                }
            )
    return found
