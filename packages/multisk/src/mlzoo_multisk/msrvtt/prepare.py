"""``mlzoo data prepare msrvtt``: shards of the published pickles, or of lists and features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlzoo.progress import Progress
from mlzoo_multisk.benchmark.prepare_config import PrepareMsrvttOptions
from mlzoo_multisk.benchmark.preparing import prepared
from mlzoo_multisk.msrvtt.files import TEST_FILES
from mlzoo_multisk.msrvtt.loading import read_parts


def prepare(root: Path, options: PrepareMsrvttOptions, progress: Progress) -> Mapping[str, object]:
    """Make ``shards/test`` and ``shards/train``; see :func:`~mlzoo_multisk.benchmark.preparing.prepared`."""
    return prepared(
        root,
        TEST_FILES,
        options,
        progress,
        lambda layout: read_parts(root, options.train_list, layout),
    )
