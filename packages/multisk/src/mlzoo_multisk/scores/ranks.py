"""The rank of the right candidate for every query, by counting instead of sorting.

With s the similarity of the right candidate, its rank is the number of candidates above s; of e candidates
that have exactly s (itself included) the order is open, and the mean over all orders is

    rank = #{above s} + (e - 1) / 2

from 0. Two comparisons a number give both counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError, NonFiniteError
from mlzoo_multisk.clips import Floats, Index

Ranks: TypeAlias = npt.NDArray[np.float64]
Ties: TypeAlias = Literal["mean", "best"]

ENTRIES = 2**27
"""Similarities that are held at a time: half a gigabyte."""
_CACHED = 2**18
"""Comparisons at a time, which fit into a cache."""
_MOST = 255
"""Truth values that can be added up in a byte."""
_PREFIX = 16
"""Numbers of a row that tell most rows apart."""


def ranks(similarities: npt.NDArray[Any], *, ties: Ties = "mean") -> Ranks:
    """Ranks of the diagonal's candidates.

    Args:
        similarities: floating point [n, n], queries by candidates; the i-th belong together. A transposed
            view is read in its own order, without a copy.
        ties: ``mean`` over all orders of equals, or ``best``, the right candidate first among them.

    Returns:
        float64 [n], from 0.

    Raises:
        DataError: the matrix is not square.
        NonFiniteError: it holds NaN.
    """
    if similarities.ndim != 2 or similarities.shape[0] != similarities.shape[1]:
        raise DataError(f"similarities must be [n, n], got {list(similarities.shape)}.")
    own = np.ascontiguousarray(similarities.diagonal())
    by_columns = similarities.flags.f_contiguous and not similarities.flags.c_contiguous
    count = _down_columns if by_columns else _along_rows
    return _ranks_of_counts(*count(similarities.T if by_columns else similarities, own), ties)


def ranks_of_embeddings(
    queries: Floats, candidates: Floats, *, ties: Ties = "mean", entries: int = ENTRIES
) -> Ranks:
    """Ranks by the dot products of embeddings, a block of queries at a time.

    Args:
        queries: float32 [n, P].
        candidates: float32 [n, P]; the i-th belong together.
        ties: as in :func:`ranks`.
        entries: similarities that are held at once.

    Returns:
        float64 [n], from 0.

    Raises:
        DataError: the shapes differ.
        NonFiniteError: an embedding holds NaN.
    """
    _require_alike(queries, candidates)
    found = np.empty(len(queries))
    for part, block in similarity_blocks(queries, candidates, entries):
        own = block[np.arange(len(block)), np.arange(part.start, part.stop)]
        found[part] = _ranks_of_counts(*_along_rows(block, own), ties)
    return found


def ranks_both_ways(
    one: Floats, other: Floats, *, ties: Ties = "mean", entries: int = ENTRIES
) -> tuple[Ranks, Ranks]:
    """Ranks of ``other`` for the queries ``one``, and the other way round. One matrix product serves both,
    unless it has more than ``entries`` numbers. Arguments and errors as in :func:`ranks_of_embeddings`."""
    _require_alike(one, other)
    if len(one) ** 2 > entries:
        forth = ranks_of_embeddings(one, other, ties=ties, entries=entries)
        return forth, ranks_of_embeddings(other, one, ties=ties, entries=entries)
    for _, whole in similarity_blocks(one, other, entries):
        return ranks(whole, ties=ties), ranks(whole.T, ties=ties)
    return np.empty(0), np.empty(0)


def nearest(queries: Floats, candidates: Floats, count: int, *, entries: int = ENTRIES) -> Index:
    """int64 [n, count]: places of the most similar candidates, the best first, of equals the earlier.

    Args:
        queries: float32 [n, P].
        candidates: float32 [m, P].
        count: how many; all m if there are fewer.
        entries: similarities that are held at once.
    """
    count = min(count, len(candidates))
    found = np.empty((len(queries), count), dtype=np.int64)
    for part, block in similarity_blocks(queries, candidates, entries):
        rows = np.arange(len(block))
        for place in range(count):
            best = block.argmax(axis=1)
            found[part, place] = best
            block[rows, best] = -np.inf
    return found


def similarity_blocks(
    queries: Floats, candidates: Floats, entries: int = ENTRIES
) -> Iterator[tuple[slice, Floats]]:
    """Dot products [b, m] of some queries with all candidates at a time, and the place of the queries.

    Rows that are equal get equal numbers bit for bit: a matrix product rounds differently from place to
    place, which would break ties at random, so it is made of distinct rows alone.
    """
    kinds, place = _distinct(candidates)
    step = max(1, entries // max(1, len(candidates)))
    for at in range(0, len(queries), step):
        part = slice(at, min(at + step, len(queries)))
        own_kinds, own_place = _distinct(queries[part])
        block = own_kinds @ kinds.T  # [b', m'] of distinct rows
        if own_place is not None:
            block = block[own_place]
        yield part, block if place is None else block[:, place]


def _distinct(rows: Floats) -> tuple[Floats, Index | None]:
    """The distinct ones of rows [n, P], and int64 [n] which of them each is; None if all are distinct."""
    rows = np.ascontiguousarray(rows)
    begins = np.ascontiguousarray(rows[:, :_PREFIX])
    if len({row.tobytes() for row in begins}) == len(rows):
        return rows, None
    seen: dict[bytes, int] = {}
    first: list[int] = []
    place = np.empty(len(rows), dtype=np.int64)
    for number, row in enumerate(rows):
        digest = hashlib.blake2b(row.tobytes(), digest_size=16).digest()
        if digest not in seen:
            seen[digest] = len(first)
            first.append(number)
        place[number] = seen[digest]
    return (rows, None) if len(first) == len(rows) else (rows[first], place)


def _ranks_of_counts(above: Index, not_below: Index, ties: Ties) -> Ranks:
    best = above.astype(np.float64)
    return best if ties == "best" else (best + not_below - 1) / 2


def _along_rows(matrix: npt.NDArray[Any], own: npt.NDArray[Any]) -> tuple[Index, Index]:
    """How many numbers of each row are above its own, and how many are not below.

    Args:
        matrix: [r, m].
        own: [r].
    """
    height, width = matrix.shape
    counts = np.empty((2, height), dtype=np.int64)
    step = max(1, _CACHED // max(1, width))
    compared = np.zeros((min(step, height), -(-width // 8) * 8), dtype=bool)  # whole words
    for at in range(0, height, step):
        block, limit = matrix[at : at + step], own[at : at + step, None]
        _refuse_nan(block)
        held = compared[: len(block)]
        for count, compare in zip(counts, (np.greater, np.greater_equal), strict=True):
            compare(block, limit, out=held[:, :width])
            count[at : at + step] = _true_in_rows(held)
    return counts[0], counts[1]


def _true_in_rows(held: npt.NDArray[np.bool_]) -> Index:
    """int64 [r] of truth values [r, 8w]: eight are added at once, as the bytes of a word."""
    words = held.view(np.uint64)
    total = np.zeros(len(held), dtype=np.int64)
    for at in range(0, words.shape[1], _MOST):
        sums = np.add.reduce(words[:, at : at + _MOST], axis=1)  # no byte exceeds 255
        total += sums.view(np.uint8).reshape(len(held), 8).sum(axis=1, dtype=np.int64)
    return total


def _down_columns(matrix: npt.NDArray[Any], own: npt.NDArray[Any]) -> tuple[Index, Index]:
    """As :func:`_along_rows` of the transposed matrix, read in the order of this one."""
    counts = np.zeros((2, matrix.shape[1]), dtype=np.int64)
    step = min(_MOST, max(1, _CACHED // max(1, matrix.shape[1])))
    for at in range(0, len(matrix), step):
        block = matrix[at : at + step]
        _refuse_nan(block)
        for count, compare in zip(counts, (np.greater, np.greater_equal), strict=True):
            count += np.add.reduce(compare(block, own).view(np.uint8), axis=0, dtype=np.uint8)
    return counts[0], counts[1]


def _refuse_nan(block: npt.NDArray[Any]) -> None:
    if block.size and np.isnan(block.min()):
        raise NonFiniteError("similarities hold NaN.")


def _require_alike(one: Floats, other: Floats) -> None:
    if one.ndim != 2 or one.shape != other.shape:
        raise DataError(
            f"embeddings must be [n, P] on both sides, got {list(one.shape)} and {list(other.shape)}."
        )
