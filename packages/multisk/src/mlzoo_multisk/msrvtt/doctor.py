"""Doctor of MSR-VTT: which layout a copy has, what lacks or is wrong, what it may be compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlzoo.contracts import Finding
from mlzoo_multisk.benchmark.examination import examined
from mlzoo_multisk.dataset_config import MsrvttOptions
from mlzoo_multisk.msrvtt.files import TEST_FILES
from mlzoo_multisk.msrvtt.loading import load, read_parts


def examine(root: Path, options: MsrvttOptions) -> Sequence[Finding]:
    """All findings about the copy of MSR-VTT in ``root``; every clip is read."""
    return examined(
        root,
        TEST_FILES,
        options,
        read=lambda: read_parts(root, options.train_list),
        load=lambda: load(root, options),
    )
