"""Which images there are and of which class: from folders named like classes, or from a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlzoo.errors import DataError, UsageError, did_you_mean
from mlzoo_tfvaegan.user_files import numbers_or_names, read_names, read_table, require_distinct
from mlzoo_tfvaegan.zero_shot import Index

SUFFIXES = (
    ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ImageList:
    """Images before any of them is opened.

    Attributes:
        files: n paths below the folder of images, with ``/``.
        label: int64 [n], class ids from 0.
        class_names: of all classes, by id; None where the table has numbers alone.
        other: files in the folders of classes that are no images by name.
    """

    files: list[str]
    label: Index
    class_names: list[str] | None
    other: int = 0

    def ordered(self, order: Path) -> ImageList:
        """Those that a file names, in its order.

        Raises:
            DataError: it names an image that is not there, or one twice.
        """
        wanted = read_names(order)
        place = {file: row for row, file in enumerate(self.files)}
        require_distinct(wanted, order)
        if unknown := [file for file in wanted if file not in place]:
            raise DataError(
                f"{order} names {unknown[0]}, which is no image here.",
                did_you_mean(unknown[0], place),
            )
        return self.taken(np.array([place[file] for file in wanted], dtype=np.int64))

    def taken(self, rows: Index) -> ImageList:
        """Some of them."""
        return replace(self, files=[self.files[row] for row in rows], label=self.label[rows])


def list_images(
    folder: Path, table: Path | None, class_names: Path | None, label_base: int | None
) -> ImageList:
    """The images of a folder.

    Args:
        folder: ``<class>/<file>``, files at any depth below a class; names that begin with a dot are
            not looked at. With a table, any folder.
        table: columns ``file`` and ``label``, names or numbers of classes.
        class_names: names by class id; without it the names that occur, sorted.
        label_base: 0 or 1, where numbers of classes begin.

    Raises:
        DataError: no folder, no image, an image outside the classes or twice, a class unknown.
        UsageError: numbers that may begin at 0 or at 1.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder.", "Name the folder of images with --images.")
    names = read_names(class_names) if class_names is not None else None
    if table is not None:
        return _of_table(table, names, label_base)
    return _of_folders(folder, names)


def _of_folders(folder: Path, names: list[str] | None) -> ImageList:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    loose = [entry.name for entry in entries if entry.suffix.lower() in SUFFIXES]
    classes = [entry for entry in entries if entry.is_dir()]
    if loose := [name for name in loose if not (folder / name).is_dir()]:
        raise DataError(
            f"{folder}: the image {loose[0]} is in no class; expected <class>/<file>.",
            "Sort the images into folders, or give --labels TABLE with the columns file and label.",
        )
    if not classes:
        raise DataError(f"{folder} has no folders of classes.", "Expected <class>/<file>.")
    files: list[str] = []
    class_of: list[str] = []
    other = 0
    for each in classes:
        visible = [path for path in sorted(each.rglob("*")) if _is_visible(path, each)]
        own = [path for path in visible if path.suffix.lower() in SUFFIXES]
        if not own:
            raise DataError(f"{each} holds no image.", f"Known endings: {', '.join(SUFFIXES)}.")
        other += len(visible) - len(own)
        files += [path.relative_to(folder).as_posix() for path in own]
        class_of += [each.name] * len(own)
    known = names if names is not None else [each.name for each in classes]
    return ImageList(files, _ids(class_of, known, folder), known, other)


def _is_visible(path: Path, below: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(below).parts)
    return path.is_file() and not hidden


def _of_table(table: Path, names: list[str] | None, label_base: int | None) -> ImageList:
    head, *rows = read_table(table)
    if not {"file", "label"} <= set(head):
        raise DataError(
            f"{table} needs the columns file and label, found {', '.join(head)}.",
            "Its first line: file,label",
        )
    files = [row[head.index("file")] for row in rows]
    if not files:
        raise DataError(f"{table} names no image.")
    require_distinct(files, table)
    labels = numbers_or_names([row[head.index("label")] for row in rows])
    if isinstance(labels, list):
        known = names if names is not None else sorted(set(labels))
        return ImageList(files, _ids(labels, known, table), known)
    base = _base(labels, names, label_base, table)
    last = int(labels.max()) - base
    if labels.min() < base or (names is not None and last >= len(names)):
        expected = f"{base} to {len(names) - 1 + base}" if names is not None else f"from {base}"
        found = f"{labels.min()} to {labels.max()}"
        raise DataError(f"{table}: expected labels {expected}, found {found}.")
    return ImageList(files, labels - base, names)


def _base(labels: Index, names: list[str] | None, given: int | None, table: Path) -> int:
    if given is not None:
        return given
    if labels.min() == 0:
        return 0
    if names is not None and labels.max() == len(names):
        return 1
    raise UsageError(
        f"{table}: the labels {labels.min()} to {labels.max()} may count from 0 or from 1.",
        "Say which: --label-base 0 or --label-base 1.",
    )


def _ids(class_of: Sequence[str], known: Sequence[str], where: Path) -> Index:
    number = {name: i for i, name in enumerate(known)}
    unknown = next((name for name in class_of if name not in number), None)
    if unknown is not None:
        raise DataError(
            f"{where}: the class {unknown!r} is not among the class names.",
            did_you_mean(unknown, known),
        )
    return np.array([number[name] for name in class_of], dtype=np.int64)
