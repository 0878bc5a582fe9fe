"""Vectors of words from files as they are published, of which only the words needed are kept.

Layouts: word2vec's ``.bin`` (a line ``N E``; then N times a word, a blank and E little-endian float32,
perhaps a line feed), text with a word and its numbers a line (GloVe's, or word2vec's with a line ``N E``
before), and ``.npz`` with the arrays ``words`` [n] and ``vectors`` [n, E].
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import AGAIN, ArraySpec, existing, readable
from mlzoo.data.readers import read_npz
from mlzoo.errors import DataError
from mlzoo.files import atomic_write

Vectors = npt.NDArray[np.float32]

MAX_LINE = 1 << 20
"""Bytes of a line of text; 300 numbers take some 3000."""
MAX_WORD = 1 << 12
"""Bytes of a word in a binary file; published phrases take up to some 100."""
_CHUNK = 1 << 20  # bytes of a binary file that are held at once
_MAX_HEADER = 64


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Words with a vector each.

    Attributes:
        words: n different ones, in the order of the file.
        vectors: float32 [n, E], finite.
    """

    words: tuple[str, ...]
    vectors: Vectors

    def by_word(self) -> dict[str, Vectors]:
        """The vector [E] of each word."""
        return dict(zip(self.words, self.vectors, strict=True))


def read_vectors(path: Path, wanted: Collection[str] | None = None) -> WordVectors:
    """The vectors of some words, or of all.

    Text and binary files are read from front to end, a piece at a time, whatever their size; of a word
    that stands twice in one the first place counts.

    Args:
        path: ``.bin``, ``.npz``, or else UTF-8 text.
        wanted: the words; those that the file lacks are left out. None takes all.

    Raises:
        DataError: missing, damaged or cut short, not what its name says, or a vector that is kept has
            a value that is not finite; of an ``.npz`` also if a word stands twice.
    """
    path = existing(path)
    if path.suffix == ".npz":
        return _of_arrays(path, wanted)
    with readable(path, "a file of word vectors"), path.open("rb") as file:
        if path.suffix == ".bin":
            return _kept(path, _binary_rows(path, file, wanted))
        return _kept(path, _text_rows(path, file, wanted))


def _kept(path: Path, rows: Iterator[tuple[str, Vectors, str]]) -> WordVectors:
    """Of rows (word, vector, where it stands) the first of each word."""
    found: dict[str, Vectors] = {}
    for word, vector, where in rows:
        if word not in found:
            if not np.isfinite(vector).all():
                raise DataError(f"{where} ({word!r}): a value is not finite.")
            found[word] = vector
    vectors = np.stack(list(found.values())) if found else np.zeros((0, 0), np.float32)
    return WordVectors(tuple(found), vectors)


def _wanted(wanted: Collection[str] | None) -> dict[bytes, str] | None:
    return None if wanted is None else {word.encode(): word for word in wanted}


def _text_rows(
    path: Path, file: IO[bytes], wanted: Collection[str] | None
) -> Iterator[tuple[str, Vectors, str]]:
    """Words of a text file with their vectors. A first line of two whole numbers tells N and E."""
    kept = _wanted(wanted)
    declared = width = rows = 0
    for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), 1):
        line = line.rstrip()
        blanks = line.count(b" ")
        if number == 1 and blanks == 1 and line.replace(b" ", b"").isdigit():
            declared, width = (int(part) for part in line.split())
            continue
        width = width or blanks
        if blanks < width or not width:
            raise DataError(
                f"{path}, line {number}: expected a word and {width or 'its'} numbers, "
                f"found {blanks}."
            )
        rows += 1
        # Some published words hold blanks: what stands before the numbers is the word.
        word = line.rsplit(b" ", width)[0] if blanks > width else line.partition(b" ")[0]
        text = word.decode("utf-8", "replace") if kept is None else kept.get(word)
        if text is not None:
            where = f"{path}, line {number}"
            yield text, _parsed(line.rsplit(b" ", width)[1:], where), where
    if not rows:
        raise DataError(f"{path} is empty.")
    if rows < declared:
        raise DataError(f"{path} ends after {rows} of {declared} words.", AGAIN)


