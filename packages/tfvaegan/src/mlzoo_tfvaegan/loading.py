"""Loaders of the datasets of the task ``zero-shot``: ``(root, options)`` to ``ZeroShotData``.

images   <root>/<features>.mat, <root>/<embedding>_splits.mat
actions  <root>/<features>.mat, <root>/split_<k>/<embedding>_splits.mat
ucf101   embedding ``manual``: <root>/ucf101_manual_att.npy [101, 115] with split_<k>/att_splits.mat,
         or, without that file, ``original_att`` of the split file
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.data.readers import ArraySpec, read_npy
from mlzoo.errors import DataError
from mlzoo_tfvaegan.dataset_config import ActionsOptions, ImagesOptions, UCF101Options
from mlzoo_tfvaegan.mat_files import (
    FeatureFile,
    SplitFile,
    check_pair,
    read_features,
    read_split,
    unit_rows,
)
from mlzoo_tfvaegan.validation_split import validation_split
from mlzoo_tfvaegan.versions import BENCHMARKS, incomparable, split_version
from mlzoo_tfvaegan.zero_shot import Index, ZeroShotData

MANUAL = "manual"
MANUAL_FILE = "ucf101_manual_att.npy"


def load_cub(root: Path, options: ImagesOptions) -> ZeroShotData:
    """Caltech-UCSD Birds 200-2011: 11,788 images, 150 seen and 50 unseen classes."""
    return _load_images(root, options, "cub")


def load_awa2(root: Path, options: ImagesOptions) -> ZeroShotData:
    """Animals with Attributes 2: 37,322 images, 40 seen and 10 unseen classes."""
    return _load_images(root, options, "awa2")


def load_sun(root: Path, options: ImagesOptions) -> ZeroShotData:
    """SUN Attribute: 14,340 images, 645 seen and 72 unseen classes."""
    return _load_images(root, options, "sun")


def load_flo(root: Path, options: ImagesOptions) -> ZeroShotData:
    """Oxford Flowers: 8,189 images, 82 seen and 20 unseen classes, sentence embeddings."""
    return _load_images(root, options, "flo")


def load_custom(root: Path, options: ImagesOptions) -> ZeroShotData:
    """Any two files in the benchmark's format."""
    return _load_images(root, options, "custom")


def load_hmdb51(root: Path, options: ActionsOptions) -> ZeroShotData:
    """HMDB51: 6,766 videos, 26 seen and 25 unseen classes, word vectors; one of 30 splits."""
    features, split = _read_pair(root, options, _split_path(root, options, options.embedding))
    return _build("hmdb51", options, features, split, split.attributes, split.path, "att")


def load_ucf101(root: Path, options: UCF101Options) -> ZeroShotData:
    """UCF101: 13,320 videos, 51 seen and 50 unseen classes, attributes; one of 30 splits."""
    manual = options.embedding == MANUAL
    path = _split_path(root, options, "att" if manual else options.embedding)
    features, split = _read_pair(root, options, path)
    if not manual:
        return _build("ucf101", options, features, split, split.attributes, split.path, "att")
    attributes, source, key = _manual_attributes(root, split)
    return _build("ucf101", options, features, split, attributes, source, key)


def map_labels(label: npt.ArrayLike, classes: npt.ArrayLike) -> Index:
    """Rank of every label in the sorted list of ``classes``, int64 in the shape of ``label``.

    Raises:
        DataError: a label that is not in ``classes``.
    """
    labels, known = np.asarray(label), np.unique(classes)
    rank = np.searchsorted(known, labels)
    foreign = labels[~np.isin(labels, known)]
    if foreign.size:
        raise DataError(f"label {foreign[0]} is none of the {len(known)} classes.")
    return rank.astype(np.int64)


def _load_images(root: Path, options: ImagesOptions, dataset: str) -> ZeroShotData:
    features, split = _read_pair(root, options, root / f"{options.embedding}_splits.mat")
    return _build(dataset, options, features, split, split.attributes, split.path, "att")


def _split_path(root: Path, options: ActionsOptions, embedding: str) -> Path:
    return root / f"split_{options.split}" / f"{embedding}_splits.mat"


def _read_pair(
    root: Path, options: ImagesOptions | ActionsOptions, split_path: Path
) -> tuple[FeatureFile, SplitFile]:
    for path in (root / f"{options.features}.mat", split_path):
        if not path.is_file():  # told before minutes are spent on the other file
            raise DataError(f"{path} does not exist.", "Check the data folder and the file's name.")
    features = read_features(root / f"{options.features}.mat")
    split = read_split(split_path, len(features.label))
    check_pair(features, split)
    return features, split


