"""``mlzoo data prepare youcook2``: shards of the published pickles, or of lists and features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlzoo.progress import Progress
from mlzoo_multisk.benchmark.prepare_config import PrepareYouCook2Options
from mlzoo_multisk.benchmark.preparing import prepared
from mlzoo_multisk.youcook2.files import TEST_FILES
from mlzoo_multisk.youcook2.loading import read_parts


def prepare(
    root: Path, options: PrepareYouCook2Options, progress: Progress
) -> Mapping[str, object]:
    """Make ``shards/test`` and ``shards/train``; see :func:`~mlzoo_multisk.benchmark.preparing.prepared`."""
    return prepared(root, TEST_FILES, options, progress, lambda layout: read_parts(root, layout))
