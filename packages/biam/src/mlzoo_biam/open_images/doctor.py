"""Doctor of Open Images: class lists, word vectors, annotations, packed folders, and what may be compared.

Every kind of file is examined on its own, so that a part of them is enough.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mlzoo import Finding
from mlzoo.data.examination import all_together, guarded
from mlzoo.errors import DataError
from mlzoo_biam.dataset_config import OpenImagesOptions
from mlzoo_biam.multilabel import Images
from mlzoo_biam.open_images.annotations import read_annotations
from mlzoo_biam.open_images.classes import Classes, read_classes
from mlzoo_biam.open_images.loading import check_annotated, load, other_classes
from mlzoo_biam.open_images.spec import PARTS, annotations_of
from mlzoo_biam.open_images.vectors import BUILT, MISSING, PICKLE, read_class_vectors
from mlzoo_biam.packed.packing import part_folder
from mlzoo_biam.packed.shards import open_packed, open_shards

SAMPLE = 32
LARGE = 200_000_000
"""Bytes of annotations that are not read through: their training set has over a gigabyte."""


def examine(root: Path, options: OpenImagesOptions) -> Sequence[Finding]:
    """All findings about the copy of Open Images in ``root``, packed or raw, whole or in parts."""
    findings: list[Finding] = []
    classes = _classes(root, findings)
    if classes is None:
        return findings
    findings += guarded("word vectors", _vectors(root, classes))
    for part in PARTS:
        findings += guarded(
            annotations_of(part), _annotations(root / annotations_of(part), classes)
        )
        findings += _images(root, part)
    for part in PARTS:
        findings += guarded(part, _packed(root, part, classes))
    return [*findings, *all_together(lambda: load(root, options))]


def _classes(root: Path, findings: list[Finding]) -> Classes | None:
    try:
        classes = read_classes(root)
    except DataError as error:
        findings.append(Finding("error", "classes", error.message, error.fix))
        return None
    seen, others, unseen = len(classes.seen), len(classes.others), len(classes.unseen)
    text = f"{seen} seen, {unseen} unseen of {others} that are not trainable"
    findings.append(Finding("ok", "classes", text))
    shared = sum(tag.endswith(")") and "(/m/" in tag for tag in classes.tags)
    if shared:
        text = f"{shared} share a description with another one: their id is part of their name"
        findings.append(Finding("note", "classes", text))
    if reason := other_classes(classes):
        findings.append(Finding("warning", "classes", reason))
    else:
        findings.append(Finding("ok", "classes", "are the published lists"))
    return classes


def _vectors(root: Path, classes: Classes) -> Iterator[Finding]:
    found = read_class_vectors(root, classes)
    name = PICKLE if (root / PICKLE).exists() else BUILT
    count, width = found.vectors.shape
    yield Finding("ok", name, f"{count} vectors of {width} numbers, set to length 1")
    if found.incomparable:
        yield Finding("warning", name, found.incomparable)
    if name == BUILT and (root / MISSING).is_file():
        with (root / MISSING).open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
        unknown = sum(row[-1:] == ["no"] for row in rows)
        text = f"{len(rows)} classes have words without a vector, {unknown} have no other word"
        yield Finding("warning" if unknown else "note", MISSING, text)
    copies = count - len(np.unique(found.vectors, axis=0))
    if copies:
        yield Finding("note", name, f"{copies} classes have the vector of another class")


def _annotations(path: Path, classes: Classes) -> Iterator[Finding]:
    if not path.is_file():
        fix = "mlzoo data download open-images fetches it."
        yield Finding("note", path.name, "is not there; only preparing from images needs it", fix)
        return
    if path.stat().st_size > LARGE:
        yield Finding("ok", path.name, f"{path.stat().st_size:,} bytes, not read through")
        return
    found = read_annotations(path, classes.ids)
    check_annotated(path, found.labels)
    positive = int((found.labels.values > 0).sum())
    text = f"{len(found.images):,} images; {positive:,} classes present, "
    yield Finding("ok", path.name, f"{text}{len(found.labels.values) - positive:,} absent")
    if found.contradictory:
        text = f"{found.contradictory} pairs are said to be present and absent: they are not used"
        yield Finding("warning", path.name, text)


def _images(root: Path, part: str) -> Iterator[Finding]:
    failed = root / "images" / f"{part}.failed.csv"
    if failed.is_file():
        with failed.open(encoding="utf-8", newline="", errors="replace") as file:
            rows = list(csv.reader(file))[1:]
        gone = sum(row[-1:] == ["yes"] for row in rows)
        text = f"{len(rows):,} images could not be fetched, {gone:,} of them are gone for good"
        yield Finding("note", failed.name, text)


def _packed(root: Path, part: str, classes: Classes) -> Iterator[Finding]:
    """Sizes, labels and, of a few images, values of one packed part."""
    folder = root / part
    if part_folder(folder).is_dir():
        text = "is not finished: the same mlzoo data prepare goes on"
        yield Finding("note", part_folder(folder).name, text)
    if not folder.is_dir():
        if part == "validation":
            yield Finding("note", part, "is not there: an epoch cannot be chosen on it")
            return
        fix = "mlzoo data prepare open-images --help says what it can be made of."
        yield Finding("error", part, "is not packed yet", fix)
        return
    digest, tags = classes.digest(), len(classes.ids)
    if part == "train":
        images, shards = open_shards(folder, digest, tags)
        sizes = np.diff(shards)
        text = f"{len(sizes)} shards of {sizes.min()} to {sizes.max()} images"
        yield Finding("ok", part, text)
    else:
        images = open_packed(folder, digest, tags)
    check_annotated(folder, images.labels)
    yield from _values(part, images, len(classes.seen))


def _values(part: str, images: Images, seen: int) -> Iterator[Finding]:
    features = images.features
    rows, columns = features.grid
    sizes = f"{features.channels} × {rows}·{columns} and {features.scene_width}"
    yield Finding("ok", part, f"{len(images):,} images, {sizes}")
    sample = np.unique(np.linspace(0, len(images) - 1, SAMPLE).astype(np.int64))
    regions, scene = images.read(sample)
    if not (np.isfinite(regions).all() and np.isfinite(scene).all()):
        yield Finding("error", part, "features hold NaN", "Pack it again: mlzoo data prepare.")
    elif regions.min() < 0 or scene.min() < 0:
        text = "features are negative: conv5_4 and fc7 after their ReLU have none"
        yield Finding("warning", part, text, "Were they taken before the ReLU, or centred?")
    zeros = int((~regions.any(axis=(1, 2))).sum())
    if zeros:
        yield Finding("warning", part, f"{zeros} of {len(sample)} images looked at are all zeros")
    kinds = {"seen": slice(0, seen), "unseen": slice(seen, None)}
    means = {k: float(images.labels.positives_of_images(v).mean()) for k, v in kinds.items()}
    text = ", ".join(f"{mean:.3f} {kind}" for kind, mean in means.items())
    yield Finding("ok", part, f"classes present in an image: {text}")
    if part != "test" and means["unseen"]:
        text = "labels of unseen classes are there; nothing that trains may read them"
        yield Finding("warning", part, text)
