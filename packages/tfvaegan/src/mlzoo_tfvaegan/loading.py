"""Loaders of the datasets of the task ``zero-shot``: ``(root, options)`` to ``ZeroShotData``.

images   <root>/<features>.mat, <root>/<embedding>_splits.mat
actions  <root>/<features>.mat, <root>/split_<k>/<embedding>_splits.mat
ucf101   embedding ``manual``: <root>/ucf101_manual_att.npy [101, 115] with split_<k>/att_splits.mat,
         or, without that file, ``original_att`` of the split file
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.data.readers import ArraySpec, read_npy
from mlzoo.errors import DataError, did_you_mean
from mlzoo_tfvaegan.dataset_config import ActionsOptions, ImagesOptions, UCF101Options
from mlzoo_tfvaegan.demo import planted_ceilings
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


@dataclass(frozen=True, eq=False)
class ClassEmbedding:
    """The class embeddings in use, as on file.

    Attributes:
        values: float64 [C, A].
        path, key: the file they are from and the variable's name in it.
    """

    values: npt.NDArray[np.float64]
    path: Path
    key: str


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
    split_path = root / f"split_{options.split}" / f"{options.embedding}_splits.mat"
    return _load("hmdb51", root, options, split_path)


def load_ucf101(root: Path, options: UCF101Options) -> ZeroShotData:
    """UCF101: 13,320 videos, 51 seen and 50 unseen classes, attributes; one of 30 splits."""
    manual = options.embedding == MANUAL
    name = "att" if manual else options.embedding
    split_path = root / f"split_{options.split}" / f"{name}_splits.mat"
    return _load("ucf101", root, options, split_path, manual=manual)


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
    return _load(dataset, root, options, root / f"{options.embedding}_splits.mat")


def _load(
    dataset: str,
    root: Path,
    options: ImagesOptions | ActionsOptions,
    split_path: Path,
    *,
    manual: bool = False,
) -> ZeroShotData:
    """The world of the features file in ``root`` and of ``split_path``.

    Raises:
        DataError: a file is missing, damaged or wrong; says which, what is wrong and where.
    """
    features_path = root / f"{options.features}.mat"
    for path in (features_path, split_path):
        if not path.is_file():  # told before the other file, which may be large, is read
            there = [file.name for file in path.parent.glob("*.mat")]
            hint = did_you_mean(path.name, there) if there else "Check the data folder."
            raise DataError(f"{path} does not exist.", hint)
    features = read_features(features_path)
    split = read_split(split_path, len(features.label))
    check_pair(features, split)
    embedding = ClassEmbedding(split.attributes, split.path, "att")
    if manual:
        embedding = _manual_attributes(root, split)
    validation, validation_facts = validation_split(
        features.label,
        split.split,
        split.train,
        split.val,
        hold_out=options.hold_out,
        seed=options.split_seed,
    )
    version, reason = _compare(dataset, options, features, split, embedding)
    return ZeroShotData(
        features=features.features,
        label=features.label,
        attributes=unit_rows(embedding.values, embedding.path, embedding.key),
        class_names=split.class_names,
        split=split.split,
        validation_split=validation,
        scaling=options.scaling,
        facts={
            **version,
            **validation_facts,
            **_embedding_facts(embedding, split),
            **_name_facts(features, split),
        },
        ceilings=planted_ceilings(
            root, features_path.name, split_path.relative_to(root).as_posix()
        ),
        incomparable=reason,
    )


def _compare(
    dataset: str,
    options: ImagesOptions | ActionsOptions,
    features: FeatureFile,
    split: SplitFile,
    embedding: ClassEmbedding,
) -> tuple[dict[str, str], str]:
    """The split's version as a fact, and why published rows do not apply."""
    benchmark = BENCHMARKS.get(dataset)
    if benchmark is None:
        return {}, ""
    reason = incomparable(benchmark, features, split, embedding.values, options.embedding)
    return {"version": split_version(benchmark, split)}, reason


def _manual_attributes(root: Path, split: SplitFile) -> ClassEmbedding:
    """UCF101's attributes of every class."""
    path, classes = root / MANUAL_FILE, len(split.attributes)
    original = split.original
    if path.exists():
        attributes = read_npy(path, ArraySpec(shape=(classes, None), kinds="fiu"))
        if original is not None:
            _check_original(path, attributes, split.path, original)
        return ClassEmbedding(attributes.astype(np.float64), path, "manual attributes")
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
    return ClassEmbedding(original, split.path, "original_att")


def _check_original(
    path: Path, attributes: npt.NDArray[Any], split_path: Path, original: npt.NDArray[Any]
) -> None:
    """Attributes of another width, or the split file's in another order of the classes, are refused."""
    if attributes.shape != original.shape:
        raise DataError(
            f"{path} has {attributes.shape[1]} attributes a class, 'original_att' of {split_path} "
            f"{original.shape[1]}.",
            "Take the attributes that belong to these splits.",
        )
    if np.allclose(attributes, original):
        return
    mine, theirs = (rows[np.lexsort(rows.T)] for rows in (attributes, original))
    if np.allclose(mine, theirs):
        raise DataError(
            f"{path}: the rows are 'original_att' of {split_path} in another order of the classes.",
            "Rows must be in the order of the labels.",
        )


def _embedding_facts(embedding: ClassEmbedding, split: SplitFile) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    lengths = np.linalg.norm(embedding.values, axis=1)
    if not np.allclose(lengths, 1, atol=1e-4):
        facts["embedding"] = (
            f"of length {lengths.min():.3g} to {lengths.max():.3g} on file, divided by it"
        )
    missing = 0 if split.original is None else int((split.original == -1).sum())
    if missing and embedding.key == "att":
        facts["missing_attributes"] = missing
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
