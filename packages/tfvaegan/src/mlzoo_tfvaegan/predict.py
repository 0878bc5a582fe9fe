"""Classes of new features, ``mlzoo predict RUN INPUT...``.

An input is a .mat in the published format (``features``, a column a sample, and perhaps
``image_files``), an .npy or .npz (``features``) with a row a sample, or a csv of numbers alone, with a
line a sample. Features are raw, as the training set's files hold them. A label is never read.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mlzoo.data.readers import ArraySpec, check_array, read_mat, read_npy, read_npz
from mlzoo.errors import DataError, UsageError
from mlzoo.progress import Progress
from mlzoo_tfvaegan.zero_shot import Features, ZeroShotData

MARGIN = 1.0
"""How far beyond the range of the scaled training features, as a share of its width, is near."""
SHARE = 0.01
"""The share of values farther than that of which nothing is said."""
_MATRIX = ArraySpec(ndim=2, kinds="fiu", finite=True)


class Classifier(Protocol):
    """What is asked of a model of the task."""

    def classify(self, features: Features) -> Mapping[str, npt.NDArray[Any]]:
        """Scaled features [n, R] to ``scores`` [n, classes] and ``unseen_scores`` [n, unseen]."""


def predict(
    model: Classifier, data: ZeroShotData, inputs: Sequence[Path], progress: Progress
) -> dict[str, Sequence[Any] | npt.NDArray[Any]]:
    """The class of new samples, among all classes and among unseen ones.

    Args:
        model: trained on ``data``.
        data: tells widths, scaling, and what the classes are called.
        inputs: .mat, .npy, .npz or .csv files.
        progress: told of features far outside the training range.

    Returns:
        ``input`` (if there are several), ``row``, from 0 in each, ``file`` (if all inputs name
        theirs); ``predicted``, the likeliest class; ``score``, the softmax of the scores there;
        ``seen``, whether that class is a seen one; ``predicted_unseen``, the likeliest unseen class.

    Raises:
        UsageError: an input is of another kind.
        DataError: an input is damaged, or shaped unlike the training set.
    """
    parts = [_read(path, data.features.shape[1]) for path in inputs]
    scaled = np.concatenate([_scaled(part, data, progress) for part in parts])  # [n, R]
    found = model.classify(scaled)
    best = found["scores"].argmax(axis=1)
    unseen = found["unseen_scores"].argmax(axis=1)
    names = np.array(data.class_names)
    predicted = data.classes[best]
    return {
        **_origin(parts),
        "predicted": names[predicted],
        "score": softmax(found["scores"])[np.arange(len(best)), best],
        "seen": np.isin(predicted, data.seen),
        "predicted_unseen": names[data.unseen[unseen]],
    }


def softmax(scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """[n, k] to rows that sum to 1; of log-probabilities it gives the probabilities."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: npt.NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
    return shares


@dataclass(frozen=True, eq=False)
class _Input:
    """The samples of one file."""

    path: Path
    features: npt.NDArray[Any]  # [n, R]
    files: list[str] | None

    def __len__(self) -> int:
        return len(self.features)


def _origin(parts: Sequence[_Input]) -> dict[str, Sequence[Any]]:
    columns: dict[str, Sequence[Any]] = {}
    if len(parts) > 1:
        columns["input"] = [str(part.path) for part in parts for _ in range(len(part))]
    columns["row"] = [row for part in parts for row in range(len(part))]
    files = [part.files for part in parts if part.files is not None]
    if len(files) == len(parts):
        columns["file"] = [name for names in files for name in names]
    return columns


def _read(path: Path, width: int) -> _Input:
    readers = {".mat": _read_mat, ".npy": _read_npy, ".npz": _read_npz, ".csv": _read_csv}
    if path.suffix.lower() not in readers:
        raise UsageError(
            f"{path} cannot be predicted; expected features in a .mat, .npy, .npz or .csv file"
        )
    found = readers[path.suffix.lower()](path)
    _check_width(path, found.features, width)
    return found


def _read_mat(path: Path) -> _Input:
    found = read_mat(path, ["features"], optional=["image_files"])
    features, files = found["features"], found.get("image_files")
    if isinstance(features, list):
        raise DataError(f"{path}: variable 'features' is text; expected numbers.")
    check_array(features, _MATRIX, f"{path}: variable 'features'")
    if not isinstance(files, list):
        return _Input(path, features.T, None)
    if len(files) != features.shape[1]:
        raise DataError(
            f"{path}: 'image_files' names {len(files)} samples, 'features' has "
            f"{features.shape[1]} columns, one a sample."
        )
    return _Input(path, features.T, files)


def _read_npy(path: Path) -> _Input:
    return _Input(path, read_npy(path, _MATRIX), None)


def _read_npz(path: Path) -> _Input:
    return _Input(path, read_npz(path, {"features": _MATRIX})["features"], None)


def _read_csv(path: Path) -> _Input:
    rows: list[list[float]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            for cells in filter(None, lines):
                rows.append([float(cell) for cell in cells])
                if len(cells) != len(rows[0]):
                    raise ValueError(
                        f"{len(cells)} numbers, and the first sample has {len(rows[0])}"
                    )
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no csv file in UTF-8.") from error
    except (ValueError, csv.Error) as error:
        raise DataError(
            f"{path}, line {lines.line_num}: {error}.",
            "Expected numbers alone, a line a sample, without a heading.",
        ) from error
    if not rows:
        raise DataError(f"{path} holds no sample; expected a line of numbers for each.")
    features = np.array(rows)
    check_array(features, _MATRIX, str(path))
    return _Input(path, features, None)


def _check_width(path: Path, features: npt.NDArray[Any], width: int) -> None:
    """Of a .mat samples are columns, else rows; here they are rows."""
    if features.shape[1] == width and len(features):
        return
    is_mat = path.suffix.lower() == ".mat"
    line = "column" if is_mat else "row"
    shape = features.T.shape if is_mat else features.shape
    fix = "These are other features than the run was trained with."
    if len(features) == width:
        fix = f"They look transposed: a sample is a {line} here."
    raise DataError(
        f"{path}: the features are {shape[0]} x {shape[1]}; expected a {line} of {width} numbers for "
        "each sample, as in the training set.",
        fix,
    )


def _scaled(found: _Input, data: ZeroShotData, progress: Progress) -> Features:
    """As the model was trained. Features of another network or of another scale are shaped right and
    predicted wrong."""
    with np.errstate(over="ignore"):
        scaled = data.scaler.transform(found.features)  # [n, R]
    train = data.train.features
    low, high = float(train.min()), float(train.max())
    margin = MARGIN * (high - low)
    outside = ~((scaled >= low - margin) & (scaled <= high + margin))
    share = float(outside.mean())
    if not share:
        return scaled
    row, column = np.argwhere(outside)[0]
    seen = data.features[data.split.train, column]
    what = (
        f"{found.features[row, column]:g} in row {row}, column {column}, which reaches from "
        f"{seen.min():g} to {seen.max():g} in the training set"
    )
    if not np.isfinite(scaled).all():
        raise DataError(f"{found.path} holds values too large to be features, e.g. {what}.")
    if share > SHARE:
        progress.message(
            f"warning: {found.path}: {share:.0%} of the values lie far outside the training range, "
            f"e.g. {what}: are these the same features, scaled as little?"
        )
    return scaled
