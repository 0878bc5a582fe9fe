"""Pieces of Markdown made of values that may hold anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_ACTIVE = re.compile(r"([\\`*_\[\]|<>#~$])")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


def plain(value: object) -> str:
    """Text in one line in which nothing is markup."""
    text = " ".join(_UNSEEN.sub(" ", str(value)).split())
    return _ACTIVE.sub(r"\\\1", text.replace("&", "&amp;"))


def code(value: object) -> str:
    """In one line, as code; in tables, too."""
    text = " ".join(_UNSEEN.sub(" ", str(value)).split())
    return f"`{text.replace('`', chr(39)).replace('|', chr(0xA6))}`" if text else ""


def fenced(text: str, language: str = "") -> str:
    """A block of code; its fence is longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Of cells that are Markdown already."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets(items: Iterable[str]) -> str:
    """Of items that are Markdown already."""
    return "\n".join(f"- {item}" for item in items)


def link(url: str) -> str:
    """A web address, or the text if it is none."""
    safe = re.fullmatch(r"https?://[^\s<>\\`]+", url)
    return f"<{url}>" if safe else plain(url)
