"""Which layout a folder has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlzoo.errors import DataError
from mlzoo_multisk.shards.index import INDEX

SHARDS = "shards"
LAYOUTS = (SHARDS, "pickle", "csv")
"""In the order in which they are preferred, where a folder has several."""


def shard_folder(root: Path, part: str) -> Path:
    """Where the shards of ``test`` or ``train`` lie."""
    return root / SHARDS / part


def layouts_of(root: Path, test_files: Mapping[str, str]) -> list[str]:
    """The layouts that a folder has, the preferred one first.

    Args:
        root: the dataset's folder.
        test_files: by layout, the file that says so.
    """
    signs = {SHARDS: shard_folder(root, "test") / INDEX}
    signs |= {layout: root / name for layout, name in test_files.items()}
    return [layout for layout in LAYOUTS if layout in signs and signs[layout].is_file()]


def layout_of(root: Path, test_files: Mapping[str, str], wanted: str = "auto") -> str:
    """The layout to read: the preferred one, or the one that is asked for.

    Raises:
        DataError: the folder does not have it.
    """
    found = [each for each in layouts_of(root, test_files) if wanted in ("auto", each)]
    if not found:
        names = [name for layout, name in test_files.items() if wanted in ("auto", layout)]
        raise DataError(f"{root} has no {' and no '.join(names)}.", "Put the files there.")
    return found[0]
