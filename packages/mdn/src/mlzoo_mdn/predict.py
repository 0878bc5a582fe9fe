"""Probabilities for new images with their metadata, ``mlzoo predict RUN INPUT...``.

An input is a csv, with the column ``file`` and the columns of metadata that the model was trained
with, in any order and among others; or an npz file with ``images``, ``metadata`` and, to be safe,
``metadata_names``. A label is never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.data.readers import read_npz
from mlzoo.errors import DataError, UsageError, did_you_mean
from mlzoo.progress import Progress
from mlzoo_mdn.confounded import ConfoundedData, ConfoundedSplit
from mlzoo_mdn.image_arrays import IMAGES, METADATA, NAMES, as_images, as_metadata, names_of
from mlzoo_mdn.image_files import read_images
from mlzoo_mdn.image_table import image_names
from mlzoo_mdn.model import MDN
from mlzoo_mdn.table import read_table

MARGIN = 0.1
"""How far beyond the training range, as a share of its width, nothing is said."""


def predict(
    model: MDN, data: ConfoundedData, inputs: Sequence[Path], progress: Progress
) -> dict[str, Sequence[Any] | npt.NDArray[Any]]:
    """The label of new images.

    Args:
        model: trained on ``data``.
        data: tells shapes, metadata columns and what the labels are called.
        inputs: .csv or .npz files.
        progress: told which label the probability belongs to, and of values outside the training
            range.

    Returns:
        ``input`` (if there are several), ``file`` (if all are csv) or ``row``, from 0 in each
        input; ``probability`` of the second label; ``predicted``, the label's name.

    Raises:
        UsageError: an input is neither csv nor npz.
        DataError: a column, array or image is missing, damaged or shaped unlike the training set.
    """
    needs_metadata = model.config.network != "baseline"
    parts = [_read(path, data, needs_metadata, progress) for path in inputs]
    samples = ConfoundedSplit(
        images=np.concatenate([part.images for part in parts]),
        label=np.zeros(sum(map(len, parts)), dtype=np.int64),  # unknown
        metadata=np.concatenate([part.metadata for part in parts]),
    )
    if needs_metadata:
        _warn_of_extrapolation(samples, data, progress)
    model.data = replace(data, inputs=samples)
    probability = model.predict("inputs")["probability"]
    first, second = data.label_names
    if data.label_names != ("0", "1"):
        progress.message(f"probability is that of {second!r}, the other label is {first!r}")
    return {**_origin(parts), "probability": probability, "predicted": np.where(probability > 0.5, second, first)}


@dataclass(frozen=True, eq=False)
class _Input:
    """The samples of one file."""

    path: Path
    images: npt.NDArray[np.float32]  # [n, C, H, W]
    metadata: npt.NDArray[np.float64]  # [n, k]
    files: list[str] | None

    def __len__(self) -> int:
        return len(self.images)


def _origin(parts: Sequence[_Input]) -> dict[str, Sequence[Any]]:
    columns: dict[str, Sequence[Any]] = {}
    if len(parts) > 1:
        columns["input"] = [str(part.path) for part in parts for _ in range(len(part))]
    files = [part.files for part in parts if part.files is not None]
    if len(files) == len(parts):
        columns["file"] = [name for names in files for name in names]
    else:
        columns["row"] = [row for part in parts for row in range(len(part))]
    return columns


def _read(path: Path, data: ConfoundedData, needs_metadata: bool, progress: Progress) -> _Input:
    readers = {".csv": _read_table, ".npz": _read_arrays}
    if path.suffix.lower() not in readers:
        raise UsageError(
            f"{path} cannot be predicted; expected a .csv of image files and metadata, or a .npz"
        )
    found = readers[path.suffix.lower()](path, data, needs_metadata, progress)
    expected = data.train.images.shape[1:]
    if found.images.shape[1:] != expected:
        raise DataError(
            f"{path}: an image has shape {list(found.images.shape[1:])}; "
            f"expected {list(expected)} as in the training set"
        )
    if not len(found) or len(found.metadata) != len(found):
        raise DataError(
            f"{path}: {len(found)} images and {len(found.metadata)} rows of metadata; "
            "expected as many of each, and at least one"
        )
    _warn_of_range(found, data, progress)
    return found
