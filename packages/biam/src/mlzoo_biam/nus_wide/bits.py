"""Text files of 0 and 1 from NUS-WIDE's official archive: one value a line, or one image a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import existing, readable
from mlzoo.errors import DataError
from mlzoo_biam.multilabel import Index

Bits = npt.NDArray[np.uint8]

CORRUPT = 2
"""Among bits: neither 0 nor 1."""
MOST_CORRUPT = 10
"""Values of a file; with more of them it is no file of 0 and 1."""
CHUNK_BYTES = 1 << 24
_BLANKS = b" \t\r"


def read_column(path: Path, count: int) -> Bits:
    """uint8 [count] of 0, 1 and, for a few damaged values, CORRUPT: one value a line.

    Raises:
        DataError: another number of lines, or a file of other values.
    """
    existing(path)
    with readable(path, "a column of labels"):
        values = path.read_bytes().split()
    if len(values) != count:
        raise DataError(f"{path} has {len(values)} labels for {count} images.")
    bits = np.full(count, CORRUPT, dtype=np.uint8)
    for value in (0, 1):
        bits[np.array(values) == b"%d" % value] = value
    damaged = np.flatnonzero(bits == CORRUPT)
    if len(damaged) > MOST_CORRUPT:
        raise _no_bits(path, int(damaged[0]), values[damaged[0]])
    return bits


def read_bits(path: Path, width: int, count: int, rows: Index | None) -> Bits:
    """A table of 0 and 1, blanks between them, one image a line.

    Args:
        path: read in pieces; the table of all images has half a gigabyte.
        width: values in a line.
        count: lines.
        rows: of which lines the values are returned, in this order; None for all.

    Returns:
        uint8 [n, width].

    Raises:
        DataError: another number of lines or of values, or other values.
    """
    existing(path)
    target = np.full(count, -1, dtype=np.int64)  # where a line goes
    wanted = np.arange(count) if rows is None else rows
    target[wanted] = np.arange(len(wanted))
    bits = np.empty((len(wanted), width), dtype=np.uint8)
    done = 0
    with readable(path, "a table of labels"), path.open("rb") as file:
        for piece in _whole_lines(file):
            found = _parsed(path, piece, width, done)
            if done + len(found) > count:
                raise DataError(f"{path} has more lines than the {count} images.")
            places = target[done : done + len(found)]
            bits[places[places >= 0]] = found[places >= 0]
            done += len(found)
    if done != count:
        raise DataError(f"{path} has {done} lines for {count} images.")
    return bits


def _whole_lines(file: IO[bytes]) -> Iterator[bytes]:
    """The file in pieces that end where a line ends."""
    rest = b""
    while piece := file.read(CHUNK_BYTES):
        lines, end, last = (rest + piece).rpartition(b"\n")
        rest = last
        if end:
            yield lines
    if rest:
        yield rest


def _parsed(path: Path, piece: bytes, width: int, done: int) -> Bits:
    """uint8 [lines, width] of some lines; blank lines are left out."""
    lines = [line for line in piece.translate(None, _BLANKS).split(b"\n") if line]
    bits = np.frombuffer(b"".join(lines), np.uint8) - ord("0")
    if any(len(line) != width for line in lines) or (bits > 1).any():
        _refuse_line(path, piece, width, done)
    return bits.reshape(len(lines), width)


def _refuse_line(path: Path, piece: bytes, width: int, done: int) -> None:
    for number, line in enumerate(filter(bytes.strip, piece.split(b"\n")), start=done):
        values = line.split()
        if len(values) != width:
            raise DataError(
                f"{path}: line {number + 1} has {len(values)} values, expected {width}."
            )
        for value in values:
            if value not in (b"0", b"1"):
                raise _no_bits(path, number, value)
    raise DataError(f"{path}: expected 0 and 1 with blanks between them.")


def _no_bits(path: Path, row: int, value: bytes) -> DataError:
    shown = value[:20].decode("ascii", "replace")
    return DataError(f"{path}: line {row + 1} holds {shown!r}, expected 0 and 1.")
