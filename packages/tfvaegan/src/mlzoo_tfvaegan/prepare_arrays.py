"""Build the two files of a zero-shot dataset from arrays that people have.

    features     [N, R]: .npy, .npz (array ``features``), or a table of numbers
    labels       one a sample, ids or class names: .npy, .npz (array ``labels``, or the only one with one
                 axis), or text (one a line, or a column ``labels``)
    attributes   [C, A], row c belonging to class id c: .npy, .npz (array ``attributes``), or a table,
                 whose first column may name the classes
    class_names  one a line, in the order of the ids
    splits       see :mod:`mlzoo_tfvaegan.user_splits`; a benchmark's own split file (.mat) brings its
                 class names and, where ``attributes`` are not given, its class embeddings
    image_files  one a line, in the order of the rows of the features
    order        the same names in another order (or some of them): the order of the labels and of the
                 split, into which the features are brought

Nothing is guessed. Rows or columns, counting from 0 or from 1: a reading is taken when it is the only
one that fits; if two fit, the error says what decides. Where the folder of an image file is the name of
a class, its label must be that class.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError, UsageError
from mlzoo.progress import Progress
from mlzoo_tfvaegan.mat_writing import write_features, write_splits
from mlzoo_tfvaegan.user_classes import (
    Classes,
    Raw,
    read_classes,
    read_labels,
    with_rows,
)
from mlzoo_tfvaegan.user_files import read_column, read_matrix, read_names, require_distinct
from mlzoo_tfvaegan.user_splits import Labels, Rows, check_rows, read_rows
from mlzoo_tfvaegan.zero_shot import Index

if TYPE_CHECKING:
    from mlzoo_tfvaegan.mat_files import SplitFile
    from mlzoo_tfvaegan.prepare_config import PrepareOptions

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Samples:
    """Attributes:
    features: [N, R].
    files: the name of every sample, or None.
    """

    features: Array
    files: list[str] | None


def prepare_arrays(
    root: Path, options: PrepareOptions, progress: Progress, samples: Samples | None = None
) -> Mapping[str, object]:
    """Write ``<name>.mat`` and ``<embedding>_splits.mat`` below ``root``, both or neither.

    Args:
        root: the dataset's folder.
        options: which files to read.
        progress: told how each was read.
        samples: in the order of the labels, instead of those that the options name.

    Returns:
        Counts, and how the files were read; the same is told to ``progress``.

    Raises:
        UsageError: an option is missing, or one of the two files is there already.
        DataError: a file is damaged, two do not fit each other, or one can be read in two ways.
        RunError: a file cannot be written.
    """
    targets = (root / f"{options.name}.mat", root / f"{options.embedding}_splits.mat")
    for path in targets:
        if path.exists():
            raise UsageError(f"{path} exists.", "Move it away, or choose another name.")
    label_path, split_path = _given(options, "labels"), _given(options, "splits")
    how: dict[str, str] = {}
    raw = read_column(label_path, "labels")
    benchmark = _read_benchmark(split_path, len(raw))
    classes, how["attributes"] = _read_classes(options, benchmark, raw)
    labels, how["labels"] = read_labels(label_path, raw, classes, options.label_base)
    if samples is None:
        samples, how["features"] = _read_samples(options, len(raw))
    _check_folders(samples.files, labels, label_path)
    if benchmark is None:
        rows, how["split"] = read_rows(split_path, labels, options.split_seed)
    else:
        rows, how["split"] = _rows_of(benchmark, labels), f"that of {split_path.name}"
    for name, reading in how.items():
        progress.message(f"{name}: {reading}")
    _write(targets, samples, labels, classes, rows)
    counts = {name: len(part) for name, part in rows.arrays().items()}
    return {**how, "classes": labels.classes, "samples": counts, "files": [*map(str, targets)]}


def _given(options: PrepareOptions, name: str) -> Path:
    path: Path | None = getattr(options, name)
    if path is None:
        flag = name.replace("_", "-")
        raise UsageError(f"--{flag} is missing.", f"Add --{flag} FILE.")
    return path


def _read_benchmark(path: Path, samples: int) -> SplitFile | None:
    if path.suffix != ".mat":
        return None
    from mlzoo_tfvaegan.mat_files import read_split

    return read_split(path, samples)


def _rows_of(file: SplitFile, labels: Labels) -> Rows:
    rows = Rows(
        trainval=file.split.train,
        test_seen=file.split.test_seen,
        test_unseen=file.split.test_unseen,
        train=file.train,
        val=file.val,
    )
    check_rows(file.path, rows, labels)
    return rows


def _read_classes(
    options: PrepareOptions, benchmark: SplitFile | None, raw: Raw
) -> tuple[Classes, str]:
    if benchmark is None:
        return read_classes(_given(options, "attributes"), options.class_names, None, raw)
    names = benchmark.class_names
    if options.class_names is not None and read_names(options.class_names) != list(names):
        raise DataError(
            f"{options.class_names} differs from the class names of {benchmark.path}, or their order.",
            "Leave --class-names out.",
        )
    if options.attributes is not None:
        return read_classes(options.attributes, None, names, raw)
    shape = " classes x ".join(map(str, benchmark.attributes.shape))
    found = Classes(benchmark.attributes, names, benchmark.original)
    return found, f"{shape}, of {benchmark.path.name}"


def _read_samples(options: PrepareOptions, count: int) -> tuple[Samples, str]:
    """The features in the order of the labels, of which there are ``count``."""
    path = _given(options, "features")
    files = None if options.image_files is None else read_names(options.image_files)
    if files is None and options.order is not None:
        raise UsageError("--order needs --image-files.", "Add --image-files FILE.")
    rows, source = (count, options.labels) if files is None else (len(files), options.image_files)
    fix = "Add a constant feature, so that only the samples have that number."
    matrix = read_matrix(path, "features")
    matrix, way = with_rows(matrix, rows, str(path), f"{rows} samples in {source}", fix)
    if files is not None and options.image_files is not None and options.order is not None:
        files, taken = _reorder(files, options.image_files, options.order)
        matrix, way = matrix[taken], f"{way}, in the order of {options.order.name}"
    if files is not None and len(files) != count:
        source = options.order or options.image_files
        raise DataError(f"{options.labels} has {count} labels; {source} has {len(files)} names.")
    return Samples(matrix, files), f"{matrix.shape[0]} samples x {matrix.shape[1]}, {way}"


def _reorder(files: list[str], files_path: Path, order: Path) -> tuple[list[str], Index]:
    """The names as ``order`` has them, and the place of each in ``files``."""
    wanted = read_names(order)
    require_distinct(files, files_path)
    require_distinct(wanted, order)
    place = {name: row for row, name in enumerate(files)}
    missing = [name for name in wanted if name not in place]
    if missing:
        others = f" and {len(missing) - 1} others" if missing[1:] else ""
        raise DataError(f"{order} names {missing[0]}{others}; {files_path} does not.")
    return wanted, np.array([place[name] for name in wanted], dtype=np.int64)


def _check_folders(files: list[str] | None, labels: Labels, path: Path) -> None:
    """Where a file lies in a folder that is called like a class, that must be its class."""
    ids = {name: number for number, name in enumerate(labels.class_names or ())}
    for row, file in enumerate(files or ()):
        folder = file.replace("\\", "/").rpartition("/")[0].rpartition("/")[2]
        if ids.get(folder, labels.label[row]) != labels.label[row]:
            raise DataError(
                f"{path}: label {row + 1} is {labels.name(labels.label[row])}; the image is {file}.",
                "Give labels in the order of --order, or else of --image-files.",
            )


def _write(
    targets: tuple[Path, Path], samples: Samples, labels: Labels, classes: Classes, rows: Rows
) -> None:
    """Both files aside, then both into place."""
    root = targets[0].parent
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".prepare-", dir=root) as name:
        aside = [Path(name) / path.name for path in targets]
        write_features(
            aside[0], features=samples.features, label=labels.label, image_files=samples.files
        )
        write_splits(
            aside[1],
            attributes=classes.attributes,
            original_attributes=classes.original,
            class_names=classes.names,
            **rows.arrays(),
        )
        for path, target in zip(aside, targets, strict=True):
            os.replace(path, target)
