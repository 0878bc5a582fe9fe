"""The datasets of the task ``confounded-classification``: ``synthetic`` and ``custom``.

``custom`` is a folder of a user's own images with ``train.npz``, ``test.npz`` and, if there is one,
``val.npz``. Each holds

    images          uint8 (scaled to [0, 1]) or float (as they are), [N, H, W] or [N, C, H, W]
    label           0 or 1, [N]
    metadata        the nuisance columns, [N] or [N, k]
    metadata_names  optional text, [k]
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.data.readers import ArraySpec, read_npz
from mlzoo.errors import DataError, UsageError
from mlzoo.files import write_arrays
from mlzoo_mdn.confounded import LABELS, ConfoundedData, ConfoundedSplit
from mlzoo_mdn.dataset_config import CustomOptions, SyntheticOptions
from mlzoo_mdn.synthetic import (
    CEILING_TRUE_EFFECT,
    CEILING_WITH_CONFOUNDER,
    RANGES,
    generate_independent,
    generate_splits,
)

CEILINGS = {
    "true effect": 100 * CEILING_TRUE_EFFECT,
    "with the confounder": 100 * CEILING_WITH_CONFOUNDER,
}
DEMO_GROUP_SIZES = {"train": 60, "val": 20, "test": 40}
REQUIRED = {
    "images": ArraySpec(kinds="uf"),
    "label": ArraySpec(kinds="biuf"),
    "metadata": ArraySpec(kinds="biuf"),
}
OPTIONAL = {"metadata_names": ArraySpec(ndim=1, kinds="U")}


def load_synthetic(root: Path, options: SyntheticOptions) -> ConfoundedData:
    """The synthetic experiment of the paper; made in memory, so that ``root`` is not read."""
    groups = generate_splits(options.group_size, options.data_seed, options.streams)
    splits = {
        name: ConfoundedSplit(
            images=np.ascontiguousarray(group.images, dtype=np.float32),  # [2N, 1, 32, 32]
            label=group.labels,
            metadata=group.confounder[:, None],  # [2N, 1]
        )
        for name, group in groups.items()
    }
    return ConfoundedData(
        **splits,
        metadata_names=("confounder",),
        ceilings=CEILINGS,
        facts={"version": f"{options.streams} streams, seed {options.data_seed}"},
    )


def load_custom(root: Path, options: CustomOptions) -> ConfoundedData:
    """A user's own images from the npz files below ``root``; the module says what they hold.

    Without ``val.npz``, a share of each label of train becomes val.

    Raises:
        DataError: a file is missing, damaged, lacks an array or holds something unusable.
    """
    train, names = _read_split(root / "train.npz")
    if names is None:
        names = tuple(f"metadata_{column + 1}" for column in range(train.metadata.shape[1]))
    test = _read_like(train, names, root / "test.npz")
    if (root / "val.npz").exists():
        val = _read_like(train, names, root / "val.npz")
        origin = "val.npz"
    else:
        train, val = _without_val(train, options, root / "train.npz")
        origin = (
            f"{options.val_fraction:.4g} of each label of train.npz, chosen by seed "
            f"{options.split_seed}, as val.npz is absent"
        )
    return ConfoundedData(
        train=train, val=val, test=test, metadata_names=names, facts={"val": origin}
    )


def write_custom_demo(root: Path, seed: int = 0) -> dict[str, object]:
    """Writes a small ``custom`` folder of synthetic images, and says what is planted in them.

    All files are written aside and moved into place once they are whole.

    Raises:
        UsageError: one of the files is there already; it might be somebody's data.
    """
    paths = {split: root / f"{split}.npz" for split in DEMO_GROUP_SIZES}
    for path in paths.values():
        if path.exists():
            raise UsageError(f"{path} exists", fix="Move it away, or choose another folder.")
    root.mkdir(parents=True, exist_ok=True)
    seeds = np.random.SeedSequence(seed).spawn(len(paths))
    with tempfile.TemporaryDirectory(prefix=".demo-", dir=root) as aside:
        for (split, path), child in zip(paths.items(), seeds, strict=True):
            groups = generate_independent(DEMO_GROUP_SIZES[split], child)
            arrays: dict[str, npt.NDArray[Any]] = {
                "images": groups.images[:, 0].astype(np.float32),  # [2N, 32, 32]
                "label": groups.labels,
                "metadata": groups.confounder,
                "metadata_names": np.array(["confounder"]),
            }
            write_arrays(Path(aside) / path.name, arrays)
        for path in paths.values():
            os.replace(Path(aside) / path.name, path)
    ranges = {f"label {label}": list(RANGES[label]) for label in LABELS}
    return {
        "main_effect": {"distribution": "uniform", **ranges},
        "confounder": {"distribution": "uniform", **ranges},
        "accuracy_ceilings": dict(CEILINGS),
        "images_of_each_label": dict(DEMO_GROUP_SIZES),
    }


def _read_like(train: ConfoundedSplit, names: tuple[str, ...], path: Path) -> ConfoundedSplit:
    """A split whose samples have the shapes and metadata columns of train."""
    split, found = _read_split(path)
    split.check_like(train, str(path))
    if found is not None and found != names:
        raise DataError(
            f"{path}: metadata_names are {', '.join(found)}; "
            f"expected {', '.join(names)} as in train.npz"
        )
    return split


def _read_split(path: Path) -> tuple[ConfoundedSplit, tuple[str, ...] | None]:
    """The checked split in a file and the names of its metadata columns, if it has any."""
    arrays = read_npz(path, REQUIRED, optional=OPTIONAL)
    images, label, metadata = (arrays[name] for name in REQUIRED)
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise DataError(f"{path}: images have type {images.dtype}; expected uint8 or float")
    if images.ndim not in (3, 4):
        raise DataError(
            f"{path}: images have shape {list(images.shape)}; expected [N, H, W] or [N, C, H, W]"
        )
    scale = 255 if images.dtype == np.uint8 else 1
    images = np.divide(images, scale, dtype=np.float32, casting="same_kind")
    split = ConfoundedSplit(
        images=images if images.ndim == 4 else images[:, None],
        # A wrong label is left as it is, for the check to show it.
        label=label.astype(np.int64) if np.isin(label, LABELS).all() else label,
        metadata=(metadata if metadata.ndim != 1 else metadata[:, None]).astype(np.float64),
    )
    split.check(str(path))
    names = arrays.get("metadata_names")
    if names is None:
        return split, None
    if names.shape != split.metadata.shape[1:]:
        raise DataError(
            f"{path}: metadata_names has shape {list(names.shape)}; "
            f"expected {list(split.metadata.shape[1:])}, a name for each column"
        )
    return split, tuple(str(name) for name in names)


def _without_val(
    train: ConfoundedSplit, options: CustomOptions, path: Path
) -> tuple[ConfoundedSplit, ConfoundedSplit]:
    """Train without a seeded share of each label, and that share."""
    random = np.random.default_rng(options.split_seed)
    chosen = np.zeros(len(train), dtype=bool)
    for label, rows in zip(LABELS, train.rows_by_label(), strict=True):
        count = max(1, round(options.val_fraction * len(rows)))
        if count >= len(rows):
            raise DataError(
                f"{path}: {len(rows)} samples of label {label} are too few to take "
                f"{options.val_fraction:.4g} of them for val",
                fix="Add val.npz, or choose another val_fraction.",
            )
        chosen[random.permutation(rows)[:count]] = True
    return train.take(np.flatnonzero(~chosen)), train.take(np.flatnonzero(chosen))