def _manual_attributes(root: Path, split: SplitFile) -> tuple[npt.NDArray[np.float64], Path, str]:
    """Attributes of every class, the file they are from and the name they have in it."""
    path, classes = root / MANUAL_FILE, len(split.attributes)
    original = split.original
    if path.exists():
        attributes = read_npy(path, ArraySpec(shape=(classes, None), kinds="fiu"))
        if original is not None and original.shape == attributes.shape:
            _check_class_order(path, attributes, split.path, original)
        return attributes.astype(np.float64), path, "the array"
    if original is None:
        raise DataError(
            f"{path} does not exist, and {split.path} holds no 'original_att'.",
            "Put either there, or take another --embedding.",
        )
    if (original == -1).any():
        row, column = np.argwhere(original == -1)[0]
        raise DataError(
            f"{split.path}: 'original_att' of class {row + 1} is -1 (missing) at attribute {column + 1}.",
            f"Put {MANUAL_FILE} beside the features, or take another --embedding.",
        )
    return original, split.path, "original_att"


def _check_class_order(
    path: Path, attributes: npt.NDArray[Any], split_path: Path, original: npt.NDArray[Any]
) -> None:
    """Rows that are the split file's, but in another order, would give classes each other's attributes."""
    if np.allclose(attributes, original):
        return
    mine, theirs = (rows[np.lexsort(rows.T)] for rows in (attributes, original))
    if np.allclose(mine, theirs):
        raise DataError(
            f"{path}: the rows are 'original_att' of {split_path} in another order of the classes.",
            "Rows must be in the order of the labels.",
        )


def _build(
    dataset: str,
    options: ImagesOptions | ActionsOptions,
    features: FeatureFile,
    split: SplitFile,
    attributes: npt.NDArray[np.float64],
    source: Path,
    key: str,
) -> ZeroShotData:
    """The world of the two files with the class embeddings ``attributes``, ``key`` of ``source``."""
    unit = unit_rows(attributes, source, key)
    validation, facts = validation_split(
        features.label,
        split.split,
        split.train,
        split.val,
        hold_out=options.hold_out,
        seed=options.split_seed,
    )
    facts |= _embedding_facts(attributes, split, key) | _name_facts(features, split)
    reason = ""
    if (benchmark := BENCHMARKS.get(dataset)) is not None:
        facts["version"] = split_version(benchmark, split)
        reason = incomparable(benchmark, features, split, attributes, options.embedding)
    return ZeroShotData(
        features=features.features,
        label=features.label,
        attributes=unit,
        class_names=split.class_names,
        split=split.split,
        validation_split=validation,
        scaling=options.scaling,
        facts=facts,
        incomparable=reason,
    )


def _embedding_facts(
    attributes: npt.NDArray[np.float64], split: SplitFile, key: str
) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    lengths = np.linalg.norm(attributes, axis=1)
    if not np.allclose(lengths, 1, atol=1e-4):
        facts["embedding"] = (
            f"lengths {lengths.min():.3g} to {lengths.max():.3g} on file, divided by them"
        )
    missing = 0 if split.original is None else int((split.original == -1).sum())
    if missing and key == "att":
        facts["missing_attributes"] = f"{missing} of original_att are -1, which att may rest on"
    return facts


def _name_facts(features: FeatureFile, split: SplitFile) -> dict[str, Any]:
    """Classes whose samples' file names name another class of ``allclasses_names``.

    Nothing is mapped by name: embeddings and labels share the numbering, whatever the names say (in
    published splits of UCF101 nine names stand in another order than both).
    """
    if features.image_files is None:
        return {}
    ids = {_plain(name): number for number, name in enumerate(split.class_names)}
    first = np.unique(features.label, return_index=True)
    wrong = []
    for class_id, row in zip(*first, strict=True):
        named = {ids[part] for part in _name_parts(features.image_files[row]) if part in ids}
        if named and class_id not in named:
            wrong.append(f"{split.class_names[class_id]} ({features.image_files[row]})")
    if not wrong:
        return {}
    return {"names": f"{len(wrong)} class names differ from the files' names, first {wrong[0]}"}


def _name_parts(file: str) -> set[str]:
    """Plain folder names, runs of folders, and words between underscores of the file's own name."""
    path = PurePosixPath(file.replace("\\", "/"))
    folders = path.parts[:-1][-4:]
    runs = {
        _plain("".join(folders[start:end]))
        for start in range(len(folders))
        for end in range(start + 1, len(folders) + 1)
    }
    return runs | {_plain(word) for word in path.stem.split("_")}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
