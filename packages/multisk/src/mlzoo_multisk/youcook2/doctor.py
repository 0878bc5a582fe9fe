"""Doctor of YouCook2: which layout a copy has, what lacks or is wrong, what it may be compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlzoo.contracts import Finding
from mlzoo_multisk.benchmark.examination import examined
from mlzoo_multisk.dataset_config import YouCook2Options
from mlzoo_multisk.youcook2.files import TEST_FILES
from mlzoo_multisk.youcook2.loading import load, read_parts


def examine(root: Path, options: YouCook2Options) -> Sequence[Finding]:
    """All findings about the copy of YouCook2 in ``root``; every clip is read."""
    return examined(
        root,
        TEST_FILES,
        options,
        read=lambda: read_parts(root),
        load=lambda: load(root, options),
    )
