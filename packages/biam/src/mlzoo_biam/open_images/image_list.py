"""Lists of images as Open Images publishes them: a csv of ids, addresses and sums, with 9 million rows."""

from __future__ import annotations

import base64
import binascii
import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from mlzoo.data.checks import existing, readable
from mlzoo.errors import DataError
from mlzoo_biam.open_images.fetch import Wanted

NEEDED = ("ImageID", "OriginalURL")
SUM, PART = "OriginalMD5", "Subset"
_ID = re.compile(r"[A-Za-z0-9_\-]{1,100}")


def read_image_list(path: Path, part: str, limit: int | None = None) -> Iterator[Wanted]:
    """The images of a csv, one at a time.

    Args:
        path: has the columns ``ImageID`` and ``OriginalURL``, perhaps ``OriginalMD5`` (base64), and
            perhaps ``Subset``: then the rows of ``part`` alone count.
        part: ``train``, ``validation`` or ``test``.
        limit: the first so many.

    Raises:
        DataError: missing, not such a csv, an id that is no file's name, or a sum that is none.
    """
    return islice(_rows(path, part), limit)


def _rows(path: Path, part: str) -> Iterator[Wanted]:
    existing(path)
    with (
        readable(path, "a csv in UTF-8"),
        path.open(encoding="utf-8-sig", newline="", errors="replace") as file,
    ):
        rows = csv.reader(file)
        try:
            head = [cell.strip() for cell in next(rows, [])]
            for name in NEEDED:
                if name not in head:
                    raise DataError(
                        f"{path} has no column {name}; its first line is {','.join(head)[:80]!r}.",
                        f"Expected {', '.join((*NEEDED, SUM))}.",
                    )
            place = {name: head.index(name) for name in (*NEEDED, SUM, PART) if name in head}
            for number, row in enumerate(rows, 2):
                if len(row) != len(head):
                    raise DataError(
                        f"{path}, row {number}: {len(row)} cells, the first line has {len(head)}.",
                        "Fetch the file again.",
                    )
                if PART not in place or row[place[PART]].strip() == part:
                    md5 = row[place[SUM]].strip() if SUM in place else ""
                    yield _wanted(
                        row[place["ImageID"]], row[place["OriginalURL"]], md5, path, number
                    )
        except csv.Error as error:
            raise DataError(f"{path} is not a whole csv: {error}.", "Fetch it again.") from error


def _wanted(name: str, url: str, md5: str, path: Path, number: int) -> Wanted:
    name = name.strip()
    if not _ID.fullmatch(name):
        raise DataError(
            f"{path}, row {number}: the id {name!r:.60} cannot be a file's name.",
            "Expected letters, digits, - and _.",
        )
    try:
        digest = base64.b64decode(md5, validate=True)
    except (binascii.Error, ValueError):
        digest = b"?"
    if len(digest) not in (0, 16):
        raise DataError(f"{path}, row {number}: {md5!r:.40} is no MD5 in base64.")
    return Wanted(name, url.strip(), digest)
