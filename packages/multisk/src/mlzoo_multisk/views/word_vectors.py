"""The table of the words that a dataset's captions use, from a published file."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from mlzoo.data.checks import existing
from mlzoo.data.word_vectors import read_vectors, write_binary_vectors
from mlzoo.errors import DataError
from mlzoo.files import write_arrays
from mlzoo_multisk.views.text import WordTable, tokenise

NAMES = tuple(f"word_vectors.{suffix}" for suffix in ("bin", "npz", "txt"))
"""How the file is called in a dataset's folder."""


def read_word_vectors(path: Path, only: Collection[str] | None = None) -> WordTable:
    """A table of words from word2vec's ``.bin``, an ``.npz`` (``words``, ``vectors``) or text.

    Args:
        path: of the file; see :func:`mlzoo.data.word_vectors.read_vectors`.
        only: the words in use, see :func:`words_in`; others are not kept. None keeps all.

    Raises:
        DataError: the file is missing or damaged, a vector is not finite, or no word is known.
    """
    found = read_vectors(path, only)
    if not found.words:
        raise DataError(
            f"{path} has no vector of any of the {len(only or ())} words asked for.",
            "Case counts; give a table of the captions' language: --word-vectors FILE",
        )
    return WordTable.of(found.words, found.vectors)


def words_in(captions: Collection[object]) -> set[str]:
    """The different words of captions."""
    return {word for caption in captions for word in tokenise(caption)}


def find_word_vectors(folder: Path, option: Path | None = None) -> Path:
    """The file of word vectors of a dataset.

    Args:
        folder: the dataset's, which may hold one of :data:`NAMES`.
        option: the file that the user names; it goes before.

    Raises:
        DataError: it does not exist, the folder has none, or more than one.
    """
    if option is not None:
        return existing(option)
    found = [folder / name for name in NAMES if (folder / name).exists()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise DataError(f"{folder} holds {names}.", "Keep one, or say which: --word-vectors FILE")
    if not found:
        raise DataError(
            f"{folder} has no word vectors: none of {', '.join(NAMES)}.",
            f"Put GoogleNews-vectors-negative300.bin (unpacked) there as {NAMES[0]}, "
            "or name a file: --word-vectors FILE",
        )
    return found[0]


def look_up(folder: Path, option: Path | None) -> Callable[[Collection[str]], WordTable]:
    """Gives the vectors of some words, out of the file that :func:`find_word_vectors` finds.

    Raises:
        DataError: there is none.
    """
    return partial(read_word_vectors, find_word_vectors(folder, option))


def write_word_vectors(path: Path, table: WordTable) -> None:
    """Write a table, as word2vec's ``.bin`` or as ``.npz``, by the suffix.

    Raises:
        DataError: another suffix, or a word that the file cannot hold.
        RunError: it cannot be written.
    """
    words = sorted(table.words, key=lambda word: table.words[word])
    vectors = table.vectors[[table.words[word] for word in words]]
    if path.suffix == ".bin":
        write_binary_vectors(path, words, vectors)
    elif path.suffix == ".npz":
        import numpy as np

        write_arrays(path, {"words": np.array(words), "vectors": vectors})
    else:
        raise DataError(f"{path}: word vectors are written as .bin or .npz.")
