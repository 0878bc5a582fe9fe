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
    needs_metadata = _reads_metadata(model, data)
    parts = [_read(path, data, needs_metadata, progress) for path in inputs]
    samples = ConfoundedSplit(
        images=np.concatenate([part.images for part in parts]),
        label=np.zeros(sum(map(len, parts)), dtype=np.int64),  # unknown
        metadata=np.concatenate([part.metadata for part in parts]),
    )
    if needs_metadata:
        _warn_of_extrapolation(samples, data, progress)
    probability = _probability(model, data, samples)
    first, second = data.label_names
    if data.label_names != ("0", "1"):
        progress.message(f"probability is that of {second!r}, the other label is {first!r}")
    return {
        **_origin(parts),
        "probability": probability,
        "predicted": np.where(probability > 0.5, second, first),
    }


def _probability(
    model: MDN, data: ConfoundedData, samples: ConfoundedSplit
) -> npt.NDArray[np.float32]:
    model.data = replace(data, inputs=samples)
    try:
        return model.predict("inputs")["probability"]
    finally:
        model.data = data


def _reads_metadata(model: MDN, data: ConfoundedData) -> bool:
    """Whether a prediction depends on the metadata: NaN in one sample's then comes out again."""
    sample = data.test.take(np.arange(1))
    unknown = replace(sample, metadata=np.full_like(sample.metadata, np.nan))
    return bool(np.isnan(_probability(model, data, unknown)).any())


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


def _read_table(
    path: Path, data: ConfoundedData, needs_metadata: bool, progress: Progress
) -> _Input:
    table = read_table(path)
    files = image_names(table)
    metadata = np.zeros((len(table), len(data.metadata_names)))
    if needs_metadata:
        metadata = np.concatenate([column.encode(table) for column in data.columns], axis=1)
    images = read_images(path.parent, files, data.image_format, str(path), progress)
    return _Input(path, images, metadata, files)


def _read_arrays(
    path: Path, data: ConfoundedData, needs_metadata: bool, progress: Progress
) -> _Input:
    wanted = {"images": IMAGES, **({"metadata": METADATA} if needs_metadata else {})}
    arrays = read_npz(path, wanted, optional=NAMES if needs_metadata else None)
    images = as_images(arrays["images"], path)
    metadata = np.zeros((len(images), len(data.metadata_names)))
    if needs_metadata:
        metadata = as_metadata(arrays["metadata"])
        names = names_of(arrays, metadata, path)
        metadata = metadata[:, _order(names, metadata.shape[1], data.metadata_names, path)]
    return _Input(path, images, metadata, None)


def _order(
    names: tuple[str, ...] | None, width: int, expected: tuple[str, ...], path: Path
) -> list[int]:
    """Where the expected columns stand: by name, or as they are if the file names none.

    Raises:
        DataError: one is missing, or their number differs.
    """
    if names is None:
        if width != len(expected):
            raise DataError(
                f"{path}: metadata has {width} columns; expected {len(expected)}: "
                f"{', '.join(expected)}"
            )
        return list(range(width))
    for name in expected:
        if name not in names:
            raise DataError(f"{path}: metadata has no column {name!r}", did_you_mean(name, names))
    return [names.index(name) for name in expected]


def _warn_of_extrapolation(
    samples: ConfoundedSplit, data: ConfoundedData, progress: Progress
) -> None:
    """The layer's correction is linear in the metadata: beyond the training range it is a guess."""
    for name, train, new in zip(
        data.metadata_names, data.train.metadata.T, samples.metadata.T, strict=True
    ):
        low, high = float(train.min()), float(train.max())
        margin = MARGIN * (high - low)
        outside = np.flatnonzero((new < low - margin) | (new > high + margin))
        if outside.size:
            progress.message(
                f"warning: {name} of {outside.size} in {len(new)} samples lies outside the "
                f"training range {low:g} to {high:g}, e.g. {new[outside[0]]:g}: "
                "these predictions are extrapolated"
            )


def _warn_of_range(found: _Input, data: ConfoundedData, progress: Progress) -> None:
    """Images of another scale (0 to 255 instead of 0 to 1) are shaped right and predicted wrong."""
    low, high = float(data.train.images.min()), float(data.train.images.max())
    least, most = float(found.images.min()), float(found.images.max())
    margin = high - low
    if least < low - margin or most > high + margin:
        progress.message(
            f"warning: {found.path} has pixels from {least:g} to {most:g}, the training set from "
            f"{low:g} to {high:g}: is the scale the same?"
        )
