"""Published region features: an LMDB whose entry ``keys`` lists the other entries, one an image.

Every value is a pickle, which the core's restricted unpickler reads as plain data. The file itself is looked
at, page by page, before the C library maps it into memory: a crafted or truncated one could end the process.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlzoo.data import restricted_pickle
from mlzoo.data.checks import existing
from mlzoo.errors import DataError
from mlzoo_imagecode.cross.regions.records import Record, record_of

KEYS = b"keys"
MOST_BYTES = 1 << 26
"""Of a value: three hundred regions' worth of the published width, two hundred times what there is."""
MOST_KEY_BYTES = 1 << 28
AGAIN = "Fetch the file again."
_LEAK = "-- a leak"
"""What the check says of pages that nobody uses: they matter to writers alone."""


def library(name: str = "lmdb") -> Any:
    """The module ``lmdb``, or one in it.

    Raises:
        DataError: it is not installed, or too old.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DataError(
            f"region features need lmdb 3, which is not installed ({error}).",
            "pip install 'mlzoo-imagecode[regions]'",
        ) from error


class RegionFile:
    """Published regions of many images; made by :func:`opened`.

    Attributes:
        path: a file, or a folder with ``data.mdb``.
        keys: of the images, in the order of the entry ``keys``.
        size: of the file in bytes.
    """

    def __init__(self, path: Path, environment: Any) -> None:
        self.path, self._environment = path, environment
        self.size = data_file(path).stat().st_size
        self.keys = _keys(self._value(KEYS, MOST_KEY_BYTES), path)

    def __len__(self) -> int:
        return len(self.keys)

    def value(self, key: str) -> bytes:
        """An image's entry as it lies there.

        Raises:
            DataError: it is missing or too large.
        """
        return self._value(key.encode(), MOST_BYTES)

    def read(self, key: str, width: int | None = None) -> Record:
        """Regions of an image; threads may read at once.

        Args:
            key: of the image.
            width: F, if it is known.

        Raises:
            DataError: it is missing, is no plain data, or cannot be an image's regions; names file and image.
        """
        what = f"{self.path}: {key!r}"
        return record_of(restricted_pickle.loads(self.value(key), what), what, width)

    def _value(self, key: bytes, most: int) -> bytes:
        name = key.decode()
        try:
            with self._environment.begin(buffers=True) as transaction:
                found = transaction.get(key)
                size = 0 if found is None else len(found)
                content = bytes(found) if 0 < size <= most else b""
        except (library().Error, ValueError) as error:
            raise DataError(f"{self.path}: {name!r} cannot be read: {error}.", AGAIN) from error
        if found is None:
            raise DataError(
                f"{self.path} holds no {name!r}"
                + (": it is no file of regions." if key == KEYS else "."),
                AGAIN,
            )
        if not content:
            raise DataError(
                f"{self.path}: {name!r} has {size:,} bytes; 1 to {most:,} are read.", AGAIN
            )
        return content


@contextmanager
def opened(path: Path) -> Iterator[RegionFile]:
    """Look at a file of regions and at its list of keys.

    Args:
        path: the file, or the folder of ``data.mdb``; only read, also where nobody may write.

    Raises:
        DataError: it is missing or damaged, lmdb is not installed, or its list of keys is missing, empty, no
            plain data, or has a key twice.
    """
    lmdb = library()
    existing(data_file(path))
    _require_whole(path)
    try:
        environment = lmdb.open(
            str(path),
            subdir=path.is_dir(),
            readonly=True,
            create=False,
            lock=False,
            readahead=False,
        )
    except lmdb.Error as error:
        raise DataError(f"{path} is no whole LMDB file: {error}.", AGAIN) from error
    with environment:
        yield RegionFile(path, environment)


def data_file(path: Path) -> Path:
    """The file itself, where a folder is named."""
    return path / "data.mdb" if path.is_dir() else path


def _require_whole(path: Path) -> None:
    """Every page that can be reached is there, is what it should be, and points nowhere else."""
    check = library("lmdb.verify")
    try:
        problems = [each for each in check.verify(str(path)) if _LEAK not in each]
    except Exception as error:  # on a hostile file the check itself may stumble
        raise DataError(f"{path} is no LMDB file: {_line(str(error))}.", AGAIN) from error
    if problems:
        more = f" and {len(problems) - 1} other problems" if len(problems) > 1 else ""
        raise DataError(f"{path} is damaged: {_line(problems[0])}{more}.", AGAIN)


def _line(text: str) -> str:
    return (text.splitlines() or ["unknown"])[0].rstrip(".")


def _keys(content: bytes, path: Path) -> tuple[str, ...]:
    value = restricted_pickle.loads(content, f"{path}: 'keys'")
    if not isinstance(value, list | tuple) or not value:
        raise DataError(f"{path}: 'keys' is no list of images but {type(value).__name__}.", AGAIN)
    keys = tuple(_key(each, path) for each in value)
    _require_unique(keys, path)
    return keys


def _key(value: Any, path: Path) -> str:
    try:
        text = value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        text = None
    if not isinstance(text, str) or not text.isprintable() or not text.strip() or text == "keys":
        raise DataError(f"{path}: 'keys' lists {value!r:.60}, which is no image.", AGAIN)
    return text


def _require_unique(keys: Sequence[str], path: Path) -> None:
    if len(set(keys)) < len(keys):
        twice = Counter(keys).most_common(1)[0][0]
        raise DataError(f"{path}: 'keys' lists {twice!r} twice.", AGAIN)
