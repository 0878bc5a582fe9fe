"""Captions as vectors of known words.

Source: Everything at Once (Shvetsova et al., CVPR 2022), with GoogleNews word2vec and 20 words; the word
rule is that of its program: case counts, and there is no list of stop words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from mlzoo.data.checks import ArraySpec, check_array
from mlzoo.errors import DataError
from mlzoo_multisk.clips import Floats

_WORD = re.compile(r"[\w']+")


def tokenise(sentence: object) -> list[str]:
    """The words of a sentence: runs of letters, digits, underscores and apostrophes, case kept.

    Published lists hold numbers and NaN among their captions; those are read as they are printed,
    so that 12.5 gives ``["12", "5"]`` and NaN ``["nan"]``.
    """
    return _WORD.findall(str(sentence))


def plain(sentence: object) -> str:
    """All words of a sentence, known or not, joined by blanks."""
    return " ".join(tokenise(sentence))


@dataclass(frozen=True, eq=False)
class WordTable:
    """Vectors of words.

    Attributes:
        words: row of each word.
        vectors: float32 [n, E].

    Raises:
        DataError: the vectors are no finite float32 [n, E], or a row is not among them.
    """

    words: Mapping[str, int]
    vectors: Floats

    def __post_init__(self) -> None:
        check_array(self.vectors, ArraySpec(ndim=2, kinds="f"), "word vectors")
        count, width = self.vectors.shape
        if not width or self.vectors.dtype != np.float32:
            raise DataError(
                f"word vectors: expected float32 with at least one column, found "
                f"{self.vectors.dtype} {self.vectors.shape}."
            )
        outside = [word for word, row in self.words.items() if not 0 <= row < count]
        if outside:
            raise DataError(
                f"word vectors: {outside[0]!r} has row {self.words[outside[0]]} of {count}."
            )

    @classmethod
    def of(cls, words: Sequence[str], vectors: Floats) -> Self:
        """A table from n words in the order of the rows of ``vectors`` [n, E]; of a word that stands
        twice the first row counts.

        Raises:
            DataError: there are not as many words as rows, or the vectors cannot be used.
        """
        if len(words) != len(vectors):
            raise DataError(f"{len(words)} words and {len(vectors)} vectors.")
        rows: dict[str, int] = {}
        for row, word in enumerate(words):
            rows.setdefault(word, row)
        return cls(rows, np.asarray(vectors, dtype=np.float32))

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.words

    @property
    def width(self) -> int:
        """E, numbers of a word."""
        return int(self.vectors.shape[1])

    def tokens_known(self, sentence: object) -> list[str]:
        """The words of a sentence that have a vector, in their order."""
        return [word for word in tokenise(sentence) if word in self.words]

    def embed(self, sentence: object, words: int) -> tuple[Floats, Floats, str]:
        """A sentence as the vectors of its first known words.

        Unknown words are dropped before the sentence is cut, so that they take no one's place. A
        sentence without a known word counts as empty: zeros and a mask of zeros. Such a clip leaves
        the contrastive losses with text; a model puts its masking token in the text's place.

        Args:
            sentence: the caption, see :func:`tokenise`.
            words: W, how many are kept.

        Returns:
            Vectors float32 [W, E] with zeros behind the last word; mask float32 [W] of ones where
            there is a word; the words kept, joined by blanks.
        """
        kept = self.tokens_known(sentence)[:words]
        text = np.zeros((words, self.width), np.float32)  # [W, E]
        mask = np.zeros(words, np.float32)  # [W]
        if kept:
            text[: len(kept)] = self.vectors[[self.words[word] for word in kept]]
            mask[: len(kept)] = 1
        return text, mask, " ".join(kept)
