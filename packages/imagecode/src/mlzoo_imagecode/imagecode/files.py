"""Files of ImageCoDe: their names, the digests of those published, and JSON that is read with care. Imports
nothing heavy."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mlzoo.errors import DataError

TRAIN, VALID, TEST = "train_data.json", "valid_data.json", "test_data_unlabeled.json"
TRAIN_SIMPLE, VALID_SIMPLE = "train_simple.json", "valid_simple.json"
ANNOTATIONS = "analysis/manual_annotation_valid.yaml"
ANNOTATORS = "analysis/annotator_split_valid.json"
IMAGE_SETS = "image-sets"
ARCHIVE = "image-sets.zip"
PLANTED = "planted.json"

CHOICES = 10
"""Images of a set."""

PUBLISHED = {
    TRAIN: "0de229dcffd6e160208a9173b8829fa31e35db040f058170c1f770e08f305b69",
    VALID: "cb4b8482354ba9bac62b6e101f145f9e59722dcf3b3fd42583f5b6de12bc698a",
    TEST: "b8cc677826af2e5fd1a61c0d1b165054b7d27989551a4d98a15954e93e660d5b",
    VALID_SIMPLE: "8dc706273810a3518ec25d4f15c0d3f22b2b431ac4ad439f4312269449fd2800",
}
"""SHA-256 of the published descriptions."""

PUBLISHED_COUNTS = {
    TRAIN: (7317, 16594),
    VALID: (1039, 2302),
    TEST: (1046, 2306),
    VALID_SIMPLE: (1039, 2302),
}
"""Sets and descriptions of those."""

LEAKING = (
    "test_data.json",
    "vilbert_data_format/test_target.pkl",
    "vilbert_data_format/test.json",
    "test_target.pkl",
    *(f"{folder}counter2key_test.json" for folder in ("", "analysis/", "vilbert_data_format/")),
)
"""Files that tell the hidden targets of the test set; nothing here opens one."""

MAX_BYTES = 1 << 28
"""A hundred times the largest published file."""


def refuse_leaking(path: Path) -> None:
    """Refuse a file by its name alone, before it is opened.

    Raises:
        DataError: its name is that of a file with the hidden targets of the test set.
    """
    if path.name in {Path(name).name for name in LEAKING}:
        raise DataError(
            f"{path} tells the hidden targets of the test set and is not read.",
            f"Use {TEST}; tune and compare on {VALID}.",
        )


def read_text(path: Path) -> tuple[str, str]:
    """A file's text, and the SHA-256 of its bytes.

    Raises:
        DataError: missing, unreadable, larger than any such file, no UTF-8, or one that leaks.
    """
    refuse_leaking(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} has more than {MAX_BYTES:,} bytes: it is another file.")
        content = path.read_bytes()
        return content.decode("utf-8"), hashlib.sha256(content).hexdigest()
    except FileNotFoundError as error:
        raise DataError(
            f"{path} does not exist.", "Put it there: mlzoo data info imagecode."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise DataError(f"{path} cannot be read: {reason}.") from error


def read_json(path: Path) -> tuple[Any, str]:
    """What a JSON file holds, and the SHA-256 of its bytes.

    Unlike the usual reader it does not let the last of several equal keys win.

    Raises:
        DataError: as :func:`read_text`, damaged, or with a key that stands twice in one object; names the
            object and the key.
    """
    text, digest = read_text(path)
    try:
        value = json.loads(text, object_pairs_hook=_Object)
        _refuse_repeated(path, value, "")
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no whole JSON file: {error}.", "Fetch it again.") from error
    return value, digest


class _Object(dict[str, Any]):
    """An object that remembers which key stood in it twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated = ""
        if len(self) < len(pairs):
            names = [name for name, _ in pairs]
            self.repeated = next(name for name in names if names.count(name) > 1)


def _refuse_repeated(path: Path, value: Any, where: str) -> None:
    if isinstance(value, _Object):
        if value.repeated:
            place = f" of {where}" if where else ""
            raise DataError(f"{path}: the key {value.repeated!r}{place} stands twice.")
        for name, own in value.items():
            _refuse_repeated(path, own, repr(name))
    elif isinstance(value, list):
        for number, own in enumerate(value):
            _refuse_repeated(path, own, f"entry {number}")
