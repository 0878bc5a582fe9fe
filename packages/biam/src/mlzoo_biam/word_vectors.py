"""Vectors of words and of phrases: GloVe's text files, of which only the words needed are kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import ArraySpec, check_array, existing, readable
from mlzoo.data.readers import read_npz
from mlzoo.errors import DataError, did_you_mean

Vectors = npt.NDArray[np.float32]

MAX_LINE = 1 << 20
"""Bytes of a line; 300 numbers take some 3000."""


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


def read_text_vectors(path: Path, wanted: Iterable[str]) -> dict[str, Vectors]:
    """The vectors of some words of a text file: a word and its numbers a line, as GloVe is published.

    The file is read line by line and only what is wanted is kept. A first line with two whole numbers,
    as word2vec writes it, is passed over. Of a word that stands twice the first line counts.

    Args:
        path: UTF-8 text.
        wanted: the words.

    Raises:
        DataError: missing, not such a file, lines of different widths, or a value of a wanted word
            that is no finite number.
    """
    kept = {word.encode(): word for word in wanted}
    found: dict[str, Vectors] = {}
    width = 0
    with readable(existing(path), "a text file of word vectors"), path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), 1):
            line = line.rstrip()
            blanks = line.count(b" ")
            if number == 1 and blanks == 1 and line.replace(b" ", b"").isdigit():
                continue
            width = width or blanks
            if blanks < width or not width:
                raise DataError(
                    f"{path}, line {number}: expected a word and {width or 'its'} numbers, "
                    f"found {blanks}."
                )
            # Some published words hold blanks: what stands before the numbers is the word.
            word = line.rsplit(b" ", width)[0] if blanks > width else line.partition(b" ")[0]
            text = kept.get(word)
            if text is not None and text not in found:
                found[text] = _parsed(line.rsplit(b" ", width)[1:], f"{path}, line {number}")
    if not width:
        raise DataError(f"{path} is empty.")
    return found


def _parsed(numbers: Sequence[bytes], where: str) -> Vectors:
    try:
        vector = np.array([float(number) for number in numbers], dtype=np.float32)
    except ValueError as error:
        raise DataError(f"{where}: {error}.") from error
    if not np.isfinite(vector).all():
        raise DataError(f"{where}: a value is not finite.")
    return vector


def read_vectors(path: Path, wanted: Iterable[str]) -> dict[str, Vectors]:
    """The same of a text file, or of an .npz with the arrays ``words`` [n] and ``vectors`` [n, E].

    Raises:
        DataError: as :func:`read_text_vectors`, or the two arrays do not fit, or a word stands twice.
    """
    if path.suffix != ".npz":
        return read_text_vectors(path, wanted)
    specs = {"words": ArraySpec(ndim=1, kinds="U"), "vectors": ArraySpec(ndim=2, kinds="f")}
    arrays = read_npz(path, specs)
    words, vectors = arrays["words"].tolist(), arrays["vectors"].astype(np.float32)
    if len(words) != len(vectors):
        raise DataError(f"{path}: {len(words)} words and {len(vectors)} vectors.")
    check_array(vectors, ArraySpec(shape=(None, None)), f"{path}: vectors")
    place = {word: row for row, word in enumerate(words)}
    if len(place) < len(words):
        twice = next(word for row, word in enumerate(words) if place[word] != row)
        raise DataError(f"{path}: the word {twice!r} stands twice.")
    return {word: vectors[place[word]] for word in wanted if word in place}


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
