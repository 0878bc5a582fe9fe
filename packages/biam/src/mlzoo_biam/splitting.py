"""Which images of a training set are held out for validation."""

from __future__ import annotations

import numpy as np

from mlzoo_biam.dataset_config import NusWideOptions
from mlzoo_biam.multilabel import Index


def split_rows(count: int, options: NusWideOptions) -> tuple[Index, Index | None]:
    """Rows of train and of val, both ascending; val is None under ``none``.

    ``alphabetical`` takes the first int(0.8 N) images for training, as published: names are ordered by
    the folder they come from, so that val has other folders and another distribution. ``random``
    holds out as many by a seeded draw.
    """
    rows = np.arange(count, dtype=np.int64)
    if options.validation == "none":
        return rows, None
    first = int((1 - options.validation_share) * count)
    if options.validation == "random":
        rows = np.random.default_rng(options.validation_seed).permutation(rows)
    return np.sort(rows[:first]), np.sort(rows[first:])
