"""One file over http(s) into a ``.part`` file that any later call can go on with.

pooch's downloader does the talking. Here is what it leaves open: where to go on, whether the file
upstream is still the same, how much may come, what is worth another try.
"""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import responses
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from mlzoo.data.manifest import Progress
from mlzoo.data.part_files import Source, Version, content_length, discard, is_whole, resumable
from mlzoo.errors import DataError

if TYPE_CHECKING:
    from requests import HTTPError, Response

CHUNK_BYTES = 1 << 16
MAX_UNKNOWN_BYTES = 2**33
"""Cap on a file whose size nobody declares, 8 GiB."""

PROGRESS_BYTES = 1 << 20
"""Having gained so much, a transfer may fail as often again."""

TRY_AGAIN = {408, 425, 429}
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")

Note = Callable[[str], None]


@dataclass(frozen=True)
class Patience:
    """When a transfer counts as failed.

    Attributes:
        timeout: seconds without a byte.
        attempts: how often in a row it may fail without getting further.
        pause: seconds before the second attempt; doubled before each next one, up to a minute.
    """

    timeout: float = 30.0
    attempts: int = 5
    pause: float = 1.0


def offered_size(source: Source, patience: Patience) -> int | None:
    """What the server says the size is, without fetching; None where it does not say."""
    import requests

    try:
        with requests.Session() as session:
            session.max_redirects = 10
            response = session.head(
                source.url,
                timeout=patience.timeout,
                headers={"Accept-Encoding": "identity"},
                allow_redirects=True,
                hooks={"response": lambda answer, **_: check_redirect(answer, source)},
            )
            return content_length(response.headers) if response.status_code == 200 else None
    except (requests.RequestException, DataError):
        return None  # the transfer itself will tell


def fetch(
    source: Source,
    part: Path,
    patience: Patience,
    progress: Progress | None = None,
    note: Note | None = None,
) -> None:
    """Fetch a file into ``part``, going on where an earlier call stopped.

    Args:
        source: what to fetch.
        part: where its bytes collect; what is known of them lies beside it as ``.json``.
        patience: timeout and attempts.
        progress: called with the URL and a number of bytes; negative when it starts over.
        note: called with a line when something goes wrong that is tried again.

    Raises:
        DataError: refused by the server or by the checks here, failed too often, or no space. What
            was fetched stays in ``part`` if it can be gone on with.
    """
    best, failures = resumable(source, part), 0
    while True:
        try:
            if is_whole(source, part):
                return
            _Request(source, part, progress).run(patience)
            return
        except _TransientError as error:
            size = part.stat().st_size if part.exists() else 0
            failures = 1 if size >= best + PROGRESS_BYTES else failures + 1
            best = max(best, size)
            if failures >= patience.attempts:
                raise DataError(
                    f"{source.url}: {error} ({failures} attempts without getting further).",
                    "What came is kept; the same command goes on."
                    if resumable(source, part)
                    else "",
                ) from error
            pause = min(max(patience.pause * 2 ** (failures - 1), error.wait), 60.0)
            if note is not None:
                note(f"{source.url}: {error}; trying again")
            time.sleep(pause if patience.pause else 0)


