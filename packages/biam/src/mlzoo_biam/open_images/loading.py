"""Open Images v4 from its packed folders: 7186 trainable classes are seen, 400 others unseen.

The folder holds the class lists and word vectors, the training images in shards (``train``), the test
images (``test``), and perhaps the validation images (``validation``), whose labels are of seen classes
alone. Most pairs are not annotated: their label is 0. How many classes there are follows from the files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.errors import DataError
from mlzoo_biam.dataset_config import OpenImagesOptions
from mlzoo_biam.labels import Labels
from mlzoo_biam.multilabel import Features, Images, MultiLabelData
from mlzoo_biam.open_images.classes import PUBLISHED, Classes, read_classes
from mlzoo_biam.open_images.vectors import read_class_vectors
from mlzoo_biam.packed.shards import open_packed, open_shards
from mlzoo_biam.packed.store import PackedFeatures, ShardedFeatures
from mlzoo_biam.planted_answer import ceilings

TEST_IMAGES = 125_436
FEATURES = (512, (14, 14), 4096)
"""Channels, grid and width of the scene: VGG-19's conv5_4 and fc7."""
PUBLISHED_CLASSES = "56ff02ec671da508c8c37359ffd8311bd3f6965fd7a07569f544d26ea5410968"
"""Digest of the published classes in their order."""
FEW = 100
"""Annotations among which some must say that a class is absent."""


def load(root: Path, options: OpenImagesOptions) -> MultiLabelData:
    """The data of Open Images; nothing of the features is read but their sizes.

    Args:
        root: made by ``mlzoo data prepare open-images`` or ``mlzoo data demo open-images``.
        options: whether the validation images are read.

    Raises:
        DataError: a file is missing, damaged or does not fit the others.
    """
    classes = read_classes(root)
    vectors = read_class_vectors(root, classes)
    digest, tags = classes.digest(), len(classes.ids)
    train, shards = open_shards(root / "train", digest, tags)
    test = open_packed(root / "test", digest, tags)
    validation = root / "validation"
    val = None
    if options.validation and validation.is_dir():
        val = open_packed(validation, digest, tags)
    for name, part in (("train", train), ("validation", val), ("test", test)):
        if part is not None:
            check_annotated(root / name, part.labels)
    return MultiLabelData(
        tags=classes.tags,
        seen_count=len(classes.seen),
        vectors=vectors.vectors,
        train=train,
        val=val,
        test=test,
        shards=shards,
        facts=_facts(train, test),
        ceilings=ceilings(root, [train.features.digest(), test.features.digest()]),
        incomparable=other_classes(classes) or vectors.incomparable or other_images(train, test),
    )


def check_annotated(folder: Path, labels: Labels) -> None:
    """Raises DataError for labels in {0, 1}: 0 would mean *not annotated*, and nothing would be learnt."""
    if len(labels.values) >= FEW and not (labels.values < 0).any():
        raise DataError(
            f"{folder}: no label says that a class is absent (-1).",
            "Labels must be 2 · confidence - 1, and 0 for what nobody looked at: prepare them again.",
        )


def other_classes(classes: Classes) -> str:
    """In what the classes are not the published ones; empty if they are."""
    counts = (len(classes.seen), len(classes.others), len(classes.chosen))
    if counts != PUBLISHED:
        return (
            f"{counts[0]} seen and {counts[2]} unseen classes, "
            f"published rows use {PUBLISHED[0]} and {PUBLISHED[2]}"
        )
    return "" if classes.digest() == PUBLISHED_CLASSES else "the classes are not the published ones"


def other_images(train: Images, test: Images) -> str:
    """In what features or images are not the published ones, as far as can be told."""
    features = test.features
    kind = (features.channels, features.grid, features.scene_width)
    if kind != FEATURES:
        return f"features are {kind}, published rows use {FEATURES}"
    if any(part.facts.get("scene") == "projection" for part in _parts(train, test)):
        return "the global feature is a random projection, published rows use VGG-19's fc7"
    if len(test) != TEST_IMAGES:
        return f"test has {len(test):,} images, published rows use {TEST_IMAGES:,}"
    return ""


def _parts(*images: Images) -> list[PackedFeatures]:
    """The packed folders, those of the first shard standing for all."""
    found: list[PackedFeatures] = []
    for each in images:
        part: Features = each.features
        if isinstance(part, ShardedFeatures):
            part = part.parts[0]
        assert isinstance(part, PackedFeatures)
        found.append(part)
    return found


def _facts(train: Images, test: Images) -> dict[str, Any]:
    """What was told when the parts were made."""
    parts = zip(("train", "test"), _parts(train, test), strict=True)
    made = {name: {k: v for k, v in part.facts.items() if k != "classes"} for name, part in parts}
    return {"made of": made} if any(made.values()) else {}


def seen_labels(labels: Labels, seen: int) -> Labels:
    """The same without the labels of unseen classes, as the published training files have it."""
    kept = labels.tags < seen
    before = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    return Labels(labels.default, before[labels.indptr], labels.tags[kept], labels.values[kept])
