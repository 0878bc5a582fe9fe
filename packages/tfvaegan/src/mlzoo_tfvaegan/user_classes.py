"""Class embeddings and labels that people have, and the one reading in which they fit each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError, did_you_mean
from mlzoo_tfvaegan.user_files import read_named_matrix, read_names, require_distinct
from mlzoo_tfvaegan.user_splits import Labels
from mlzoo_tfvaegan.zero_shot import Index

Array = npt.NDArray[Any]
Raw = Index | list[str]
"""Labels as they are on file: whole numbers, or texts."""


@dataclass(frozen=True, eq=False)
class Classes:
    """Attributes:
    attributes: [C, A].
    names: of the C classes, or None.
    original: [C, A'], raw attributes of a benchmark's split file, or None.
    """

    attributes: Array
    names: tuple[str, ...] | None
    original: Array | None = None


def read_classes(
    path: Path, names_path: Path | None, names: tuple[str, ...] | None, raw: Raw
) -> tuple[Classes, str]:
    """Class embeddings with one row a class, and how they were read.

    Args:
        path: the class embeddings.
        names_path: the names of the classes, or None.
        names: the names where another file brings them.
        raw: the labels; without names every class must have a sample.

    Raises:
        DataError: damaged, rows of zeros, names that differ, no axis as long as there are classes, or both.
    """
    if names_path is not None:
        names = tuple(read_names(names_path))
        require_distinct(names, names_path)
    matrix, named = read_named_matrix(path, "attributes")
    count = len(set(raw)) if names is None else len(names)
    expected = f"{count} classes by {'labels' if names is None else 'name'}"
    if named is not None:
        require_distinct(named, path)
        if names is None and len(named) != count:
            raise DataError(f"{path} names {len(named)} classes; there are {expected}.")
        matrix, names = _by_name(path, matrix, named, names)
        way = "rows by name"
    else:
        fix = "Give a table whose first column names the classes."
        matrix, way = with_rows(matrix, count, str(path), expected, fix)
    empty = np.flatnonzero(~matrix.any(axis=1))
    if empty.size:
        raise DataError(f"{path}: the attributes of class {empty[0] + 1} of {count} are all zeros.")
    return Classes(matrix, names), f"{len(matrix)} classes x {matrix.shape[1]}, {way}"


def read_labels(path: Path, raw: Raw, classes: Classes, base: int | None) -> tuple[Labels, str]:
    """Class ids from 0, by the only reading that fits, and which one that is.

    Args:
        path: where ``raw`` is from, for complaints.
        raw: the labels.
        classes: what they must be among.
        base: where ids begin, 0 or 1; None admits both, and names.

    Raises:
        DataError: no reading fits, or several do.
    """
    count = len(classes.attributes)
    readings = _readings(path, raw, classes, base)
    low, high = min(raw), max(raw)
    if not readings:
        begin = "0 or from 1" if base is None else str(base)
        raise DataError(
            f"{path}: labels go from {low} to {high}; that does not fit {count} classes counted from "
            f"{begin}.",
            "Check that labels and class embeddings belong together.",
        )
    if len(readings) > 1:
        raise DataError(
            f"{path}: labels from {low} to {high} of {count} classes may be "
            f"{' or '.join(readings)}.",
            "Add --label-base 0 or --label-base 1.",
        )
    ((how, (found, label)),) = readings.items()
    return Labels(label, found, classes.names, count), how


def with_rows(matrix: Array, count: int, what: str, expected: str, fix: str) -> tuple[Array, str]:
    """The matrix with ``count`` rows, transposed if only that fits, and which it was.

    Raises:
        DataError: no axis has that length, or both; names ``what``, and says ``expected`` and ``fix``.
    """
    rows, columns = matrix.shape
    if count not in (rows, columns):
        raise DataError(f"{what} is {rows} x {columns}; there are {expected}.")
    if rows == columns:
        raise DataError(f"{what} is {rows} x {columns}: rows and columns both fit {expected}.", fix)
    return (matrix, "as on file") if rows == count else (matrix.T, "transposed")


def _by_name(
    path: Path, matrix: Array, named: list[str], names: tuple[str, ...] | None
) -> tuple[Array, tuple[str, ...]]:
    """Rows in the order of ``names``, or of the table where there are none."""
    if names is None:
        return matrix, tuple(named)
    row = {name: number for number, name in enumerate(named)}
    for name in names:
        if name not in row:
            raise DataError(f"{path} has no row for the class {name!r}.", did_you_mean(name, named))
    if len(named) > len(names):
        other = next(name for name in named if name not in names)
        raise DataError(
            f"{path} has a row for {other!r}, which is none of the {len(names)} classes."
        )
    return matrix[[row[name] for name in names]], names


def _readings(
    path: Path, raw: Raw, classes: Classes, base: int | None
) -> dict[str, tuple[int | None, Index]]:
    """What the labels may mean: base and ids from 0."""
    readings: dict[str, tuple[int | None, Index]] = {}
    texts, names = [str(label) for label in raw], classes.names or ()
    by_name = isinstance(raw, list) or base is None
    if by_name and set(texts) <= set(names):
        ids = {name: number for number, name in enumerate(names)}
        readings["class names"] = None, np.array([ids[text] for text in texts], dtype=np.int64)
    elif isinstance(raw, list):
        unknown = next(text for text in texts if text not in names)
        hint = did_you_mean(unknown, names) if names else "Add --class-names FILE."
        raise DataError(f"{path}: label {unknown!r} is no class.", hint)
    if not isinstance(raw, list):
        for first in (0, 1) if base is None else (base,):
            if first <= raw.min() and raw.max() < len(classes.attributes) + first:
                readings[f"ids from {first}"] = first, raw - first
    return readings
