"""Vectors of phrases, made of those of their words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlzoo.data.word_vectors import Vectors
from mlzoo.errors import DataError, did_you_mean


def unit_rows(vectors: npt.NDArray[np.floating], names: Sequence[str], what: str) -> Vectors:
    """Rows divided by their length: float32 [C, E].

    Args:
        vectors: [C, E].
        names: what each row belongs to, for the message.
        what: where they are from, for the message.

    Raises:
        DataError: a row is zero or not finite.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    bad = ~(np.isfinite(lengths) & (lengths > 0))
    if bad.any():
        row = int(bad.argmax())
        kind = "is zero" if lengths[row] == 0 else "has values that are not finite"
        raise DataError(f"{what}: the word vector of {names[row]!r} {kind}.")
    unit: Vectors = (rows / lengths[:, None]).astype(np.float32)
    return unit


def words_of(phrase: str) -> list[tuple[str, ...]]:
    """The words of a phrase in lower case; each with its parts, if it is put together.

    ``"Sprenger's tulip"`` has ``("sprenger's", "sprenger", "'s")`` and ``("tulip",)``: where the whole
    has no vector its parts may.
    """
    found: list[tuple[str, ...]] = []
    for word in re.split(r"[\s,;:/()\[\]\"&!?]+", phrase.lower()):
        word = word.strip(".")
        if not word:
            continue
        parts = [part for part in re.split(r"-|\.|(?='s$)|'(?!s$)", word) if part]
        found.append((word, *parts) if parts != [word] else (word,))
    return found


@dataclass(frozen=True, eq=False)
class PhraseVectors:
    """Vectors of phrases, each the mean of the vectors of its words.

    Attributes:
        vectors: float32 [C, E] with rows of length 1.
        missing: by phrase, its words that have no vector.
        unknown: phrases of which no word has one; their row is the mean of all others.
    """

    vectors: Vectors
    missing: Mapping[str, tuple[str, ...]]
    unknown: tuple[str, ...]


def needed_words(phrases: Iterable[str]) -> set[str]:
    """All words whose vectors :func:`phrase_vectors` may ask for: wholes, and parts of them."""
    phrases = list(phrases)
    parts = {part for phrase in phrases for word in words_of(phrase) for part in word}
    return parts | {phrase.lower() for phrase in phrases} | set(phrases)


def phrase_vectors(
    phrases: Sequence[str], words: Mapping[str, Vectors], source: Path, *, complete: bool = False
) -> PhraseVectors:
    """The vectors of phrases.

    A phrase that has a vector as it stands (or in lower case) keeps that; another one gets the mean of
    its words' vectors.

    Args:
        phrases: C of them.
        words: vectors by word, see :func:`needed_words`.
        source: of the words, for messages.
        complete: refuse a phrase of which no word is known.

    Raises:
        DataError: no phrase is known, or with ``complete`` one of them is not.
    """
    rows: list[Vectors | None] = []
    missing: dict[str, tuple[str, ...]] = {}
    for phrase in phrases:
        row, lacking = _mean(phrase, words)
        rows.append(row)
        if lacking:
            missing[phrase] = lacking
    known = [row for row in rows if row is not None]
    unknown = tuple(phrase for phrase, row in zip(phrases, rows, strict=True) if row is None)
    if unknown and (complete or not known):
        others = f" and of {len(unknown) - 1} others" if unknown[1:] else ""
        hint = did_you_mean(unknown[0], words) if 0 < len(words) < 1000 else ""
        raise DataError(f"{source} has no vector of {unknown[0]!r}{others}.", hint)
    mean = np.mean([row / np.linalg.norm(row) for row in known], axis=0)
    filled = np.stack([mean if row is None else row for row in rows])
    return PhraseVectors(unit_rows(filled, phrases, str(source)), missing, unknown)


def _mean(phrase: str, words: Mapping[str, Vectors]) -> tuple[Vectors | None, tuple[str, ...]]:
    """The vector of a phrase, and its words that have none."""
    for whole in (phrase, phrase.lower()):
        if whole in words and words[whole].any():
            return words[whole], ()
    found: list[Vectors] = []
    lacking: list[str] = []
    for word, *parts in words_of(phrase):
        if word in words:
            found.append(words[word])
            continue
        known = [words[part] for part in parts if part in words]
        found += known
        if len(known) < max(1, len(parts)):
            lacking.append(word)
    mean = np.mean(found, axis=0) if found else None
    return (mean if mean is not None and mean.any() else None), tuple(lacking)
