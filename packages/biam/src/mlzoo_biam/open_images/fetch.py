"""One image over http(s): fetched, held against its MD5, made small, and stored whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import responses
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mlzoo.data.image_files import FORMATS, LONGEST, PLAIN_MODES, pillow
from mlzoo.data.part_files import Source, content_length
from mlzoo.data.transfer import TRY_AGAIN, check_redirect, reason_of
from mlzoo.errors import DataError
from mlzoo.files import atomic_write

if TYPE_CHECKING:
    from requests import Response, Session

CHUNK_BYTES = 1 << 16
IN_MEMORY_BYTES = 4 << 20
"""Of one transfer; what is more lies in a file without a name until it is decoded."""

MAX_PIXELS = 89_478_485
"""Of an image that is decoded: 256 MiB in three channels, where Pillow begins to warn of bombs."""

QUALITY = 95
_OPENING = threading.Lock()
_DECODING = threading.BoundedSemaphore(os.cpu_count() or 1)


@dataclass(frozen=True)
class Wanted:
    """An image of a list.

    Attributes:
        name: its id, and without ``.jpg`` its file's name.
        url: where it is.
        md5: of the original file, 16 bytes; empty where it is not known.
    """

    name: str
    url: str
    md5: bytes = b""


@dataclass(frozen=True)
class Rules:
    """How images are fetched.

    Attributes:
        short_side: pixels; larger images are shrunk to it, smaller ones stay.
        attempts: how often an image is tried.
        timeout: seconds without a byte; a whole transfer may take ten times as long.
        pause: seconds before the second attempt, doubled before each next one.
        max_bytes: of one original.
    """

    short_side: int = 256
    attempts: int = 5
    timeout: float = 20.0
    pause: float = 1.0
    max_bytes: int = 200_000_000


class ImageError(Exception):
    """Why there is no image. ``final``: another try would not help."""

    def __init__(self, reason: str, *, final: bool, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.final = final
        self.wait = wait


class Stopped(Exception):  # noqa: N818 - it is no error
    """The crawl was told to stop."""


def fetch_image(
    session: Session, wanted: Wanted, target: Path, rules: Rules, stop: threading.Event
) -> None:
    """Fetch an image and store it as JPEG in ``target``.

    A cut connection, silence, 408, 425, 429 and 5xx are tried again after growing pauses.

    Raises:
        ImageError: it cannot be had; says why, in words.
        Stopped: ``stop`` was set.
        RunError: it cannot be written.
    """
    for attempt in range(1, rules.attempts + 1):
        try:
            with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as file:
                _receive(session, wanted, file, rules, stop)
                data = shrunk(file, rules.short_side)
            with atomic_write(target) as out:
                out.write(data)
            return
        except ImageError as error:
            if error.final or attempt == rules.attempts:
                raise
            pause = min(max(rules.pause * 2 ** (attempt - 1), error.wait), 60.0)
        if stop.wait(pause):
            raise Stopped


def _receive(
    session: Session, wanted: Wanted, file: IO[bytes], rules: Rules, stop: threading.Event
) -> None:
    """The bytes of the original, with the right sum."""
    import requests
    import urllib3

    if not wanted.url.lower().startswith(("http://", "https://")):
        raise ImageError("the address is neither http nor https", final=True)
    source = Source(wanted.url, checked=bool(wanted.md5))
    deadline = time.monotonic() + 10 * rules.timeout
    try:
        with session.get(
            wanted.url,
            stream=True,
            timeout=rules.timeout,
            headers={"Accept-Encoding": "identity"},
            hooks={"response": lambda answer, **_: check_redirect(answer, source)},
        ) as response:
            announced = _check_head(response, rules)
            digest = hashlib.md5(usedforsecurity=False)
            size = 0
            for piece in _pieces(response):
                size += len(piece)
                if stop.is_set():
                    raise Stopped
                if size > rules.max_bytes:
                    raise ImageError(f"more than {rules.max_bytes:,} bytes", final=True)
                if time.monotonic() > deadline:
                    raise ImageError(f"too slow: {size:,} bytes in time", final=False)
                digest.update(piece)
                file.write(piece)
    except DataError as error:  # a redirect out of http
        raise ImageError(error.message.rstrip("."), final=True) from error
    except (requests.TooManyRedirects, requests.exceptions.InvalidURL) as error:
        raise ImageError(reason_of(error)[:200], final=True) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise ImageError(reason_of(error)[:200], final=False) from error
    except (ValueError, UnicodeError) as error:  # an address that no library can take apart
        raise ImageError(f"not an address: {error}"[:200], final=True) from error
    if wanted.md5 and digest.digest() != wanted.md5:
        # Without an announced length a cut connection looks like another file.
        raise ImageError("another file: its MD5 differs", final=announced)
    file.seek(0)


def _pieces(response: Response) -> Iterator[bytes]:
    """The body as it came: what is called encoded is not unpacked, so that nothing can grow.

    Whatever has arrived is a piece, so that a server that drips is noticed.
    """
    raw = response.raw
    read = getattr(raw, "read1", raw.read)  # urllib3 before 2.2 waits for pieces to be full
    while piece := read(CHUNK_BYTES, decode_content=False):
        yield piece


def _check_head(response: Response, rules: Rules) -> bool:
    """Whether the length is announced, of an answer that may hold the image."""
    status = response.status_code
    if status != 200:
        words = f"the server answers {status} {responses.get(status, '')}".rstrip()
        again = status in TRY_AGAIN or status >= 500
        wait = response.headers.get("Retry-After", "")
        raise ImageError(words, final=not again, wait=float(wait) if wait.isdecimal() else 0.0)
    size = content_length(response.headers)
    if size is not None and size > rules.max_bytes:
        raise ImageError(f"{size:,} bytes, expected at most {rules.max_bytes:,}", final=True)
    return size is not None


def shrunk(file: IO[bytes], short_side: int) -> bytes:
    """An image as JPEG in RGB, its short side at most ``short_side`` pixels.

    A JPEG is decoded at the smallest of its own scales that has twice the pixels needed. Orientation
    tags are not looked at, as nowhere here; they go, as all other tags do.

    Raises:
        ImageError: it cannot be read whole, has too many pixels, is too long for its width, or has
            more than 8 bits a channel.
    """
    with _DECODING:  # so many at once, however many connections there are
        try:
            return _shrunk(file, short_side)
        except (ImageError, MemoryError):
            raise
        except Exception as error:  # a damaged or hostile file can make a decoder fail in any way
            unknown = isinstance(error, pillow().UnidentifiedImageError)
            text = "not an image of a known format" if unknown else str(error) or repr(error)
            reason = " ".join(text.encode(errors="replace").decode().split())[:200]
            raise ImageError(reason, final=True) from error


def _shrunk(file: IO[bytes], short_side: int) -> bytes:
    with _opened(file) as image:
        width, height = image.size
        short, long = min(width, height), max(width, height)
        if width * height > MAX_PIXELS:
            raise ImageError(
                f"{width}×{height} pixels, at most {MAX_PIXELS:,} are read", final=True
            )
        if long > LONGEST * short:
            raise ImageError(
                f"{width}×{height} pixels, expected sides of at most {LONGEST} to 1", final=True
            )
        if image.mode not in PLAIN_MODES:
            raise ImageError(f"pixels of mode {image.mode}, expected 8 bits a channel", final=True)
        scale = min(1.0, short_side / short)
        size = tuple(max(1, round(side * scale)) for side in (width, height))
        image.draft(None, tuple(2 * side for side in size))
        pixels = image.convert("RGB")
        if pixels.size != size:
            pixels = pixels.resize(size, pillow().Resampling.BICUBIC, reducing_gap=2.0)
        out = io.BytesIO()
        pixels.save(out, "JPEG", quality=QUALITY, subsampling=0, icc_profile=None, exif=b"")
    return out.getvalue()


def _opened(file: IO[bytes]) -> Any:
    """Only the head is read; what Pillow warns of as a bomb is refused."""
    module = pillow()
    with _OPENING, warnings.catch_warnings():  # warnings' filters belong to all threads
        warnings.simplefilter("error", module.DecompressionBombWarning)
        try:
            return module.open(file, formats=FORMATS)
        except (module.DecompressionBombWarning, module.DecompressionBombError) as error:
            raise ImageError(
                f"more pixels than the {MAX_PIXELS:,} that are read", final=True
            ) from error
