"""Sets of images in folders: ``<root>/<set>/img<N>.jpg``, N the number of a frame. Imports no torch."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlzoo.data.image_files import decoded
from mlzoo.data.manifest import sha256_of
from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import Bytes, Index
from mlzoo_imagecode.images.preprocess import square_of

READ_WHOLE = 100
"""Files whose content the digest looks at, spread evenly over all."""

SHOWN = 12
"""Names of files that an error lists."""

_FRAME = re.compile(r"img([0-9]{1,9})\.jpg")
_PICTURE = (".jpg", ".jpeg")


def frames_of(folder: Path, count: int = 10) -> list[tuple[int, Path]]:
    """Numbers and files of a set, in the order of the numbers: position 0 has the lowest.

    Files that are no jpg do not matter, nor hidden ones; a jpg that is not named ``img<N>.jpg`` does.

    Args:
        folder: of one set.
        count: how many images it must hold.

    Raises:
        DataError: there are not exactly ``count``, or a jpg has another name; lists what is there.
    """
    found: list[tuple[int, str]] = []
    others: list[str] = []
    try:
        with os.scandir(folder) as entries:
            names = [each.name for each in entries if not each.name.startswith(".")]
    except OSError as error:
        raise DataError(
            f"{folder} cannot be read: {error.strerror or error}.", "Unpack its archive again."
        ) from error
    for name in names:
        if match := _FRAME.fullmatch(name):
            found.append((int(match[1]), name))
        elif name.lower().endswith(_PICTURE):
            others.append(name)
    found.sort()
    numbers = {number for number, _ in found}
    if len(found) != count or len(numbers) != count or others:
        raise DataError(
            f"{folder} must hold exactly {count} images img<N>.jpg of different numbers; "
            f"there are {len(found)}{_listed([name for _, name in found] + sorted(others))}.",
            "Unpack its archive again, or take out what does not belong there.",
        )
    return [(number, folder / name) for number, name in found]


def _listed(names: Sequence[str]) -> str:
    if not names:
        return ""
    rest = len(names) - SHOWN
    return f" ({', '.join(names[:SHOWN])}{f' and {rest} others' if rest > 0 else ''})"


class JpgImages:
    """Images in files; see :class:`mlzoo_imagecode.contextual.Images`. They are opened when they are used.

    Args:
        root: a folder.
        names: of the files below it, ``<set>/img3.jpg``.
    """

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self.root = root
        self._names = tuple(names)
        self._digest = ""

    @property
    def names(self) -> Sequence[str]:
        """Of the files, below the folder."""
        return self._names

    def __len__(self) -> int:
        return len(self._names)

    def paths(self, rows: Index) -> list[str]:
        """Files of some of the images."""
        return [os.path.join(self.root, self._names[row]) for row in rows.tolist()]

    def crops(self, rows: Index, size: int, *, fast: bool = False) -> Bytes:
        """uint8 [n, size, size, 3]: each file is decoded, resized and cut.

        Raises:
            DataError: a file is missing or damaged; names it.
        """
        return read_crops(self.paths(rows), size, fast=fast)

    def digest(self) -> str:
        """SHA-256 of the names and sizes of all files and the content of :data:`READ_WHOLE` of them.

        Of few images that is all there is. Of many it does not see a change of a single file that keeps
        its size; the times of files do not count, so that a copy has the digest of its original. It is
        computed once.

        Raises:
            DataError: a file is missing; names it.
        """
        if not self._digest:
            digest = hashlib.sha256()
            paths = self.paths(np.arange(len(self)))
            sampled = {round(row) for row in np.linspace(0, len(self) - 1, READ_WHOLE)}
            for row, (name, path) in enumerate(zip(self._names, paths, strict=True)):
                try:
                    facts = f"{name}\0{os.stat(path).st_size}\0"
                    if row in sampled:
                        facts += sha256_of(Path(path))
                except OSError as error:
                    raise DataError(
                        f"{path} cannot be read: {error.strerror or error}.",
                        "Unpack its archive again.",
                    ) from error
                digest.update(facts.encode("utf-8", "surrogateescape"))
            self._digest = digest.hexdigest()
        return self._digest


def read_crops(paths: Sequence[str], size: int, *, fast: bool) -> Bytes:
    """Squares of image files, uint8 [n, size, size, 3].

    Raises:
        DataError: a file is missing or damaged; names it.
    """
    crops = np.empty((len(paths), size, size, 3), np.uint8)
    for row, path in enumerate(paths):
        try:
            with decoded(Path(path)) as image:
                crops[row] = square_of(image, size, fast=fast)
        except ValueError as error:
            raise DataError(
                f"{path} is no image that can be read: {error}.", "Put a whole copy in its place."
            ) from error
    return crops
