"""Labels of NUS-WIDE from the text files of its official archive.

Tags of people, for the 1000 tags of the tag list, one image a line: ``Train_Tags1k.dat`` and
``Test_Tags1k.dat`` in the order of the part's image list, or ``AllTags1k.txt`` in that of
``Imagelist.txt``. Annotated concepts, one value a line: ``Labels_<concept>_Train.txt`` and ``_Test.txt``,
or ``Labels_<concept>.txt`` for all images; or one table of all concepts (:mod:`mlzoo_biam.nus_wide.tables`).
All hold 1 for present and 0 for absent; here they become +1 and -1.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError
from mlzoo_biam.multilabel import Index
from mlzoo_biam.nus_wide.bits import CORRUPT, Bits, read_bits, read_column
from mlzoo_biam.nus_wide.files import Vocabulary, read_image_names
from mlzoo_biam.nus_wide.tables import read_table

Dense = npt.NDArray[np.int8]

PARTS = ("train", "test")


class Archive:
    """Folders whose files are found by name, at any depth and in any case.

    Args:
        folders: looked through in this order; of several files of a name the least deep one counts.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self._files: dict[str, Path] = {}
        for folder in folders:
            for path in sorted(_files(folder), key=lambda path: (len(path.parts), path)):
                self._files.setdefault(path.name.lower(), path)

    def find(self, *names: str) -> Path | None:
        """The first of these files that is there."""
        return next((self._files[n.lower()] for n in names if n.lower() in self._files), None)

    def need(self, *names: str) -> Path:
        """The same; raises DataError if there is none."""
        path = self.find(*names)
        if path is None:
            where = " or ".join(map(str, self.folders))
            raise DataError(
                f"{' or '.join(names)} is not in {where}.",
                "Name the folder of the official text files: --archive DIR",
            )
        return path


def _files(folder: Path) -> Iterator[Path]:
    """All but images, also in linked folders, each of which is looked into once."""
    known: set[str] = set()
    for inner, below, names in os.walk(folder, followlinks=True):
        known.add(os.path.realpath(inner))
        below[:] = [n for n in below if os.path.realpath(os.path.join(inner, n)) not in known]
        yield from (Path(inner, name) for name in names if not name.lower().endswith(".jpg"))


@dataclass(frozen=True, eq=False)
class PartLabels:
    """Labels of the images of one part.

    Attributes:
        names: of the N images.
        dense: int8 [N, C] of -1, 0 and +1, seen tags then concepts; 0 where nothing is known.
        repaired: what was mended on the way, a sentence each.
    """

    names: list[str]
    dense: Dense
    repaired: list[str] = field(default_factory=list)

    def rows_of(self, wanted: Sequence[str], what: str) -> Index:
        """Where other images stand in this part.

        Raises:
            DataError: one has no labels.
        """
        place = {name: row for row, name in enumerate(self.names)}
        missing = [name for name in wanted if name not in place]
        if missing:
            raise DataError(
                f"{what}: {len(missing)} of {len(wanted)} images have no labels, such as {missing[0]!r}."
            )
        return np.array([place[name] for name in wanted], dtype=np.int64)


def known_rows(names: Sequence[str], known: Sequence[str]) -> int:
    """How many of some images are among others."""
    return len(set(names) & set(known))


def name_list(archive: Archive, part: str) -> Path | None:
    """The file that lists a part's images in order: the official list, or the published pickle."""
    return archive.find(*_name_lists(part))


def part_names(archive: Archive, part: str) -> list[str]:
    """Names of a part's images, in order; raises DataError if no file lists them."""
    return read_image_names(archive.need(*_name_lists(part)))


def _name_lists(part: str) -> tuple[str, ...]:
    return (f"{part.title()}Imagelist.txt", {"train": "", "test": "test_"}[part] + "img_names.pkl")


