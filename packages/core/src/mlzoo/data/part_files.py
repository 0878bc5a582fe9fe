"""The ``.part`` file of a transfer, and which version of the file its bytes belong to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlzoo.files import write_json

if TYPE_CHECKING:
    from requests import Response
    from requests.structures import CaseInsensitiveDict


@dataclass(frozen=True)
class Source:
    """What is to be fetched, as far as its declaration knows it.

    Attributes:
        url: http or https.
        size: in bytes; another size on offer is refused before anything is fetched.
        checked: its digest is known and will be compared, so that bytes of two versions of the file
            cannot pass; without it a transfer goes on only if the server vouches for the version.
        web_page: the file may be HTML.
    """

    url: str
    size: int | None = None
    checked: bool = False
    web_page: bool = False


def resumable(source: Source, part: Path) -> int:
    """How many bytes of the file lie in ``part`` and can be kept."""
    return Version.read(part).usable(source, part)


def discard(part: Path) -> None:
    """Forget what was fetched."""
    _version_file(part).unlink(missing_ok=True)
    part.unlink(missing_ok=True)


def is_whole(source: Source, part: Path) -> bool:
    """Whether all bytes lie in ``part``, as after a process killed just before the end."""
    kept = Version.read(part)
    size = source.size if source.size is not None else kept.size
    return size is not None and 0 < size == kept.usable(source, part)


@dataclass(frozen=True)
class Version:
    """By what a server tells one version of a file from another."""

    url: str = ""
    etag: str = ""
    last_modified: str = ""
    size: int | None = None

    @classmethod
    def read(cls, part: Path) -> Version:
        """What was kept beside ``part``; nothing if that is missing or damaged."""
        try:
            facts = json.loads(_version_file(part).read_text(encoding="utf-8"))
            return cls(**facts)
        except (OSError, ValueError, TypeError):
            return cls()

    @classmethod
    def of(cls, url: str, response: Response) -> Version:
        """What the head of an answer says."""
        headers = response.headers
        return cls(
            url, headers.get("ETag", ""), headers.get("Last-Modified", ""), content_length(headers)
        )

    @property
    def validator(self) -> str:
        """What If-Range takes: a strong ETag, else the time of change."""
        strong = self.etag if self.etag.startswith('"') else ""
        return strong or self.last_modified

    def write(self, part: Path) -> None:
        """Keep it beside ``part``."""
        write_json(_version_file(part), vars(self))

    def usable(self, source: Source, part: Path) -> int:
        """How many bytes of ``part`` can be gone on with."""
        size = part.stat().st_size if part.is_file() else 0
        total = source.size if source.size is not None else self.size
        same = self.url == source.url and (self.validator or source.checked)
        return size if same and (total is None or size <= total) else 0

    def agrees(self, other: Version, total: int | None) -> bool:
        """Whether a partial answer comes from the same version of the file."""
        pairs = ((self.etag, other.etag), (self.last_modified, other.last_modified))
        sizes = self.size is None or total is None or self.size == total
        return sizes and all(mine == its for mine, its in pairs if mine and its)


def content_length(headers: CaseInsensitiveDict[str]) -> int | None:
    """The length an answer announces, if it is a number."""
    text = headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _version_file(part: Path) -> Path:
    return part.with_name(part.name + ".json")
