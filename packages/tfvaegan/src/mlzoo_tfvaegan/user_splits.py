"""Which samples are for training and which for test, from what people have.

.npz          arrays trainval, test_seen, test_unseen of row numbers, and optionally train, val
.csv .tsv .txt  a column ``split``, one line a sample: train, val, trainval, test_seen or
              test_unseen; trainval is then train, val and trainval together
.txt .csv .json  the unseen classes, names or ids: test_unseen is all their samples, test_seen a
              part of every other class, drawn by a seed
.mat          a split file in the benchmark's format
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from mlzoo.data.readers import ArraySpec, read_npz
from mlzoo.errors import DataError, did_you_mean
from mlzoo_tfvaegan.user_files import TEXT, numbers_or_names, read_names, read_table
from mlzoo_tfvaegan.zero_shot import Index

NEEDED = ("trainval", "test_seen", "test_unseen")
VALIDATION = ("train", "val")
TEST_SHARE = 0.2
"""Of the samples of every seen class, where only the unseen classes are named."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Rows:
    """Rows of the features from 0, int64 [n] each."""

    trainval: Index
    test_seen: Index
    test_unseen: Index
    train: Index | None = None
    val: Index | None = None

    def arrays(self) -> dict[str, Index]:
        """Those that are there, by name."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: rows for name, rows in parts.items() if rows is not None}


@dataclass(frozen=True, eq=False)
class Labels:
    """What a split is held against.

    Attributes:
        label: int64 [N], class ids from 0.
        base: 0 or 1, where the user's class ids begin; None if classes are given by name.
        class_names: of all C classes, or None.
        classes: C.
    """

    label: Index
    base: int | None
    class_names: tuple[str, ...] | None
    classes: int

    def name(self, class_id: int) -> str:
        """A class in the words of the user."""
        if self.class_names is not None:
            return self.class_names[class_id]
        return f"class {class_id + (self.base or 0)}"


def read_rows(path: Path, labels: Labels, seed: int) -> tuple[Rows, str]:
    """The split, and how it was read; ``seed`` is that of a test_seen that is to be drawn.

    Raises:
        DataError: missing, damaged, rows out of range, twice or in two parts, a part without rows, a
            class both seen and unseen, or numbers that may count from 0 or from 1.
    """
    if path.suffix == ".npz":
        rows, how = _from_arrays(path, labels)
    elif path.suffix in TEXT and "split" in (table := read_table(path))[0]:
        rows, how = _from_column(path, table, labels), "column split"
    else:
        rows, how = _from_unseen(path, labels, seed)
    check_rows(path, rows, labels)
    return rows, how


def check_rows(path: Path, rows: Rows, labels: Labels) -> None:
    """Raises DataError naming ``path`` where parts are empty, overlap or do not fit the classes."""
    for name, part in rows.arrays().items():
        if not len(part):
            raise DataError(f"{path}: no sample is in {name}.")
        if len(np.unique(part)) < len(part):
            values, counts = np.unique(part, return_counts=True)
            raise DataError(f"{path}: {name} names row {values[counts > 1][0]} (from 0) twice.")
    needed = [(name, rows.arrays()[name]) for name in NEEDED]
    for number, (name, part) in enumerate(needed):
        for other, before in needed[:number]:
            if len(both := np.intersect1d(part, before)):
                raise DataError(f"{path}: row {both[0]} (from 0) is in both {other} and {name}.")
    if problem := _class_problem(rows, labels):
        raise DataError(f"{path}: {problem}.", "Check that split and labels belong together.")


def _class_problem(rows: Rows, labels: Labels) -> str:
    """What is wrong with the classes of the parts; empty if nothing is."""
    seen = np.unique(labels.label[rows.trainval])
    if len(both := np.intersect1d(seen, labels.label[rows.test_unseen])):
        return f"{labels.name(both[0])} is in both trainval and test_unseen"
    if len(other := np.setdiff1d(labels.label[rows.test_seen], seen)):
        return f"{labels.name(other[0])} is in test_seen, but not in trainval"
    return ""


def _from_arrays(path: Path, labels: Labels) -> tuple[Rows, str]:
    """Numbers from 0 or from 1: the reading in which they fit the samples and the classes."""
    spec = ArraySpec(ndim=1, kinds="iu")
    stored = read_npz(path, dict.fromkeys(NEEDED, spec), optional=dict.fromkeys(VALIDATION, spec))
    every, samples = np.concatenate(list(stored.values())).astype(np.int64), len(labels.label)
    if not len(every):
        raise DataError(f"{path}: no sample is in {NEEDED[0]}.")
    in_range = [base for base in (0, 1) if base <= every.min() and every.max() < samples + base]
    if not in_range:
        raise DataError(
            f"{path} names rows {every.min()} to {every.max()}; there are {samples} samples.",
            "Take the split that belongs to these features.",
        )
    readings = {
        base: Rows(**{name: rows.astype(np.int64) - base for name, rows in stored.items()})
        for base in in_range
    }
    fitting = [base for base in in_range if not _class_problem(readings[base], labels)]
    if len(in_range) > 1 and len(fitting) > 1:
        raise DataError(
            f"{path} may count rows from 0 or from 1: both fit {samples} samples and their classes.",
            "Give the split as a table with a column 'split', one line a sample.",
        )
    base = (fitting or in_range)[0]
    return readings[base], f"rows count from {base}"


def _from_column(path: Path, table: list[list[str]], labels: Labels) -> Rows:
    column = table[0].index("split")
    split = np.array([row[column].lower() for row in table[1:]])
    known = (*NEEDED, *VALIDATION)
    wrong = np.flatnonzero(~np.isin(split, known))
    if wrong.size:
        found = table[wrong[0] + 1][column]
        raise DataError(
            f"{path}: column 'split' holds {found!r} for sample {wrong[0] + 1}.",
            did_you_mean(found, known),
        )
    if len(split) != len(labels.label):
        raise DataError(f"{path} has {len(split)} samples; there are {len(labels.label)} labels.")
    parts: Mapping[str, Index] = {name: np.flatnonzero(split == name) for name in known}
    whole = np.flatnonzero(np.isin(split, ("train", "val", "trainval")))
    validation = {n: parts[n] for n in VALIDATION if all(len(parts[m]) for m in VALIDATION)}
    return Rows(**{**{name: parts[name] for name in NEEDED}, "trainval": whole, **validation})


def _from_unseen(path: Path, labels: Labels, seed: int) -> tuple[Rows, str]:
    unseen = _class_ids(path, labels)
    random = np.random.default_rng(seed)
    test = np.zeros(len(labels.label), dtype=bool)
    for class_id in np.setdiff1d(labels.label, unseen):
        own = np.flatnonzero(labels.label == class_id)
        if len(own) < 2:
            raise DataError(
                f"{path}: {labels.name(class_id)} has one sample: none can be held out for test_seen.",
                "Leave the class out, or give the whole split.",
            )
        test[random.permutation(own)[: max(1, round(TEST_SHARE * len(own)))]] = True
    of_unseen = np.isin(labels.label, unseen)
    rows = Rows(
        trainval=np.flatnonzero(~of_unseen & ~test),
        test_seen=np.flatnonzero(test),
        test_unseen=np.flatnonzero(of_unseen),
    )
    return rows, f"test_seen drawn with seed {seed}: {TEST_SHARE:.0%} of every seen class"


def _class_ids(path: Path, labels: Labels) -> Index:
    """The classes that a list names, from 0."""
    names = read_names(path)
    if labels.class_names is not None and set(names) <= set(labels.class_names):
        return np.array([labels.class_names.index(name) for name in names], dtype=np.int64)
    ids = numbers_or_names(names)
    if isinstance(ids, list) or labels.base is None:
        known = labels.class_names or ()
        unknown = next((name for name in names if name not in known), names[0])
        hint = did_you_mean(unknown, known) if known else "Name the classes with --class-names."
        raise DataError(f"{path}: {unknown!r} is no class.", hint)
    ids = ids - labels.base
    if ids.min() < 0 or ids.max() >= labels.classes:
        raise DataError(
            f"{path} names classes {ids.min() + labels.base} to {ids.max() + labels.base}; ids count "
            f"from {labels.base}, as the labels do, and there are {labels.classes}."
        )
    return ids