def read_part(archive: Archive, part: str, words: Vocabulary) -> PartLabels:
    """All labels of one part, ``train`` or ``test``.

    Raises:
        DataError: a file is missing, has another number of rows than the image list, or holds other
            values than 0 and 1. A few damaged values of concepts are mended or count as absent, and
            that is told. Seen tags may be missing for test: they are 0 then.
    """
    names = part_names(archive, part)
    all_rows = _AllRows(archive, names)
    repaired: list[str] = []
    dense = np.zeros((len(names), len(words.all_tags)), dtype=np.int8)
    seen = _seen_labels(archive, part, names, all_rows, words)
    if seen is not None:
        dense[:, : words.seen_count] = _signed(seen)
    elif part == "train":
        archive.need("Train_Tags1k.dat", "AllTags1k.txt")
    else:
        repaired.append("seen tags of test are not known: only unseen ones can be scored")
    concepts = _concept_labels(archive, part, names, all_rows, words, repaired)
    dense[:, words.seen_count :] = _signed(concepts)
    return PartLabels(names, dense, repaired)


class _AllRows:
    """Rows of a part's images in ``Imagelist.txt``, read when they are first needed."""

    def __init__(self, archive: Archive, names: list[str]) -> None:
        self.archive, self.names = archive, names
        self._found: tuple[int, Index] | None = None

    def get(self) -> tuple[int, Index]:
        """How many images there are in all, and int64 [N] of which line each of the part is."""
        if self._found is None:
            path = self.archive.need("Imagelist.txt")
            every = read_image_names(path)
            place = {name: row for row, name in enumerate(every)}
            missing = [name for name in self.names if name not in place]
            if missing:
                raise DataError(f"{path} lacks {len(missing)} images, such as {missing[0]!r}.")
            rows = np.array([place[name] for name in self.names], dtype=np.int64)
            self._found = len(every), rows
        return self._found


def _seen_labels(
    archive: Archive, part: str, names: list[str], all_rows: _AllRows, words: Vocabulary
) -> Bits | None:
    """uint8 [N, seen], or None if no file has them."""
    own = archive.find(f"{part}_Tags1k.dat", f"{part}_Tags1k.txt")
    if own is not None:
        return read_bits(own, len(words.tags), len(names), None)[:, words.seen_rows]
    path = archive.find("AllTags1k.txt", "All_Tags1k.txt")
    if path is None:
        return None
    count, rows = all_rows.get()
    return read_bits(path, len(words.tags), count, rows)[:, words.seen_rows]


def _concept_labels(
    archive: Archive,
    part: str,
    names: list[str],
    all_rows: _AllRows,
    words: Vocabulary,
    repaired: list[str],
) -> Bits:
    """uint8 [N, concepts] of 0 and 1."""
    own = [archive.find(f"Labels_{name}_{part}.txt") for name in words.concepts]
    whole = [archive.find(f"Labels_{name}.txt") for name in words.concepts]
    if all(own):
        columns = [read_column(path, len(names)) for path in own if path is not None]
        bits = np.stack(columns, axis=1)
    elif all(whole):
        count, rows = all_rows.get()
        bits = np.stack(
            [read_column(path, count)[rows] for path in whole if path is not None], axis=1
        )
        whole = [None] * len(whole)  # they cannot mend themselves
    else:
        table = archive.find(f"labels_{part}.zip", f"labels_{part}.csv")
        if table is None:
            absent = words.concepts[(own if any(own) else whole).index(None)]
            table = archive.need(f"Labels_{absent}_{part.title()}.txt", f"Labels_{absent}.txt")
        bits = read_table(table, names, words.concepts, repaired)
    _mend(bits, whole, names, all_rows, words, repaired)
    return bits


def _mend(
    bits: Bits,
    whole: Sequence[Path | None],
    names: list[str],
    all_rows: _AllRows,
    words: Vocabulary,
    repaired: list[str],
) -> None:
    """Replace damaged values by those of the files of all images, else by 0."""
    for row, column in np.argwhere(bits == CORRUPT):
        path, value, how = whole[column], 0, "counts as absent"
        if path is not None:
            count, rows = all_rows.get()
            other = int(read_column(path, count)[rows[row]])
            if other != CORRUPT:
                value, how = other, f"is {other} as in {path.name}"
        bits[row, column] = value
        repaired.append(f"the damaged label {words.concepts[column]!r} of {names[row]} {how}")


def _signed(bits: Bits) -> Dense:
    """0 and 1 as -1 and +1."""
    return (bits.astype(np.int8) << 1) - 1
