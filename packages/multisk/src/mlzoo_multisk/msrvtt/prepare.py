"""``mlzoo data prepare msrvtt``: shards of the published pickles, or of lists and features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlzoo.progress import Progress
from mlzoo_multisk.benchmark.files import layout_of
from mlzoo_multisk.benchmark.part import refuse_shared
from mlzoo_multisk.benchmark.prepare_config import PrepareMsrvttOptions
from mlzoo_multisk.benchmark.preparing import make_shards, refuse_existing
from mlzoo_multisk.msrvtt.files import TEST_FILES
from mlzoo_multisk.msrvtt.loading import read_parts


def prepare(root: Path, options: PrepareMsrvttOptions, progress: Progress) -> Mapping[str, object]:
    """Make ``shards/test`` and ``shards/train``.

    Args:
        root: the dataset's folder, where the files lie.
        options: what to make them of.
        progress: told how many clips are done.

    Returns:
        Facts of what was made.

    Raises:
        UsageError: shards are there already.
        DataError: a file is missing, damaged or hostile, or a test video is in the training list.
        RunError: a file cannot be written.
    """
    refuse_existing(root)
    layout = layout_of(root, TEST_FILES, options.layout)
    progress.message(f"reading the {layout} layout")
    parts = read_parts(root, options.train_list, layout)
    if parts.train is not None:
        refuse_shared(parts.test, parts.train, str(root))
    return make_shards(root, parts, options.shard_megabytes, progress)
