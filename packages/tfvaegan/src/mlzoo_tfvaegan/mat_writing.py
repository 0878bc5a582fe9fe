"""Write a zero-shot dataset in the benchmark's own format: two MATLAB files of version 5.

Format of Xian et al., "Zero-shot learning - the good, the bad and the ugly": samples and classes are
columns, labels and sample indices count from 1, names are cell arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError
from mlzoo.files import atomic_write

MAX_BYTES = 2**32
"""A variable of a version 5 file counts its bytes in 32 bits."""


def write_features(
    path: Path,
    *,
    features: npt.NDArray[np.floating[Any]],
    label: npt.NDArray[np.int64],
    image_files: Sequence[str] | None,
    label_type: str | None = None,
) -> None:
    """Write a features file such as ``res101.mat``, whole or not at all.

    Args:
        path: the file; its folder must be there.
        features: [N, R]; float64 is stored as double, narrower floats as single. Stored as ``features``,
            R x N.
        label: int64 [N], class ids from 0. Stored as ``labels``, N x 1, from 1.
        image_files: N names, stored as an N x 1 cell array; None leaves them out.
        label_type: of the stored labels; by default the smallest unsigned integer that holds them.

    Raises:
        DataError: lengths differ, or the features need 4 GiB or more.
        RunError: the file cannot be written.
    """
    for name, value in {"labels": label, "image_files": image_files}.items():
        if value is not None and len(value) != len(features):
            raise DataError(f"{path}: {len(value)} {name} for {len(features)} rows of features.")
    stored = features if features.dtype == np.float64 else features.astype(np.float32, copy=False)
    variables: dict[str, Any] = {"features": stored.T, "labels": _from_one(label, label_type)}
    if image_files is not None:
        variables["image_files"] = _cells(image_files)
    _write(path, variables)


def write_splits(
    path: Path,
    *,
    attributes: npt.NDArray[Any],
    class_names: Sequence[str] | None,
    trainval: npt.NDArray[np.int64],
    test_seen: npt.NDArray[np.int64],
    test_unseen: npt.NDArray[np.int64],
    original_attributes: npt.NDArray[Any] | None = None,
    train: npt.NDArray[np.int64] | None = None,
    val: npt.NDArray[np.int64] | None = None,
) -> None:
    """Write a splits file such as ``att_splits.mat``, whole or not at all.

    Args:
        path: the file; its folder must be there.
        attributes: [C, A], the class embeddings. Stored as ``att``, A x C, double.
        class_names: of the C classes, stored as ``allclasses_names``, C x 1; None leaves them out.
        trainval, test_seen, test_unseen: int64 [n], rows of the features from 0. Stored as
            ``trainval_loc`` and so on, n x 1, from 1.
        original_attributes: [C, A'], before scaling to unit length, stored as ``original_att``.
        train, val: rows for validation by classes, stored as ``train_loc`` and ``val_loc``.

    Raises:
        DataError: names or original attributes do not fit the number of classes.
        RunError: the file cannot be written.
    """
    for name, value in {
        "class names": class_names,
        "rows of original": original_attributes,
    }.items():
        if value is not None and len(value) != len(attributes):
            raise DataError(f"{path}: {len(value)} {name} for {len(attributes)} class embeddings.")
    variables: dict[str, Any] = {"att": attributes.T.astype(np.float64)}
    if original_attributes is not None:
        variables["original_att"] = original_attributes.T
    if class_names is not None:
        variables["allclasses_names"] = _cells(class_names)
    rows = {
        "trainval": trainval,
        "test_seen": test_seen,
        "test_unseen": test_unseen,
        "train": train,
        "val": val,
    }
    variables |= {f"{name}_loc": _from_one(row) for name, row in rows.items() if row is not None}
    _write(path, variables)


def _from_one(index: npt.NDArray[np.int64], dtype: str | None = None) -> npt.NDArray[Any]:
    """[n] from 0 to [n, 1] from 1."""
    largest = int(index.max()) + 1 if len(index) else 1
    return (index + 1).astype(dtype or np.min_scalar_type(largest))[:, None]


def _cells(names: Sequence[str]) -> npt.NDArray[np.object_]:
    cells = np.empty((len(names), 1), dtype=object)
    cells[:, 0] = [str(name) for name in names]
    return cells


def _write(path: Path, variables: dict[str, Any]) -> None:
    from scipy.io import savemat

    for name, value in variables.items():
        if value.nbytes >= MAX_BYTES:
            raise DataError(
                f"{path}: {name} takes {value.nbytes:,} bytes; a MATLAB file of version 5 holds "
                f"less than {MAX_BYTES:,}.",
                "Store them in single precision, or fewer of them.",
            )
    with atomic_write(path) as file:
        savemat(file, variables, format="5", oned_as="column")
