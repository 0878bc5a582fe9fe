"""Texts to token ids: CLIP's byte-pair encoding, and whole words for encoders from scratch.

Rows are start, tokens, end, then zeros. Of texts that are too long the first tokens stay, and the end.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Protocol, Self

import ftfy
import numpy as np
import numpy.typing as npt
import regex
from tokenizers.models import BPE

from mlzoo.errors import DataError
from mlzoo_imagecode.clip.vocabulary import END, START, WORD_END, Vocabulary, byte_symbols

Index = npt.NDArray[np.int64]

CONTEXT = 77
"""Tokens of a row, start and end included."""

PIECES = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    regex.IGNORECASE,
)
"""What is encoded apart: special tokens, English endings, letters, single digits, anything else."""

_BLANKS = regex.compile(r"\s+")
_WORDS = re.compile(r"\w+|[^\w\s]")
_KEPT_PIECES = 2**17

PADDING, UNKNOWN = "<pad>", "<unk>"
WORD_START, WORD_STOP = "<start>", "<end>"


class Tokenizer(Protocol):
    """Texts to ids.

    Attributes:
        context: C, the length of a row.
        size: how many ids there are.
        end: the id that ends a text; the largest.
    """

    context: int
    size: int
    end: int

    def encode(self, texts: Sequence[str]) -> Index:
        """int64 [n, C]."""

    def lengths(self, texts: Sequence[str]) -> Index:
        """int64 [n], tokens with start and end, were there no limit."""


def cleaned(text: str) -> str:
    """Mended Unicode (ftfy), HTML entities of up to two levels as letters, single blanks, lower case."""
    if not text.isascii() or not text.isprintable() or "&" in text:  # else there is nothing to mend
        text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return str(_BLANKS.sub(" ", text)).strip().lower()


class ClipTokens:
    """CLIP's byte-pair encoding (Radford et al. 2021; Sennrich et al. 2016).

    Args:
        vocabulary: tokens and merges.
        context: C.

    Attributes:
        context, vocabulary: as given.
        size: how many ids there are.
        start, end: ids of the start and of the end of a text.

    Raises:
        DataError: the vocabulary is of another kind, or merges make tokens that it has not.
    """

    def __init__(self, vocabulary: Vocabulary, context: int = CONTEXT) -> None:
        ids, source = vocabulary.ids, vocabulary.source
        self._symbols = byte_symbols()
        needed = {START, END, *self._symbols.values()}
        needed |= {symbol + WORD_END for symbol in self._symbols.values()}
        if missing := sorted(needed - ids.keys()):
            raise DataError(
                f"{source} is no vocabulary of CLIP: it lacks {len(missing)} of the {len(needed)} tokens "
                f"that every one has, such as {missing[0]!r}."
            )
        try:
            self._model = BPE(dict(ids), list(vocabulary.merges), end_of_word_suffix=WORD_END)
        except Exception as error:  # the library raises nothing more special
            raise DataError(f"{source} and its merges do not belong together: {error}.") from error
        self.vocabulary = vocabulary
        self.context = context
        self.size = len(ids)
        self.start, self.end = ids[START], ids[END]
        self._pieces = self._special()

    def encode(self, texts: Sequence[str]) -> Index:
        """int64 [n, C]: ids of texts.

        The words of a text are cleaned, cut into pieces, and each piece into the tokens that merging its
        bytes makes.
        """
        return _rows((self._tokens(text) for text in texts), self.start, self.end, self.context)

    def lengths(self, texts: Sequence[str]) -> Index:
        """int64 [n], tokens with start and end, were there no limit."""
        return np.array([len(self._tokens(text)) + 2 for text in texts], dtype=np.int64)

    def _tokens(self, text: str) -> list[int]:
        if len(self._pieces) > _KEPT_PIECES:
            self._pieces = self._special()
        found: list[int] = []
        for piece in PIECES.findall(cleaned(text)):
            if (ids := self._pieces.get(piece)) is None:
                ids = self._pieces[piece] = self._piece(piece)
            found += ids
        return found

    def _special(self) -> dict[str, tuple[int, ...]]:
        return {START: (self.start,), END: (self.end,)}

    def _piece(self, piece: str) -> tuple[int, ...]:
        letters = "".join(self._symbols[byte] for byte in piece.encode())
        return tuple(token.id for token in self._model.tokenize(letters))


class WordTokens:
    """Words and punctuation marks, in lower case: 0 is padding, 1 any unknown word, then the words, then
    start and end.

    Args:
        words: the known ones, in the order of their ids.
        context: C.

    Attributes:
        words, context: as given.
        size: V, how many ids there are.
        start, end: V - 2 and V - 1.

    Raises:
        DataError: a word is there twice.
    """

    def __init__(self, words: Sequence[str], context: int = CONTEXT) -> None:
        self.words = tuple(words)
        self.context = context
        self._ids = {word: 2 + number for number, word in enumerate(self.words)}
        if len(self._ids) < len(self.words):
            raise DataError("a word is in the vocabulary twice.")
        self.size = len(self.words) + 4
        self.start, self.end = self.size - 2, self.size - 1

    @classmethod
    def of(cls, texts: Sequence[str], context: int | None = None) -> Self:
        """The words of texts in alphabetical order; a row as long as the longest needs, 77 at most."""
        split = [words_of(text) for text in texts]
        longest = max((len(words) for words in split), default=0) + 2
        known = sorted({word for words in split for word in words})
        return cls(known, context or min(CONTEXT, longest))

    def encode(self, texts: Sequence[str]) -> Index:
        """int64 [n, C]: ids of texts."""
        rows = ([self._ids.get(word, 1) for word in words_of(text)] for text in texts)
        return _rows(rows, self.start, self.end, self.context)

    def lengths(self, texts: Sequence[str]) -> Index:
        """int64 [n], tokens with start and end, were there no limit."""
        return np.array([len(words_of(text)) + 2 for text in texts], dtype=np.int64)

    def table(self) -> dict[str, int]:
        """All ids, with names for those that are no words."""
        names = [PADDING, UNKNOWN, *self.words, WORD_START, WORD_STOP]
        return {name: number for number, name in enumerate(names)}


def words_of(text: str) -> list[str]:
    """Words and punctuation marks in lower case."""
    return _WORDS.findall(text.lower())


def _rows(tokens: Iterable[Sequence[int]], start: int, end: int, context: int) -> Index:
    rows = [[start, *each[: context - 2], end] for each in tokens]
    ids = np.zeros((len(rows), context), dtype=np.int64)
    for row, each in zip(ids, rows, strict=True):
        row[: len(each)] = each
    return ids
