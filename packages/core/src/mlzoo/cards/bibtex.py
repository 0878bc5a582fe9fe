"""A BibTeX entry's fields, as far as a card needs them."""

from __future__ import annotations

import re
import unicodedata

_START = re.compile(r"\s*@\s*\w+\s*\{\s*[^\s,{}=\"]+\s*")
_NAME = re.compile(r"[\s,]*([A-Za-z][\w-]*)\s*=\s*")
_BARE = re.compile(r"[^\s,{}#\"=]+")
_JOIN, _END = re.compile(r"\s*#\s*"), re.compile(r"\s*[,}]")
_COMMAND = re.compile(r"\\[A-Za-z]+\*?\s*|\\.")


def bibtex_fields(text: str) -> dict[str, str]:
    """The fields of one entry, by name in lower case; values without their outer braces or quotes.

    Raises:
        ValueError: it is no entry, with the reason.
    """
    start = _START.match(text)
    if not start:
        raise ValueError("it does not begin as @kind{key")
    fields: dict[str, str] = {}
    at = start.end()
    while name := _NAME.match(text, at):
        value, at = _value(text, name.end(), name[1])
        fields[name[1].lower()] = value
        if text[at:].strip() and not _END.match(text, at):
            raise ValueError(f"there is no comma behind {name[1]}")
    if not re.fullmatch(r"[\s,]*\}\s*", text[at:]):
        rest = " ".join(text[at:].split())[:30]
        raise ValueError(f"it ends with {rest!r}" if rest else "its last brace is missing")
    return fields


def plain_title(text: str) -> str:
    """Letters and digits alone, without case, accents and LaTeX's commands, to compare titles by."""
    apart = unicodedata.normalize("NFKD", _COMMAND.sub("", text))
    return "".join(letter for letter in apart.casefold() if letter.isalnum())


def _value(text: str, at: int, name: str) -> tuple[str, int]:
    """A field's value and the place behind it; ``#`` joins pieces."""
    pieces = []
    while True:
        piece, at = _piece(text, at, name)
        pieces.append(piece)
        joined = _JOIN.match(text, at)
        if not joined:
            return " ".join("".join(pieces).split()), at
        at = joined.end()


def _piece(text: str, at: int, name: str) -> tuple[str, int]:
    if bare := _BARE.match(text, at):
        return bare[0], bare.end()
    if text[at : at + 1] not in ("{", '"'):
        raise ValueError(f"{name} has no value")
    closing, depth = ("}" if text[at] == "{" else '"'), 0
    for place in range(at + 1, len(text)):
        if text[place] == closing and not depth:
            return text[at + 1 : place], place + 1
        depth += {"{": 1, "}": -1}.get(text[place], 0)
    raise ValueError(f"the value of {name} does not end")
