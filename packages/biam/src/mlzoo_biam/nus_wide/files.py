"""The text files and pickles that NUS-WIDE and BiAM's repository publish: tags, word vectors, names.

An image ``Flickr/actor/0002_174174086.jpg`` is ``actor\\0002_174174086.jpg`` in the official image
lists and ``actor_0002_174174086.jpg`` in the published pickles and h5 files. The latter is its name
here; a folder's own name may hold ``_``, so a name is taken apart from the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import ArraySpec, check_array, existing, readable
from mlzoo.data.readers import read_pickle
from mlzoo.errors import DataError
from mlzoo_biam.multilabel import Index
from mlzoo_biam.packed.store import check_names

TAGS, CONCEPTS = "TagList1k.txt", "Concepts81.txt"
VECTORS = "NUS_WIDE_pretrained_w2v_glove-wiki-gigaword-300"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Vocabulary:
    """The tags that people gave, and the concepts that were annotated.

    A tag is seen unless the very same string is a concept; concepts are unseen. Synonyms and plurals
    therefore leak: ``car`` stays seen while ``cars`` is unseen. That is the protocol.

    Attributes:
        tags: of the tag list, in the order of the file (by frequency).
        concepts: in the order of the file (alphabetical).
    """

    tags: tuple[str, ...]
    concepts: tuple[str, ...]

    @property
    def seen_rows(self) -> Index:
        """Rows of the tag list that are seen tags."""
        return np.flatnonzero(~np.isin(self.tags, self.concepts)).astype(np.int64)

    @property
    def dropped_rows(self) -> Index:
        """Rows of the tag list that are concepts."""
        return np.flatnonzero(np.isin(self.tags, self.concepts)).astype(np.int64)

    @property
    def seen_count(self) -> int:
        """How many tags are seen."""
        return len(self.seen_rows)

    @property
    def all_tags(self) -> tuple[str, ...]:
        """The seen tags, then the unseen ones: the order of all labels and scores."""
        return (*(self.tags[row] for row in self.seen_rows), *self.concepts)


def read_vocabulary(folder: Path) -> Vocabulary:
    """``TagList1k.txt`` and ``Concepts81.txt`` of a folder.

    Raises:
        DataError: one is missing, empty, or names a tag twice; or every tag is a concept.
    """
    words = Vocabulary(read_words(folder / TAGS), read_words(folder / CONCEPTS))
    if not words.seen_count:
        raise DataError(f"{folder / TAGS}: every tag is a concept, so none is seen.")
    return words


def read_words(path: Path) -> tuple[str, ...]:
    """One word a line, whatever ends the lines.

    Raises:
        DataError: missing, empty, not text, or a word stands twice.
    """
    words = _lines(path)
    twice = [word for number, word in enumerate(words) if word in words[:number]]
    if twice:
        raise DataError(f"{path} has the word {twice[0]!r} twice.", "Fetch the file again.")
    return tuple(words)


def read_word_vectors(path: Path, words: Vocabulary) -> Floats:
    """Word vectors of all tags, seen then unseen, with rows of length 1.

    The file is a pickle of two arrays, for the tag list and for the concepts, in their orders. Words
    that stand in both lists must have the same row in both: that is how a wrong order shows.

    Returns:
        float32 [C, E].

    Raises:
        DataError: not such a pickle, a wrong number of rows, a row that is zero or not finite, or
            rows in another order.
    """
    of_tags, of_concepts = read_raw_vectors(path, words)
    check_order(path, words, of_tags, of_concepts)
    raw = np.concatenate([of_tags[words.seen_rows], of_concepts])  # [C, E]
    unit: Floats = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return unit


def read_raw_vectors(path: Path, words: Vocabulary) -> tuple[Floats, Floats]:
    """The two arrays as they are stored; raises as :func:`read_word_vectors`."""
    pair = read_pickle(path)
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise DataError(f"{path}: expected a list of two arrays, of the tags and of the concepts.")
    lists = ((TAGS, words.tags), (CONCEPTS, words.concepts))
    for array, (name, own) in zip(pair, lists, strict=True):
        _check_vectors(array, f"{path}: the vectors for {name}", own)
    if pair[0].shape[1] != pair[1].shape[1]:
        raise DataError(
            f"{path}: vectors of tags have {pair[0].shape[1]} numbers, of concepts {pair[1].shape[1]}."
        )
    return np.asarray(pair[0], np.float32), np.asarray(pair[1], np.float32)


def check_order(path: Path, words: Vocabulary, of_tags: Floats, of_concepts: Floats) -> None:
    """Raises DataError where a word that is tag and concept has two different vectors."""
    place = {word: row for row, word in enumerate(words.concepts)}
    for row in words.dropped_rows:
        word = words.tags[row]
        if not np.array_equal(of_tags[row], of_concepts[place[word]]):
            raise DataError(
                f"{path}: {word!r} has one vector as a tag and another as a concept, so the rows are "
                f"not in the order of {TAGS} and {CONCEPTS}.",
                "Use the lists that the vectors were made for.",
            )


def _check_vectors(array: Any, what: str, words: Sequence[str]) -> None:
    if not isinstance(array, np.ndarray):
        raise DataError(f"{what} are a {type(array).__name__}, expected an array.")
    if array.ndim != 2 or len(array) != len(words):
        raise DataError(f"{what}: expected {len(words)} rows, found shape {array.shape}.")
    check_array(array, ArraySpec(ndim=2, kinds="f"), what)
    zero = ~array.any(axis=1)
    if zero.any():
        raise DataError(f"{what}: that of {words[int(zero.argmax())]!r} is zero.")


def read_image_names(path: Path) -> list[str]:
    """Names of images, in order: of a published pickle (``img_names``) or an official image list.

    Raises:
        DataError: missing, not such a file, or an image stands twice.
    """
    if path.suffix == ".pkl":
        found = read_pickle(path)
        names = found.get("img_names") if isinstance(found, dict) else None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(f"{path}: expected a dict with the list 'img_names'.")
    else:
        names = [name_of(line) for line in _lines(path)]
    if not names:
        raise DataError(f"{path} names no image.")
    check_names(names, str(path))
    return names


def name_of(listed: str) -> str:
    """``actor\\0002_1.jpg`` or ``actor/0002_1.jpg`` as ``actor_0002_1.jpg``."""
    return listed.strip().replace("\\", "_").replace("/", "_")


def path_of(name: str) -> str:
    """``actor_0002_1.jpg`` as ``actor/0002_1.jpg``: where the image lies below its folder.

    Raises:
        DataError: the name has too few parts.
    """
    folder, _, rest = name.rpartition("_")
    folder, _, number = folder.rpartition("_")
    if not folder or not number:
        raise DataError(
            f"the image name {name!r} is not <folder>_<number>_<id>.jpg.",
            "Names of NUS-WIDE are like actor_0002_174174086.jpg.",
        )
    return f"{folder}/{number}_{rest}"


def _lines(path: Path) -> list[str]:
    """Lines that hold something, without what ends them."""
    existing(path)
    with readable(path, "a text file"):
        text = path.read_text(encoding="utf-8-sig")
    return [line.strip() for line in text.split("\n") if line.strip()]
