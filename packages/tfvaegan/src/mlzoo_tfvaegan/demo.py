"""Small worlds with a planted answer, in exactly the benchmark's file format.

Beside the data lies ``planted.json`` with the best accuracies that are possible on their test rows.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.data.manifest import sha256_of
from mlzoo.errors import RunError, UsageError
from mlzoo.files import atomic_write, read_json, write_json
from mlzoo_tfvaegan.mat_writing import write_features, write_splits
from mlzoo_tfvaegan.planted import (
    ATTRIBUTES,
    CLASSES,
    NOISE,
    Matrix,
    World,
    best_accuracies,
    draw_world,
    unit_rows,
)
from mlzoo_tfvaegan.zero_shot import Index

PLANTED = "planted.json"
METRICS = ("zsl_top1", "gzsl_seen", "gzsl_unseen", "gzsl_h")
WORD_WIDTH = 24
UNSEEN = 10
"""Classes, of all."""
TEST_SHARE = 0.2
"""Of the samples of a seen class."""
VAL_SHARE = 0.3
"""Of the seen classes: they act as unseen in val_loc."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """In what the files of the datasets differ.

    Attributes:
        features: name of the features file.
        splits: folders of the splits, each with classes divided in another way; "" is the dataset's own.
        embeddings: names of the splits files; all of one folder share their split. ``att`` holds the
            attributes, another one a rotation of them of any length, as a sentence embedding.
        label_type: of the stored labels.
        leak: train_loc and val_loc hold the samples of test_seen, too, as in version 1 of the
            benchmark; None leaves both out.
        words: ``att`` is such a rotation, too.
        named: class names and original attributes are there.
        missing: some original attributes are -1, not known.
        manual: file with the attributes, beside word vectors.
    """

    features: str = "res101.mat"
    splits: tuple[str, ...] = ("",)
    embeddings: tuple[str, ...] = ("att",)
    label_type: str = "uint8"
    leak: bool | None = True
    words: bool = False
    named: bool = True
    missing: bool = False
    manual: str = ""


CUB = Form(embeddings=("att", "sent"))
AWA2 = Form(leak=False, missing=True)
SUN = Form(label_type="uint16")
FLO = Form(label_type="float64", leak=None, words=True, named=False)
CUSTOM = Form(label_type="float64", leak=False)
HMDB51 = Form(features="i3d.mat", splits=("split_1", "split_2", "split_3"), words=True)
UCF101 = Form(
    features="i3d.mat",
    splits=HMDB51.splits,
    words=True,
    manual="ucf101_manual_att.npy",
)


def write_cub_demo(root: Path, seed: int) -> Mapping[str, object]:
    """``res101.mat``, ``att_splits.mat``, ``sent_splits.mat``; train_loc and val_loc leak as in v1."""
    return write_demo(root, seed, CUB)


def write_awa2_demo(root: Path, seed: int) -> Mapping[str, object]:
    """``res101.mat``, ``att_splits.mat`` as in v2.0; -1 for unknown original attributes."""
    return write_demo(root, seed, AWA2)


def write_sun_demo(root: Path, seed: int) -> Mapping[str, object]:
    """``res101.mat`` with labels of 16 bits, ``att_splits.mat``."""
    return write_demo(root, seed, SUN)


def write_flo_demo(root: Path, seed: int) -> Mapping[str, object]:
    """``res101.mat`` with labels in double, ``att_splits.mat`` without class names, train or val."""
    return write_demo(root, seed, FLO)


def write_custom_demo(root: Path, seed: int) -> Mapping[str, object]:
    """``res101.mat`` with labels in double, ``att_splits.mat``."""
    return write_demo(root, seed, CUSTOM)


def write_ucf101_demo(root: Path, seed: int) -> Mapping[str, object]:
    """``i3d.mat``, three splits with word vectors, and the manual attributes, which are binary."""
    return write_demo(root, seed, UCF101)


def write_hmdb51_demo(root: Path, seed: int) -> Mapping[str, object]:
    """``i3d.mat`` and three splits with word vectors."""
    return write_demo(root, seed, HMDB51)


def write_demo(root: Path, seed: int, form: Form) -> Mapping[str, object]:
    """Write a world and ``planted.json``; everything is moved into place once it is whole.

    Returns:
        What ``planted.json`` holds beside the digests of the files.

    Raises:
        UsageError: one of the files is there already; it might be somebody's data.
    """
    tops = [PLANTED, form.features, *([form.manual] if form.manual else [])]
    tops += [top for top in form.splits if top] or [
        f"{name}_splits.mat" for name in form.embeddings
    ]
    for top in tops:
        if (root / top).exists():
            raise UsageError(f"{root / top} exists", fix="Move it away, or choose another folder.")
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".demo-", dir=root) as name:
        aside = Path(name)
        planted, digests = _write_world(aside, np.random.default_rng(seed), form)
        write_json(aside / PLANTED, planted | {"sha256": digests})
        for top in tops:
            os.replace(aside / top, root / top)
    return planted


def planted_ceilings(
    root: Path, features: str = "res101.mat", splits: str = "att_splits.mat"
) -> Mapping[str, float]:
    """The best possible accuracies by metric, in percent, of a world that is still as it was written.

    Args:
        root: the folder of the dataset.
        features, splits: its files that are used, relative to ``root``.

    Returns:
        An empty mapping without ``planted.json``, or where it does not speak of these very files.
    """
    try:
        planted = read_json(root / PLANTED)
        digests, found = planted["sha256"], planted["ceilings"][splits]
        if any(digests[name] != sha256_of(root / name) for name in (features, splits)):
            return {}
        ceilings = {name: float(found[name]) for name in METRICS}
    except (RunError, OSError, LookupError, TypeError, ValueError):
        return {}
    return ceilings if all(0 <= value <= 100 for value in ceilings.values()) else {}


def _write_world(
    folder: Path, random: np.random.Generator, form: Form
) -> tuple[dict[str, Any], dict[str, str]]:
    """Writes the files below ``folder``; returns what is planted, and the digest of every file."""
    world = draw_world(random, graded=not form.manual)
    names = [f"class_{number:02}" for number in range(1, CLASSES + 1)]
    write_features(
        folder / form.features,
        features=world.features,
        label=world.label,
        image_files=[f"{names[c]}/{row:04}.jpg" for row, c in enumerate(world.label, 1)],
        label_type=form.label_type,
    )
    digests = {form.features: sha256_of(folder / form.features)}
    if form.manual:
        with atomic_write(folder / form.manual) as file:
            np.save(file, world.strength)
    embeddings = {name: _embedding(world, name, random, form) for name in form.embeddings}
    ceilings = {}
    for split in form.splits:
        (folder / split).mkdir(exist_ok=True)
        rows = _divide(world, random, form)
        for name, attributes in embeddings.items():
            path = Path(split) / f"{name}_splits.mat"
            write_splits(
                folder / path,
                attributes=attributes,
                original_attributes=_original(world, name, random, form),
                class_names=names if form.named else None,
                **rows,
            )
            digests[path.as_posix()] = sha256_of(folder / path)
            best = best_accuracies(world, rows["test_seen"], rows["test_unseen"])
            ceilings[path.as_posix()] = {metric: round(value, 2) for metric, value in best.items()}
    planted = {
        "world": "x = max(0, b + W a + noise), a: attributes of length 1",
        "noise": f"normal, standard deviation {NOISE}; that of the means of classes is 1",
        "ceilings": ceilings,
    }
    return planted, digests


def _embedding(world: World, name: str, random: np.random.Generator, form: Form) -> Matrix:
    """[C, A] as ``att``: of length 1; or [C, 24] rotated, of length 1 as ``att``, else of any."""
    if name == "att" and not form.words:
        return world.attributes
    rotation, _ = np.linalg.qr(random.standard_normal((WORD_WIDTH, ATTRIBUTES)))
    length = 1.0 if name == "att" else random.uniform(15, 25, size=(CLASSES, 1))
    rotated: Matrix = length * unit_rows(world.strength) @ rotation.T
    return rotated


def _original(
    world: World, name: str, random: np.random.Generator, form: Form
) -> npt.NDArray[Any] | None:
    """[C, A]: strengths from 0 to 100; 0 and 1 where the attributes are binary."""
    if not form.named or name != "att":
        return None
    if form.manual:
        return world.present.astype(np.uint8)
    original = 100 * world.strength
    if form.missing:
        original.flat[random.choice(original.size, 4, replace=False)] = -1
    return original


def _divide(world: World, random: np.random.Generator, form: Form) -> dict[str, Index]:
    """The rows of trainval, test_seen, test_unseen and, if the form has them, train and val."""
    order = random.permutation(CLASSES)
    unseen, seen = order[:UNSEEN], order[UNSEEN:]
    acting = seen[: math.ceil(VAL_SHARE * len(seen))]
    test = np.zeros(len(world.label), dtype=bool)
    for c in seen:
        own = np.flatnonzero(world.label == c)
        test[random.permutation(own)[: math.ceil(TEST_SHARE * len(own))]] = True
    of_seen = np.isin(world.label, seen)
    rows = {
        "trainval": np.flatnonzero(of_seen & ~test),
        "test_seen": np.flatnonzero(test),
        "test_unseen": np.flatnonzero(np.isin(world.label, unseen)),
    }
    if form.leak is not None:
        fitted, of_acting = of_seen if form.leak else of_seen & ~test, np.isin(world.label, acting)
        rows |= {
            "train": np.flatnonzero(fitted & ~of_acting),
            "val": np.flatnonzero(fitted & of_acting),
        }
    return rows
