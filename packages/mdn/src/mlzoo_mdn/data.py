"""The datasets of the task ``confounded-classification``: ``synthetic`` and ``images``.

``images`` is a folder of a user's own data in one of two layouts: ``images.csv`` beside image files
(:mod:`mlzoo_mdn.image_table`), or npz files (:mod:`mlzoo_mdn.image_arrays`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlzoo.errors import DataError, UsageError
from mlzoo_mdn.confounded import ConfoundedData, ConfoundedSplit
from mlzoo_mdn.dataset_config import ImagesOptions, SyntheticOptions
from mlzoo_mdn.image_arrays import load_arrays
from mlzoo_mdn.image_table import TABLE, load_table
from mlzoo_mdn.synthetic import CEILING_TRUE_EFFECT, CEILING_WITH_CONFOUNDER, generate_splits

CEILINGS = {
    "true effect": 100 * CEILING_TRUE_EFFECT,
    "with the confounder": 100 * CEILING_WITH_CONFOUNDER,
}
TABLE_OPTIONS = ("test_fraction", "metadata", "image_size", "color")


def load_synthetic(root: Path, options: SyntheticOptions) -> ConfoundedData:
    """The synthetic experiment of the paper; made in memory, so that ``root`` is not read."""
    groups = generate_splits(options.group_size, options.data_seed, options.streams)

    def split(name: str) -> ConfoundedSplit:
        return ConfoundedSplit(
            images=np.ascontiguousarray(groups[name].images, dtype=np.float32),  # [2N, 1, 32, 32]
            label=groups[name].labels,
            metadata=groups[name].confounder[:, None],  # [2N, 1]
        )

    return ConfoundedData(
        train=split("train"),
        val=split("val"),
        test=split("test"),
        metadata_names=("confounder",),
        ceilings=CEILINGS,
        facts={"version": f"{options.streams} streams, seed {options.data_seed}"},
    )


def load_images(root: Path, options: ImagesOptions) -> ConfoundedData:
    """A user's own images below ``root``, from ``images.csv`` or from npz files.

    Raises:
        DataError: a file is missing, damaged or holds something unusable, or both layouts are there.
        UsageError: an option of the other layout is set.
    """
    if not (root / TABLE).exists():
        for name in TABLE_OPTIONS:
            if getattr(options, name) != ImagesOptions.model_fields[name].default:
                raise UsageError(
                    f"--{name.replace('_', '-')} belongs to {TABLE}, and {root} holds npz files"
                )
        return load_arrays(root, options)
    arrays = sorted(path.name for path in root.glob("*.npz"))
    if arrays:
        raise DataError(
            f"{root} holds both {TABLE} and {', '.join(arrays)}", fix="Move one of them away."
        )
    return load_table(root, options)
