"""The dataset ``images`` as image files and a table of them, ``images.csv``, with the columns

file    the image, relative to the table's folder
label   two different texts; 0 and 1, or sorted: the first becomes 0
split   train, val or test; optional, else a share of each label is drawn for val and test
others  metadata: numbers, or texts of a few groups, which become indicators
"""

from __future__ import annotations

from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.data.manifest import human_size
from mlzoo.errors import DataError, did_you_mean
from mlzoo_mdn.confounded import LABELS, ConfoundedData, ConfoundedSplit, stratified_share
from mlzoo_mdn.dataset_config import ImagesOptions
from mlzoo_mdn.image_files import ImageFormat, read_images
from mlzoo_mdn.table import MetadataColumn, Table, infer_column, read_table

TABLE = "images.csv"
SPLITS = ("train", "val", "test")
NOT_METADATA = ("file", "label", "split")
Rows = dict[str, npt.NDArray[np.int64]]


def load_table(root: Path, options: ImagesOptions) -> ConfoundedData:
    """The images that ``images.csv`` below ``root`` names. The table is checked before any is read.

    Raises:
        DataError: a column, cell or image is missing or unusable; names line or file.
    """
    table = read_table(root / TABLE)
    files = image_names(table)
    _require_distinct(table, files)
    label, label_names = _labels(table)
    rows, origin = _splits(table, label, options)
    _require_both_labels(table, rows, label, label_names)
    columns = _columns(table, rows["train"], options)
    metadata = np.concatenate([column.encode(table) for column in columns], axis=1)  # [N, k]
    form = ImageFormat(options.color, options.image_size)
    order = np.concatenate([rows[split] for split in SPLITS])
    images = read_images(root, [files[row] for row in order], form, str(table.path))
    # Read in the order of the splits, so that each is a part of one array and nothing is copied.
    starts = np.cumsum([len(rows[split]) for split in SPLITS])[:-1]
    train, val, test = (
        ConfoundedSplit(part, label[rows[split]], metadata[rows[split]])
        for split, part in zip(SPLITS, np.split(images, starts), strict=True)
    )
    facts: dict[str, Any] = {
        "labels": {str(number): name for number, name in zip(LABELS, label_names, strict=True)},
        **origin,
        "images": f"{len(files)} files, {human_size(images.nbytes)} in memory",
    }
    for column in columns:
        if column.levels:
            first, *others = column.levels
            facts[f"metadata {column.name}"] = (
                f"indicators of {', '.join(others)}; none of them is {first}"
            )
    return ConfoundedData(
        train=train,
        val=val,
        test=test,
        metadata_names=tuple(name for column in columns for name in column.names),
        facts=facts,
        label_names=label_names,
        columns=columns,
        image_format=form,
    )


def image_names(table: Table) -> list[str]:
    """The column ``file``, whole."""
    table.require_whole("file")
    return table["file"]


def _require_distinct(table: Table, files: list[str]) -> None:
    lines: dict[tuple[str, ...], list[int]] = {}
    for line, file in zip(table.lines, files, strict=True):
        lines.setdefault(PureWindowsPath(file).parts, []).append(line)
    twice = [numbers for numbers in lines.values() if len(numbers) > 1]
    if twice:
        first = files[table.lines.index(twice[0][0])]
        more = f", and {len(twice) - 1} other files again" if len(twice) > 1 else ""
        raise DataError(
            f"{table.path} names {first} in lines {', '.join(map(str, twice[0][:5]))}{more}"
        )


def _labels(table: Table) -> tuple[npt.NDArray[np.int64], tuple[str, str]]:
    """0 or 1 for each row, int64 [N], and what the table calls them."""
    table.require_whole("label")
    cells = table["label"]
    names = sorted(set(cells))
    if len(names) != 2:
        shown = ", ".join(repr(name) for name in names[:5]) + (", ..." if names[5:] else "")
        raise DataError(
            f"{table.path}: column 'label' must hold two different values; found {shown}"
        )
    return np.array([names.index(cell) for cell in cells], dtype=np.int64), (names[0], names[1])


def _splits(
    table: Table, label: npt.NDArray[np.int64], options: ImagesOptions
) -> tuple[Rows, dict[str, str]]:
    """The rows of each split, and where a split comes from that is not in the table."""
    if "split" in table.columns:
        split = _column_split(table)
        origin = {"split": "column split"}
    else:
        split = np.full(len(table), "train")
        origin = {"split": f"drawn by seed {options.split_seed}, as there is no column split"}
    random = np.random.default_rng(options.split_seed)
    shares = {"test": options.test_fraction, "val": options.val_fraction}
    for name in ("test", "val"):
        if (split == name).any():
            continue
        if name == "test" and "split" in table.columns:
            raise DataError(f"{table.path}: no row has the split test")
        rest = np.flatnonzero(split == "train")
        what = f"{table.path}: {name}"
        share = stratified_share(label[rest], shares[name], random, what)
        split[rest[share]] = name
        whole = "" if name == "test" else " of train"
        origin[name] = (
            f"{shares[name]:.4g} of each label{whole}, chosen by seed {options.split_seed}"
        )
    rows: Rows = {name: np.flatnonzero(split == name) for name in SPLITS}
    return rows, origin


def _require_both_labels(
    table: Table, rows: Rows, label: npt.NDArray[np.int64], names: tuple[str, str]
) -> None:
    for split, chosen in rows.items():
        for number, name in zip(LABELS, names, strict=True):
            if number not in label[chosen]:
                raise DataError(
                    f"{table.path}: no row of split {split} has label {name!r}; "
                    "both labels are needed"
                )


def _column_split(table: Table) -> npt.NDArray[np.str_]:
    table.require_whole("split")
    split = np.array([cell.lower() for cell in table["split"]])
    wrong = np.flatnonzero(~np.isin(split, SPLITS))
    if wrong.size:
        found = table["split"][wrong[0]]
        raise DataError(
            f"{table.path}: column 'split' holds {found!r} in {table.where(wrong.tolist())}",
            fix=did_you_mean(found, SPLITS),
        )
    return split


def _columns(
    table: Table, train: npt.NDArray[np.int64], options: ImagesOptions
) -> tuple[MetadataColumn, ...]:
    """The columns of metadata, in the order of the table or of the option."""
    names = options.metadata or [name for name in table.columns if name not in NOT_METADATA]
    if not names:
        raise DataError(
            f"{table.path} has no column of metadata; "
            "expected one beside file, label and split, e.g. age"
        )
    reserved = [name for name in names if name in NOT_METADATA]
    if reserved:
        raise DataError(f"{table.path}: column {reserved[0]!r} cannot be metadata")
    return tuple(infer_column(table, name, train.tolist()) for name in dict.fromkeys(names))
