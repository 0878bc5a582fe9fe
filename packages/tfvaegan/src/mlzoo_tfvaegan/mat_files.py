"""The two MATLAB files of a zero-shot dataset, read and checked before anything is trained.

    features file:  features [R, N], labels [N, 1] from 1, image_files (optional)
    split file:     att [A, C], trainval_loc, test_seen_loc, test_unseen_loc: samples from 1; optional
                    train_loc, val_loc, allclasses_names, original_att [A', C]

(format of Xian et al., "Zero-shot learning - the good, the bad and the ugly"). Other variables are
not read. In memory samples are rows, and classes and samples count from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.data.readers import first_not_finite, read_mat
from mlzoo.errors import DataError
from mlzoo_tfvaegan.zero_shot import Index, Split

Array = npt.NDArray[Any]
PARTS = ("trainval_loc", "test_seen_loc", "test_unseen_loc")
VALIDATION_PARTS = ("train_loc", "val_loc")
_ROWS = 1024
_TRANSPOSED = "'att' is transposed: it must have one column a class. Transpose it and save again."


@dataclass(frozen=True, eq=False)
class FeatureFile:
    """Attributes:
    path: the file.
    features: [N, R], float32 where that loses nothing, else float64.
    label: int64 [N], class ids from 0.
    image_files: of every sample, if the file names them.
    """

    path: Path
    features: npt.NDArray[np.floating[Any]]
    label: Index
    image_files: tuple[str, ...] | None


@dataclass(frozen=True, eq=False)
class SplitFile:
    """Attributes:
    path: the file.
    attributes: float64 [C, A], as on file: rows of any length.
    original: float64 [C, A'], raw strengths of attributes, or None; -1 stands for a missing one.
    class_names: of all C classes; ``class 1``, ... where the file names none.
    split: trainval, test_seen, test_unseen.
    train, val: the lists for validation, or None; in old files they contain test_seen samples.
    """

    path: Path
    attributes: npt.NDArray[np.float64]
    original: npt.NDArray[np.float64] | None
    class_names: tuple[str, ...]
    split: Split
    train: Index | None
    val: Index | None


def read_features(path: Path) -> FeatureFile:
    """The features file.

    Raises:
        DataError: missing, damaged, a variable missing, transposed, labels that do not count from 1,
            NaN or infinity.
    """
    found = read_mat(path, ["features", "labels"], optional=["image_files"])
    label = _counted(found["labels"], path, "labels", "classes")
    features = _matrix(found.pop("features"), path, "features").T  # [N, R]
    _check_orientation(path, features, len(label))
    _check_finite(path, "features", features)
    names = found.get("image_files")
    files = tuple(names) if isinstance(names, list) else None  # only a remark depends on them
    if files is not None and len(files) != len(label):
        raise DataError(
            f"{path}: 'image_files' names {len(files)} samples, 'labels' has {len(label)}."
        )
    return FeatureFile(path, _narrow(features), label, files)


def read_split(path: Path, samples: int) -> SplitFile:
    """The split file of a features file with ``samples`` samples.

    Raises:
        DataError: missing, damaged, a variable missing, an empty part, a sample out of range or in
            two parts, a class without an embedding, NaN or infinity.
    """
    found = read_mat(
        path,
        ["att", *PARTS],
        optional=[*VALIDATION_PARTS, "allclasses_names", "original_att"],
    )
    attributes = _embedding(found["att"], path, "att")
    rows = {
        key: _locations(found[key], path, key, samples)
        for key in (*PARTS, *VALIDATION_PARTS)
        if key in found
    }
    _check_disjoint(path, {key: rows[key] for key in PARTS}, samples)
    original = found.get("original_att")
    return SplitFile(
        path=path,
        attributes=attributes,
        original=None if original is None else _matrix(original, path, "original_att").T,
        class_names=_names(found.get("allclasses_names"), path, attributes),
        split=Split(*(rows[key] for key in PARTS)),
        train=rows.get("train_loc"),
        val=rows.get("val_loc"),
    )


def check_pair(features: FeatureFile, split: SplitFile) -> None:
    """Hold the two files against each other.

    Raises:
        DataError: a label without an embedding, a class both seen and unseen, or a class of test_seen
            without training samples.
    """
    label, parts, path = features.label, split.split, split.path
    classes, width = split.attributes.shape
    if classes != label.max() + 1 == width:
        raise DataError(
            f"{path}: 'att' is {(width, classes)}, but 'labels' of {features.path} count {width} classes.",
            _TRANSPOSED,
        )
    if label.max() >= classes:
        row = int(label.argmax())
        raise DataError(
            f"{features.path}: 'labels' holds class {label[row] + 1} (sample {row + 1}), but 'att' of "
            f"{path} has {classes} classes.",
            "Take the split file that belongs to these features.",
        )
    seen, unseen = np.unique(label[parts.train]), np.unique(label[parts.test_unseen])
    both = np.intersect1d(seen, unseen)
    if len(both):
        raise DataError(
            f"{path}: {_class(split, both[0])} is both seen ('trainval_loc') and unseen "
            f"('test_unseen_loc'), by 'labels' of {features.path}.",
            "Check that the lists and the labels count from 1 and belong together.",
        )
    foreign = np.setdiff1d(label[parts.test_seen], seen)
    if len(foreign):
        raise DataError(
            f"{path}: {_class(split, foreign[0])} is in 'test_seen_loc' without a sample in "
            f"'trainval_loc', by 'labels' of {features.path}.",
            "Check that the lists and the labels count from 1 and belong together.",
        )


def unit_rows(values: npt.NDArray[np.float64], path: Path, key: str) -> npt.NDArray[np.float32]:
    """float32 [C, A]: class embeddings [C, A] divided by their L2 norms.

    Raises:
        DataError: NaN, infinity, or a class of zeros alone.
    """
    _check_finite(path, key, values)
    norm = np.linalg.norm(values, axis=1, keepdims=True)
    if not (norm > 0).all():
        raise DataError(f"{path}: {key!r} of class {int(norm.argmin()) + 1} is all zeros.")
    # In double: to float32 the sum would be rounded as the machine happens to add it.
    return np.asarray(values / norm, dtype=np.float32)


def _class(split: SplitFile, class_id: np.int64) -> str:
    return f"class {class_id + 1} ({split.class_names[class_id]})"


def _matrix(value: object, path: Path, key: str) -> Array:
    if not (isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind in "fiu"):
        found = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else "text"
        raise DataError(f"{path}: {key!r} must be a matrix of numbers, found {found}.")
    if not value.size:
        raise DataError(f"{path}: {key!r} is empty.")
    return value


def _embedding(value: object, path: Path, key: str) -> npt.NDArray[np.float64]:
    attributes = _matrix(value, path, key).T.astype(np.float64)
    _check_finite(path, key, attributes)
    return attributes


def _counted(value: object, path: Path, key: str, what: str) -> Index:
    """Whole numbers from 1, in a row or a column, as numbers from 0."""
    matrix = _matrix(value, path, key)
    if 1 not in matrix.shape:
        raise DataError(f"{path}: {key!r} must be one column, found shape {matrix.shape}.")
    column = matrix.ravel()
    with np.errstate(invalid="ignore"):
        whole = column.astype(np.int64)
    if not np.array_equal(whole, column):
        raise DataError(f"{path}: {key!r} must hold whole numbers from 1.")
    if whole.min() < 1:
        raise DataError(
            f"{path}: {key!r} counts {what} from 1, found {whole.min()}.",
            f"Add 1 to {key!r} if it counts from 0.",
        )
    return whole - 1


def _locations(value: object, path: Path, key: str, samples: int) -> Index:
    rows = _counted(value, path, key, "samples")
    if rows.max() >= samples:
        raise DataError(
            f"{path}: {key!r} names sample {rows.max() + 1}; the features file has {samples}.",
            "Take the split file that belongs to these features.",
        )
    if len(np.unique(rows)) < len(rows):
        values, count = np.unique(rows, return_counts=True)
        raise DataError(f"{path}: {key!r} names sample {values[count > 1][0] + 1} twice.")
    return rows


def _check_disjoint(path: Path, parts: dict[str, Index], samples: int) -> None:
    owner = np.full(samples, -1)
    for number, (key, rows) in enumerate(parts.items()):
        taken = rows[owner[rows] >= 0]
        if len(taken):
            other = list(parts)[owner[taken[0]]]
            raise DataError(f"{path}: sample {taken[0] + 1} is in both {other!r} and {key!r}.")
        owner[rows] = number


def _check_orientation(path: Path, features: Array, samples: int) -> None:
    if len(features) == samples:
        return
    shape = (features.shape[1], len(features))
    fix = ""
    if features.shape[1] == samples:
        fix = "'features' is transposed: it must have one column a sample. Transpose it and save again."
    raise DataError(f"{path}: 'features' is {shape}, but 'labels' has {samples} samples.", fix)


def _check_finite(path: Path, key: str, rows: Array) -> None:
    if (bad := first_not_finite(rows)) is not None:
        raise DataError(
            f"{path}: {key!r} holds {rows[bad]} at row {bad[1] + 1}, column {bad[0] + 1}.",
            "Every value must be a finite number.",
        )


def _narrow(features: Array) -> npt.NDArray[np.floating[Any]]:
    """float32 if that holds every value, else float64."""
    narrow = np.empty(features.shape, dtype=np.float32)
    for start in range(0, len(features), _ROWS):
        piece = features[start : start + _ROWS]
        with np.errstate(over="ignore"):
            narrow[start : start + _ROWS] = piece
        if not np.array_equal(narrow[start : start + _ROWS], piece):
            return np.ascontiguousarray(features, dtype=np.float64)
    return narrow


def _names(value: object, path: Path, attributes: Array) -> tuple[str, ...]:
    classes, width = attributes.shape
    if not isinstance(value, list):
        return tuple(f"class {number + 1}" for number in range(classes))
    if len(value) != classes:
        raise DataError(
            f"{path}: 'allclasses_names' has {len(value)} names, 'att' {classes} classes.",
            _TRANSPOSED if len(value) == width else "",
        )
    return tuple(value)
