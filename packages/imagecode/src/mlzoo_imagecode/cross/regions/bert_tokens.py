"""Texts to token ids for BERT: words, punctuation and word pieces of a vocabulary (Devlin et al. 2019).

Rows are [CLS], tokens, [SEP], then zeros. Of texts that are too long the first tokens stay, and [SEP].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from mlzoo.data.checks import existing, readable
from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import Index

CONTEXT = 120
"""Tokens of a row, [CLS] and [SEP] included."""
PADDING, UNKNOWN, START, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL = (PADDING, UNKNOWN, START, END, MASK)
FILE = "vocab.txt"
LONGEST_WORD = 100
"""Letters; longer words are unknown."""
MOST_UNKNOWN = 0.5
"""A vocabulary that does not know half of the words is that of another language, or of nothing at all."""
_MOST_BYTES = 1 << 26


class BertTokens:
    """Word pieces over a vocabulary, of lower-cased text without accents.

    Args:
        vocabulary: tokens in the order of their ids.
        context: C, at least 3.
        source: where they are from, for errors.

    Attributes:
        context, vocabulary: as given.
        size: how many ids there are.
        start, end, unknown, mask: ids of the special tokens; that of padding is 0.

    Raises:
        DataError: a token occurs twice, a special one is missing, or [PAD] is not the first.
    """

    def __init__(
        self, vocabulary: Sequence[str], context: int = CONTEXT, source: str = "the vocabulary"
    ) -> None:
        ids = {token: number for number, token in enumerate(vocabulary)}
        if len(ids) < len(vocabulary):
            twice = next(token for number, token in enumerate(vocabulary) if ids[token] != number)
            raise DataError(f"{source} has the token {twice!r} twice.")
        if missing := [token for token in SPECIAL if token not in ids]:
            raise DataError(f"{source} is no vocabulary of BERT: it lacks {', '.join(missing)}.")
        if ids[PADDING]:
            raise DataError(f"{source}: {PADDING} has the id {ids[PADDING]}, expected 0.")
        if context < 3:
            raise ValueError(f"a context of {context} has no room for text")
        self.vocabulary, self.context, self.size = tuple(vocabulary), context, len(ids)
        self.unknown, self.start, self.end, self.mask = (ids[token] for token in SPECIAL[1:])
        self._source = source
        # Built of the tokens themselves: transformers' BertTokenizer ignores a file that it does not expect.
        self._tokenizer = Tokenizer(
            WordPiece(ids, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD)
        )
        self._tokenizer.normalizer = BertNormalizer(lowercase=True)
        self._tokenizer.pre_tokenizer = BertPreTokenizer()

    @classmethod
    def read(cls, path: Path, context: int = CONTEXT, size: int | None = None) -> Self:
        """Of a file of one token a line, or of ``vocab.txt`` in a folder.

        Args:
            path: the file or folder.
            context: C.
            size: how many tokens there must be, ``scheme.WORDS`` for published weights.

        Raises:
            DataError: missing, no UTF-8, of another size, or no vocabulary of BERT.
        """
        path = path / FILE if path.is_dir() else path
        existing(path)
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path} has more than {_MOST_BYTES:,} bytes: it is no vocabulary.")
        with readable(path, "a vocabulary of one token a line"):
            lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        tokens = [line.removesuffix("\r") for line in lines]
        if size is not None and len(tokens) != size:
            raise DataError(
                f"{path} has {len(tokens):,} tokens, expected {size:,}.",
                "Take the vocabulary that belongs to the weights.",
            )
        return cls(tokens, context, str(path))

    @classmethod
    def of_texts(cls, texts: Iterable[str], context: int = CONTEXT) -> Self:
        """A vocabulary of the whole words of some texts, in alphabetical order, for encoders from scratch."""
        normalizer, words = BertNormalizer(lowercase=True), set[str]()
        splitter = BertPreTokenizer()
        for text in texts:
            pieces = splitter.pre_tokenize_str(normalizer.normalize_str(text))
            words.update(word for word, _ in pieces if len(word) <= LONGEST_WORD)
        return cls([*SPECIAL, *sorted(words - set(SPECIAL))], context)

    def encode(self, texts: Sequence[str]) -> Index:
        """int64 [n, C]: ids of texts; every text is one segment."""
        rows = np.zeros((len(texts), self.context), np.int64)
        for row, tokens in zip(rows, self._tokens(texts), strict=True):
            own = [self.start, *tokens[: self.context - 2], self.end]
            row[: len(own)] = own
        return rows

    def lengths(self, texts: Sequence[str]) -> Index:
        """int64 [n], tokens with [CLS] and [SEP], were there no limit."""
        return np.array([len(tokens) + 2 for tokens in self._tokens(texts)], np.int64)

    def unknown_share(self, texts: Sequence[str]) -> float:
        """Of the tokens of texts, how many are not known; 0 of no tokens."""
        counts = [(tokens.count(self.unknown), len(tokens)) for tokens in self._tokens(texts)]
        unknown, every = np.sum(counts, axis=0) if counts else (0, 0)
        return float(unknown / every) if every else 0.0

    def require_known(self, texts: Sequence[str], most: float = MOST_UNKNOWN) -> float:
        """The same, unless it is too much.

        Raises:
            DataError: more than ``most`` of the tokens are not known.
        """
        share = self.unknown_share(texts)
        if share > most:
            raise DataError(
                f"{self._source} does not know {share:.0%} of the words of these texts.",
                "Take an English vocabulary, such as that of bert-base-uncased.",
            )
        return share

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        found = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [each.ids for each in found]
