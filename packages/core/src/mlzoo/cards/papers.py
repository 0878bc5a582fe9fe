"""What a card cites: complete, and the same in words and in BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlzoo.cards.bibtex import bibtex_fields, plain_title
from mlzoo.contracts import Finding
from mlzoo.specs import Paper

SUBJECT = "paper"
_LINK = re.compile(r"https?://\S+")


def check_paper(paper: Paper) -> Iterator[Finding]:
    """What is wrong with a citation."""
    for name in ("title", "authors", "venue"):
        if not getattr(paper, name).strip():
            yield _error(f"it names no {name}")
    for name in ("url", "official_code"):
        link = getattr(paper, name)
        if (link or name == "url") and not _LINK.fullmatch(link):
            yield _error(f"its {name} is {link!r}, no link with http")
    try:
        fields = bibtex_fields(paper.bibtex)
    except ValueError as error:
        yield _error(f"its bibtex is no entry: {error}")
        return
    title = fields.get("title", "")
    if not title:
        yield _error("its bibtex has no title")
    elif plain_title(title) != plain_title(paper.title):
        yield _error(f"its bibtex is of {title!r}, not of {paper.title!r}")
    year = fields.get("year") or fields.get("date", "")[:4]
    if year != str(paper.year):
        yield _error(f"its bibtex is of the year {year or 'none'}, not of {paper.year}")


def _error(text: str) -> Finding:
    return Finding("error", SUBJECT, text)
