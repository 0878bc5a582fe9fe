"""What the arrays of zero-shot data must be, whoever made them; readers of files say more about files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError

Index = npt.NDArray[np.int64]


def check_arrays(
    features: npt.NDArray[Any],
    label: npt.NDArray[Any],
    attributes: npt.NDArray[Any],
    class_names: Sequence[str],
) -> None:
    """Features [N, R], label [N], attributes [C, A] with rows of length 1, C names.

    Raises:
        DataError: of the first that is something else.
    """
    classes = len(attributes)
    _promise(
        features.ndim == 2 and features.dtype in (np.float32, np.float64) and features.size > 0,
        f"features must be float32 or float64 [N, R], not {features.dtype} {features.shape}",
    )
    _promise(
        label.dtype == np.int64 and label.shape == (len(features),),
        f"label must be int64 [{len(features)}], not {label.dtype} {label.shape}",
    )
    _promise(
        attributes.ndim == 2 and attributes.dtype == np.float32,
        f"attributes must be float32 [C, A], not {attributes.dtype} {attributes.shape}",
    )
    _promise(
        label.min() >= 0 and label.max() < classes,
        f"labels must lie in 0 to {classes - 1}, found {label.min()} to {label.max()}",
    )
    lengths = np.linalg.norm(attributes, axis=1)
    _promise(np.allclose(lengths, 1, atol=1e-3), "rows of attributes must have length 1")
    _promise(len(class_names) == classes, f"{len(class_names)} names for {classes} classes")


def check_split(parts: Mapping[str, Index], label: Index, what: str) -> None:
    """Rows of ``train``, ``test_seen`` and ``test_unseen``: disjoint, and so are seen and unseen classes.

    Raises:
        DataError: with the part that is something else, called ``what``.
    """
    for name, rows in parts.items():
        _promise(
            rows.dtype == np.int64 and rows.ndim == 1 and len(rows) > 0,
            f"{what}.{name} must be int64 [n] with n > 0, not {rows.dtype} {rows.shape}",
        )
        _promise(
            rows.min() >= 0 and rows.max() < len(label),
            f"{what}.{name} must name rows 0 to {len(label) - 1}",
        )
    every = np.concatenate(list(parts.values()))
    _promise(len(np.unique(every)) == len(every), f"{what} names a sample twice")
    seen, unseen = np.unique(label[parts["train"]]), np.unique(label[parts["test_unseen"]])
    both = np.intersect1d(seen, unseen)
    _promise(not len(both), f"{what} has class {both[:1]} both seen and unseen")
    foreign = np.setdiff1d(label[parts["test_seen"]], seen)
    _promise(not len(foreign), f"{what}.test_seen has class {foreign[:1]}, which train has not")


def check_untested(parts: Mapping[str, Index], tested: Index) -> None:
    """No part of the split for validation has a row that is ``tested``.

    Raises:
        DataError: one has.
    """
    for name, rows in parts.items():
        _promise(not np.isin(rows, tested).any(), f"validation_split.{name} has test samples")


def _promise(kept: bool, broken: str) -> None:
    if not kept:
        raise DataError(f"zero-shot data: {broken}.")
