"""Files that people keep arrays and names in, read without a guess.

numbers   .npz (by name), .npy, or .csv / .tsv / .txt with or without a header
names     .txt / .csv / .tsv, one a line, with or without a number before each (1, 2, 3, ... or
          0, 1, 2, ..., in any order); .json, a list of texts or whole numbers
tables    .csv / .tsv / .txt: cells separated by tabs, semicolons or commas
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import ArraySpec, check_array, existing, readable
from mlzoo.data.readers import read_npy, read_npz
from mlzoo.errors import DataError

Array = npt.NDArray[Any]
TEXT = (".csv", ".tsv", ".txt")
NUMBERS = ArraySpec(ndim=2, kinds="fiub")
SURELY_COUNTS = 10
"""Lines from which on a column 0, 1, 2, ... or 1, 2, 3, ... is taken to count them."""


def read_matrix(path: Path, key: str) -> Array:
    """Numbers with two axes, as they are on file; ``key`` names them in an .npz.

    Raises:
        DataError: missing, empty, damaged, not of numbers, NaN, infinity, a kind of file not known, or
            a table whose first column merely counts its lines.
    """
    if path.suffix == ".npz":
        matrix = read_npz(path, {key: NUMBERS})[key]
    elif path.suffix == ".npy":
        matrix = read_npy(path, NUMBERS)
    elif path.suffix in TEXT:
        matrix = _read_numbers(path)
    else:
        raise _unknown_kind(path, ".npz", ".npy", *TEXT)
    return _with_values(matrix, path)


def read_named_matrix(path: Path, key: str) -> tuple[Array, list[str] | None]:
    """The same, and the names in the first column of a text file, if it is one of names."""
    if path.suffix in TEXT:
        rows = read_table(path)
        body = rows[1:] if not any(_is_number(cell) for cell in rows[0][1:]) else rows
        if body and not any(_is_number(row[0]) for row in body):
            with readable(path, "a table of numbers behind names"):
                table = np.array([[float(cell) for cell in row[1:]] for row in body])
            check_array(table, NUMBERS, str(path))
            return _with_values(table, path), [row[0] for row in body]
    return read_matrix(path, key), None


def read_column(path: Path, key: str) -> npt.NDArray[np.int64] | list[str]:
    """One whole number a sample, or one text.

    ``key`` names the array of an .npz, which may also hold a single array with one axis, and the column
    of a table with several.

    Raises:
        DataError: missing, damaged, fractions, or a column that is not there.
    """
    if path.suffix in (".npz", ".npy"):
        array = read_npy(path) if path.suffix == ".npy" else _only_column(path, key)
        if array.ndim == 2 and 1 in array.shape:
            array = array.ravel()
        check_array(_with_values(array, path), ArraySpec(ndim=1, kinds="fiuU"), f"{path}: {key}")
        return array.tolist() if array.dtype.kind == "U" else whole_numbers(array, f"{path}: {key}")
    if path.suffix == ".json":
        return numbers_or_names(read_names(path))
    rows = read_table(path)
    column = rows[0].index(key) if key in rows[0] else None
    if column is None and len(rows[0]) > 1:
        raise DataError(f"{path} has no column {key!r}.", f"Its first line: {', '.join(rows[0])}")
    cells = [row[column or 0] for row in rows[column is not None :]]
    if not cells:
        raise DataError(f"{path} is empty.")
    return numbers_or_names(cells)


def read_names(path: Path) -> list[str]:
    """One text a line; numbers that merely count the lines are dropped.

    Raises:
        DataError: missing, empty, not text.
    """
    if path.suffix == ".json":
        with readable(path, "JSON"):
            names = json.loads(existing(path).read_text(encoding="utf-8-sig"))
        if not isinstance(names, list) or not all(type(name) in (str, int) for name in names):
            raise DataError(f"{path} must hold a list of texts or whole numbers.")
        if not names:
            raise DataError(f"{path} is empty.")
        return [str(name) for name in names]
    if path.suffix not in TEXT:
        raise _unknown_kind(path, ".json", *TEXT)
    lines = [line.strip() for line in _lines(path)]
    parts = [line.replace(",", " ", 1).split(maxsplit=1) for line in lines]
    if all(len(part) == 2 and part[0].isdecimal() and len(part[0]) < 10 for part in parts):
        counts = sorted(int(part[0]) for part in parts)
        if counts[0] in (0, 1) and counts == list(range(counts[0], counts[0] + len(lines))):
            return [part[1] for part in parts]
    return lines


def require_distinct(names: Sequence[str], path: Path) -> None:
    """Raises DataError naming ``path`` if a name is there twice."""
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{path} names {twice!r} twice.")


def read_table(path: Path) -> list[list[str]]:
    """The cells of every line, all lines as long as the first.

    Raises:
        DataError: missing, empty, not UTF-8, or a line of another length.
    """
    if path.suffix not in TEXT:
        raise _unknown_kind(path, *TEXT)
    lines = _lines(path)
    with readable(path, "a table"):
        try:
            cells = csv.reader(lines, delimiter=_separator(lines[0]) or "\t", strict=True)
            rows = [[cell.strip() for cell in row] for row in cells]
        except csv.Error as error:
            raise ValueError(str(error)) from error
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise DataError(
                f"{path}: line {number} has {len(row)} cells, the first {len(rows[0])}."
            )
    return rows


def numbers_or_names(cells: Sequence[str]) -> npt.NDArray[np.int64] | list[str]:
    """Whole numbers where every cell is one, else the cells."""
    try:
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    except (ValueError, OverflowError):
        return list(cells)


def whole_numbers(array: Array, what: str) -> npt.NDArray[np.int64]:
    """As int64.

    Raises:
        DataError: there are fractions; names ``what``.
    """
    with np.errstate(invalid="ignore"):
        whole = array.astype(np.int64)
    if not np.array_equal(whole, array):
        raise DataError(f"{what}: expected whole numbers, found {array[whole != array][0]}.")
    return whole


def _read_numbers(path: Path) -> Array:
    """A table of numbers with or without a header."""
    lines = _lines(path)
    separator = _separator(lines[0])
    header = not all(_is_number(cell) for cell in lines[0].split(separator))
    if len(lines) == header:
        raise DataError(f"{path} is empty.")
    with readable(path, "a table of numbers"):
        table = np.loadtxt(lines[header:], delimiter=separator, ndmin=2, comments=None)
    check_array(table, NUMBERS, str(path))
    first = table[:, 0] - np.arange(len(table))
    counts = first[0] in (0, 1) and (first == first[0]).all() and table.shape[1] > 1
    if counts and len(table) >= SURELY_COUNTS:
        raise DataError(f"{path}: the first column merely counts the lines.", "Leave it out.")
    return table


def _with_values(array: Array, path: Path) -> Array:
    if not array.size:
        raise DataError(f"{path} holds an empty array, {array.shape}.")
    return array


def _only_column(path: Path, key: str) -> Array:
    arrays = read_npz(path)
    if key in arrays:
        return arrays[key]
    columns = [name for name, array in arrays.items() if array.ndim == 1]
    if len(columns) != 1:
        raise DataError(
            f"{path} holds no {key!r}, and {len(columns)} arrays with one axis.",
            f"Name the array {key}.",
        )
    return arrays[columns[0]]


def _lines(path: Path) -> list[str]:
    with readable(path, "text in UTF-8"):
        text = existing(path).read_text(encoding="utf-8-sig")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{path} is empty.")
    return lines


def _separator(line: str) -> str | None:
    """The first of tab, semicolon and comma that is there; None is any run of blanks."""
    return next((mark for mark in "\t;," if mark in line), None)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _unknown_kind(path: Path, *known: str) -> DataError:
    return DataError(f"{path}: expected a file that ends in {', '.join(known)}.")