def _parsed(numbers: Sequence[bytes], where: str) -> Vectors:
    try:
        return np.array([float(number) for number in numbers], dtype=np.float32)
    except ValueError as error:
        raise DataError(f"{where}: {error}.") from error


def _binary_rows(
    path: Path, file: IO[bytes], wanted: Collection[str] | None
) -> Iterator[tuple[str, Vectors, str]]:
    """Words of a binary file with their vectors."""
    kept = _wanted(wanted)
    count, width = _header(path, file)
    size, buffer, place = 4 * width, b"", 0
    for number in range(1, count + 1):
        while True:
            end = buffer.find(b" ", place)
            if end < 0 and len(buffer) - place > MAX_WORD:
                raise DataError(f"{path}: word {number} of {count} does not end.", AGAIN)
            if end >= 0 and end + 1 + size <= len(buffer):
                break
            more = file.read(max(_CHUNK, size))
            if not more:
                raise DataError(f"{path} ends in word {number} of {count}.", AGAIN)
            buffer, place = buffer[place:] + more, 0
        word = buffer[place:end].lstrip(b"\n")  # some writers end a vector with a line feed
        text = word.decode("utf-8", "replace") if kept is None else kept.get(word)
        if text is not None:
            vector = np.frombuffer(buffer, "<f4", width, end + 1).astype(np.float32)
            yield text, vector, f"{path}, word {number}"
        place = end + 1 + size
    if (buffer[place:] + file.read(2)).strip(b"\n"):
        raise DataError(f"{path} goes on after the {count} words that it declares.", AGAIN)


def _header(path: Path, file: IO[bytes]) -> tuple[int, int]:
    """N and E, held against the bytes that are there."""
    line = file.readline(_MAX_HEADER)
    parts = line.split()
    if not line.endswith(b"\n") or len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise DataError(
            f"{path} does not begin with a line of two numbers, as word2vec's binary files do.",
            "Give a text file another suffix than .bin; unpack a packed one.",
        )
    count, width = (int(part) for part in parts)
    there = path.stat().st_size - len(line)
    if not count or not width or count * (4 * width + 1) > there:
        raise DataError(
            f"{path} declares {count} words of {width} numbers and holds {there} bytes of them.",
            AGAIN,
        )
    return count, width


def _of_arrays(path: Path, wanted: Collection[str] | None) -> WordVectors:
    specs = {"words": ArraySpec(ndim=1, kinds="U"), "vectors": ArraySpec(ndim=2, kinds="f")}
    arrays = read_npz(path, specs)
    words, vectors = arrays["words"].tolist(), arrays["vectors"].astype(np.float32)
    if len(words) != len(vectors):
        raise DataError(f"{path}: {len(words)} words and {len(vectors)} vectors.")
    place = {word: row for row, word in enumerate(words)}
    if len(place) < len(words):
        twice = next(word for row, word in enumerate(words) if place[word] != row)
        raise DataError(f"{path}: the word {twice!r} stands twice.")
    if wanted is None:
        return WordVectors(tuple(words), vectors)
    rows = sorted(place[word] for word in set(wanted) if word in place)
    return WordVectors(tuple(words[row] for row in rows), vectors[rows])


def write_binary_vectors(path: Path, words: Sequence[str], vectors: Vectors) -> None:
    """Write word2vec's ``.bin``.

    Args:
        path: of the file.
        words: n, without blanks.
        vectors: float32 [n, E].

    Raises:
        DataError: not as many words as vectors, or a word that is empty or holds a blank or line feed.
        RunError: it cannot be written.
    """
    if len(words) != len(vectors):
        raise DataError(f"{len(words)} words and {len(vectors)} vectors.")
    bad = [word for word in words if not word or " " in word or "\n" in word]
    if bad:
        raise DataError(f"the word {bad[0]!r} cannot stand in a file of word vectors.")
    with atomic_write(path) as file:
        file.write(b"%d %d\n" % vectors.shape)
        for word, vector in zip(words, vectors.astype("<f4"), strict=True):
            file.write(word.encode() + b" " + vector.tobytes() + b"\n")