class _TransientError(Exception):
    """Worth another try."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass
class _Request:
    """One request. pooch hands over the answer's head, then writes its bytes into this object."""

    source: Source
    part: Path
    progress: Progress | None
    start: int = 0
    position: int = 0
    total: int | None = None
    file: IO[bytes] = field(init=False)

    def run(self, patience: Patience) -> None:
        import pooch
        import requests

        self.start = resumable(self.source, self.part)
        downloader = pooch.HTTPDownloader(
            chunk_size=CHUNK_BYTES,
            timeout=patience.timeout,
            headers=self._headers(),
            hooks={"response": self._answered},
        )
        try:
            with self.part.open("ab") as self.file:
                downloader(self.source.url, self, None)
        except requests.HTTPError as error:
            raise self._refusal(error) from error
        except (requests.exceptions.SSLError, requests.TooManyRedirects) as error:
            raise DataError(f"{self.source.url}: {reason_of(error)}.") from error
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            raise _TransientError(f"{reason_of(error)}, at {self.position:,} bytes") from error
        except requests.RequestException as error:
            raise DataError(f"{self.source.url}: {reason_of(error)}.") from error
        except OSError as error:
            reason = "no space left" if error.errno == errno.ENOSPC else error.strerror or error
            raise DataError(f"cannot write {self.part}: {reason}.") from error
        finally:
            if self.total != 0 and self.part.exists() and not self.part.stat().st_size:
                discard(self.part)
        if self.total is not None and self.position < self.total:
            raise _TransientError(f"cut at {self.position:,} of {self.total:,} bytes")

    def _headers(self) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}
        if self.start:
            headers["Range"] = f"bytes={self.start}-"
            if validator := Version.read(self.part).validator:
                headers["If-Range"] = validator
        return headers

    def _answered(self, response: Response, **_: Any) -> None:
        """Look at the head of the answer, before pooch takes the body."""
        check_redirect(response, self.source)
        if response.status_code == 200:
            self._check_head(response, content_length(response.headers))
            self._begin(Version.of(self.source.url, response))
        elif response.status_code == 206:
            self._go_on(response)
        elif response.status_code == 416 and self.start:
            discard(self.part)
            raise _TransientError("nothing to go on with, starting over")
        # pooch would stumble over a length that is no number.
        if content_length(response.headers) is None:
            response.headers.pop("Content-Length", None)
        # Some servers call a .gz file gzip-encoded: it is stored as it is.
        response.raw.headers.pop("Content-Encoding", None)

    def _check_head(self, response: Response, size: int | None) -> None:
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind in ("text/html", "application/xhtml+xml") and not self.source.web_page:
            raise DataError(
                f"{self.source.url}: the server sends a web page ({kind}), not the file.",
                "It may ask for a login or a confirmation: open it in a browser.",
            )
        wanted = self.source.size
        if size is not None and wanted is not None and size != wanted:
            raise DataError(
                f"{self.source.url}: expected {wanted:,} bytes, the server offers {size:,}.",
                "The file may have changed there.",
            )

    def _begin(self, version: Version) -> None:
        """The whole file comes, asked for or not: nothing of what is there is kept."""
        if self.progress is not None and self.start:
            self.progress(self.source.url, -self.start)
        self.file.truncate(0)
        version.write(self.part)
        self.position = 0
        self.total = self.source.size if self.source.size is not None else version.size

    def _go_on(self, response: Response) -> None:
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        total = int(match[2]) if match and match[2] != "*" else None
        kept = Version.read(self.part)
        fits = match is not None and self.start > 0 and int(match[1]) == self.start
        if not fits or not kept.agrees(Version.of(self.source.url, response), total):
            if self.progress is not None:
                self.progress(self.source.url, -self.start)
            discard(self.part)
            raise _TransientError("the file changed there, starting over")
        self._check_head(response, total)
        self.position = self.start
        known = (self.source.size, total, kept.size)
        self.total = next((size for size in known if size is not None), None)

    def write(self, piece: bytes) -> None:
        """Called by pooch with the next bytes."""
        cap = self.total if self.total is not None else MAX_UNKNOWN_BYTES
        if self.position + len(piece) > cap:
            discard(self.part)
            raise DataError(
                f"{self.source.url}: more bytes than the {cap:,} expected; stopped and deleted."
            )
        self.file.write(piece)
        self.position += len(piece)
        if self.progress is not None:
            self.progress(self.source.url, len(piece))

    def flush(self) -> None:
        """Called by pooch after each piece: a killed process leaves what it has written."""
        self.file.flush()

    def _refusal(self, error: HTTPError) -> Exception:
        response = error.response
        if response is None:
            return DataError(f"{self.source.url}: {error}.")
        status = response.status_code
        words = f"the server answers {status} {responses.get(status, '')}".rstrip()
        if status in TRY_AGAIN or status >= 500:
            wait = response.headers.get("Retry-After", "")
            return _TransientError(words, float(wait) if wait.isdecimal() else 0.0)
        return DataError(f"{self.source.url}: {words}.", "The file may have moved.")


def check_redirect(response: Response, source: Source) -> None:
    """Refuse to be sent anywhere but http(s), or from https to http if nothing else is checked."""
    if not response.is_redirect:
        return
    target = response.headers["Location"]
    try:
        scheme = urlsplit(urljoin(response.url, target)).scheme.lower()
    except ValueError:
        scheme = "none"
    safe = scheme == "https" or source.checked or not response.url.startswith("https:")
    if scheme not in ("http", "https") or not safe:
        raise DataError(f"{source.url} leads to {target!r}, which is not followed.")


def reason_of(error: Exception) -> str:
    """The innermost words of a nested network error, on one line."""
    from requests import ConnectTimeout, ReadTimeout

    text = " ".join(str(error).split())
    if isinstance(error, ConnectTimeout | ReadTimeout) or "timed out" in text:
        return "no answer in time"
    if "Connection refused" in text:
        return "connection refused"
    if "resolve" in text:
        return "the host is not known, or there is no network"
    if "IncompleteRead" in text or "closed" in text or "reset" in text.lower():
        return "the connection was cut"
    return text or type(error).__name__
