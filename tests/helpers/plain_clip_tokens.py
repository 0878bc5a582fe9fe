"""CLIP's byte-pair encoding as it is described, one step after the other, for comparison.

Nothing of the package and no library of tokenisers is used: characters are told apart by their Unicode
category, and merging looks for the earliest rule among all neighbours again and again.
"""

from __future__ import annotations

import gzip
import html
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import ftfy

START, END = "<|startoftext|>", "<|endoftext|>"
ENDINGS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")
RULES = 49152 - 256 - 2
"""Of the published file."""


class PlainClipTokens:
    """Ids of texts by the published file's rules, or by given ones."""

    def __init__(self, rules: list[tuple[str, str]]) -> None:
        self.letter = _letters()
        symbols = list(self.letter.values())
        tokens = symbols + [symbol + "</w>" for symbol in symbols]
        tokens += [one + other for one, other in rules] + [START, END]
        self.ids = {token: number for number, token in enumerate(tokens)}
        self.rank = {rule: number for number, rule in enumerate(rules)}
        self.known: dict[str, list[int]] = {}

    @classmethod
    def published(cls, file: Path) -> PlainClipTokens:
        lines = gzip.decompress(file.read_bytes()).decode("utf-8").split("\n")
        pairs = [tuple(line.split(" ")) for line in lines[1 : RULES + 1]]
        return cls([(one, other) for one, other in pairs])

    def tokens(self, text: str) -> list[int]:
        """Without start, end and padding."""
        found = []
        for piece in pieces(clean(text)):
            if piece not in self.known:
                self.known[piece] = self._of_piece(piece)
            found += self.known[piece]
        return found

    def row(self, text: str, context: int = 77) -> list[int]:
        ids = [self.ids[START], *self.tokens(text), self.ids[END]]
        if len(ids) > context:
            ids = [*ids[: context - 1], self.ids[END]]
        return ids + [0] * (context - len(ids))

    def _of_piece(self, piece: str) -> list[int]:
        if piece in (START, END):
            return [self.ids[piece]]
        parts = [self.letter[byte] for byte in piece.encode("utf-8")]
        parts[-1] += "</w>"
        while True:
            neighbours = set(pairwise(parts)) & self.rank.keys()
            if not neighbours:
                return [self.ids[part] for part in parts]
            parts = _joined(parts, min(neighbours, key=self.rank.__getitem__))


def clean(text: str) -> str:
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(text.split()).lower()


def pieces(text: str) -> Iterator[str]:
    """From left to right the first kind that fits: special token, ending, letters, digit, other signs."""
    at = 0
    while at < len(text):
        length = _piece_length(text, at)
        if length:
            yield text[at : at + length]
        at += length or 1


def _piece_length(text: str, at: int) -> int:
    for special in (START, END, *ENDINGS) if text[at] in "<'" else ():
        # whatever the case: the long s is the one lower-case letter that has another lower-case form
        if (
            text.startswith(special, at)
            or text[at : at + len(special)].replace("ſ", "s") == special
        ):
            return len(special)
    kind = _kind(text[at])
    if kind == "digit":
        return 1
    length = 0
    while kind and at + length < len(text) and _kind(text[at + length]) == kind:
        length += 1
    return length


@cache
def _kind(letter: str) -> str:
    """Empty for blanks, and for the one mark whose capital is a letter: it belongs to no kind."""
    if letter.isspace() or letter == "\u0345":
        return ""
    return {"L": "letters", "N": "digit"}.get(unicodedata.category(letter)[0], "other")


def _joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(parts):
        if tuple(parts[at : at + 2]) == pair:
            found.append(parts[at] + parts[at + 1])
            at += 2
        else:
            found.append(parts[at])
            at += 1
    return found


def _letters() -> dict[int, str]:
    """A visible letter for every byte: its own, or the next from number 256 on."""
    own = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    rest = [b for b in range(256) if b not in own]
    return {b: chr(b) for b in own} | {b: chr(256 + i) for i, b in enumerate(rest)}
