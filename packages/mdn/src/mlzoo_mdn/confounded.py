"""Data of the task ``confounded-classification``: images, a binary label, nuisance metadata.

A model of the task learns the label from the images of ``train``, may look at the metadata of every
sample, and predicts these arrays for a split of n samples:

    probability  float [n]     of label 1
    label        int   [n]     the true label, 0 or 1
    metadata     float [n, k]  the nuisance columns
    features     float [n, f]  what the last layer sees; ideally free of the metadata
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import first_not_finite
from mlzoo.data.fingerprint import fingerprint
from mlzoo.errors import DataError, UsageError
from mlzoo_mdn.image_files import ImageFormat
from mlzoo_mdn.table import MetadataColumn

LABELS = (0, 1)
TYPES = {"images": np.float32, "label": np.int64, "metadata": np.float64}


@dataclass(frozen=True, eq=False)
class ConfoundedSplit:
    """The samples of one split.

    Attributes:
        images: float32 [N, C, H, W].
        label: int64 [N], 0 or 1.
        metadata: float64 [N, k], the nuisance columns alone: neither the label nor an intercept.
    """

    images: npt.NDArray[np.float32]
    label: npt.NDArray[np.int64]
    metadata: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.label)

    def take(self, index: npt.NDArray[np.int64]) -> ConfoundedSplit:
        """The samples at ``index``, int64 [M], in that order."""
        return ConfoundedSplit(self.images[index], self.label[index], self.metadata[index])

    def rows_by_label(self) -> list[npt.NDArray[np.int64]]:
        """The rows of label 0 and those of label 1, ascending."""
        return [np.flatnonzero(self.label == label) for label in LABELS]

    def check(self, source: str) -> None:
        """Raises DataError naming ``source``, the array and the row where a promise is broken."""
        self._check_shapes(source)
        for name, array in self.arrays().items():
            where = _first_wrong_label(array) if name == "label" else first_not_finite(array)
            if where is not None:
                expected = "0 or 1" if name == "label" else "a finite number"
                raise DataError(
                    f"{source}: {name} holds {array[where]} in row {where[0]}; expected {expected}"
                )
            if array.dtype != TYPES[name]:
                raise DataError(
                    f"{source}: {name} has type {array.dtype}; expected {np.dtype(TYPES[name])}"
                )
        for label, rows in zip(LABELS, self.rows_by_label(), strict=True):
            if not rows.size:
                raise DataError(f"{source}: no sample has label {label}; both labels are needed")

    def _check_shapes(self, source: str) -> None:
        if self.images.ndim != 4 or self.label.ndim != 1 or self.metadata.ndim != 2:
            raise DataError(
                f"{source}: expected images [N, C, H, W], label [N] and metadata [N, k], found "
                + ", ".join(f"{name} {list(array.shape)}" for name, array in self.arrays().items())
            )
        for name, array in self.arrays().items():
            if len(array) != len(self.label) or not array.size:
                raise DataError(
                    f"{source}: {name} has shape {list(array.shape)} beside {len(self)} labels; "
                    "expected one row for each label, and no empty axis"
                )

    def check_like(self, train: ConfoundedSplit, source: str) -> None:
        """Raises DataError naming ``source`` if a sample is shaped unlike those of ``train``."""
        for name, expected in train.arrays().items():
            found = self.arrays()[name]
            if found.shape[1:] != expected.shape[1:]:
                raise DataError(
                    f"{source}: a row of {name} has shape {list(found.shape[1:])}; "
                    f"expected {list(expected.shape[1:])} as in train"
                )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The three arrays by name."""
        return {"images": self.images, "label": self.label, "metadata": self.metadata}

    def describe(self) -> dict[str, Any]:
        """Counts and ranges as JSON values."""
        return {
            "samples": len(self),
            "samples_by_label": [len(rows) for rows in self.rows_by_label()],
            "image_range": [float(self.images.min()), float(self.images.max())],
            "metadata_range": [
                [float(column.min()), float(column.max())] for column in self.metadata.T
            ],
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class ConfoundedData:
    """Three checked splits of one image size and one set of metadata columns.

    Attributes:
        metadata_names: one for each of the k columns.
        ceilings: known best accuracies in percent, by what they rest on.
        facts: what ``describe`` adds: the version, how a split was made and the like (JSON values).
        label_names: what the user calls the labels 0 and 1.
        columns: the columns of a table that the metadata came from; numbers if none are given.
        image_format: how image files became arrays.
        inputs: new samples to predict, whose label is unknown (and 0). They are neither scored nor
            part of the fingerprint.

    Raises:
        DataError: a split is empty, mis-shaped, not finite, lacks a label or differs from train.
    """

    train: ConfoundedSplit
    val: ConfoundedSplit
    test: ConfoundedSplit
    metadata_names: tuple[str, ...]
    ceilings: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    label_names: tuple[str, str] = ("0", "1")
    columns: tuple[MetadataColumn, ...] = ()
    image_format: ImageFormat = field(default_factory=ImageFormat)
    inputs: ConfoundedSplit | None = None

    def __post_init__(self) -> None:
        if not self.columns:
            numbers = tuple(MetadataColumn(name) for name in self.metadata_names)
            object.__setattr__(self, "columns", numbers)
        for name, split in self.all_splits().items():
            split.check(name)
            split.check_like(self.train, name)
        if len(self.metadata_names) != self.train.metadata.shape[1]:
            raise DataError(
                f"expected a name for each of {self.train.metadata.shape[1]} metadata columns, "
                f"found {len(self.metadata_names)}: {', '.join(self.metadata_names)}"
            )

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are scored."""
        return ("val", "test")

    def all_splits(self) -> dict[str, ConfoundedSplit]:
        """Every split by name, ``train`` first."""
        return {"train": self.train, "val": self.val, "test": self.test}

    def __getitem__(self, split: str) -> ConfoundedSplit:
        if split == "inputs" and self.inputs is not None:
            return self.inputs
        return self.all_splits()[split]

    def fingerprint(self) -> str:
        """SHA-256 over name, type, shape and bytes of every array."""
        return fingerprint(
            {
                f"{split}.{name}": array
                for split, samples in self.all_splits().items()
                for name, array in samples.arrays().items()
            }
        )

    def describe(self) -> Mapping[str, Any]:
        """Counts, shapes and ranges of every split as JSON values."""
        return {
            "image_shape": list(self.train.images.shape[1:]),
            "metadata": list(self.metadata_names),
            "splits": {name: split.describe() for name, split in self.all_splits().items()},
            **self.facts,
        }

    def limited(self, count: int) -> Self:
        """At most ``count`` samples a split: the first of each label, half and half.

        Raises:
            UsageError: ``count`` is below 2, which cannot hold both labels.
        """
        if count < 2:
            raise UsageError(
                f"cannot limit the data to {count} samples a split: there are two labels",
                fix="Use a limit of 2 or more.",
            )
        return replace(
            self,
            train=_first_of_each_label(self.train, count),
            val=_first_of_each_label(self.val, count),
            test=_first_of_each_label(self.test, count),
        )

    def references(self) -> Mapping[str, Mapping[str, float]]:
        """Chance levels and ceilings by metric, in the metric's unit.

        The chance level of the accuracy is the share of the more frequent label of test.
        """
        frequent = max(len(rows) for rows in self.test.rows_by_label())
        return {
            "accuracy": {"chance": 100 * frequent / len(self.test), **self.ceilings},
            "balanced_accuracy": {"chance": 50.0, **self.ceilings},
            # Not dcor2_pooled: where label and metadata go together, even ideal features keep some.
            **{metric: {"independent": 0.0} for metric in ("dcor2_0", "dcor2_1", "probe_r2")},
        }


def _first_wrong_label(label: npt.NDArray[Any]) -> tuple[int, ...] | None:
    wrong = np.flatnonzero(~np.isin(label, LABELS))
    return (int(wrong[0]),) if wrong.size else None


def stratified_share(
    label: npt.NDArray[np.int64], fraction: float, random: np.random.Generator, what: str
) -> npt.NDArray[np.bool_]:
    """A random share of each label, at least one sample of it: a mask, bool [N].

    Raises:
        DataError: nothing of a label would be left; names ``what``.
    """
    chosen = np.zeros(len(label), dtype=bool)
    for value in LABELS:
        rows = np.flatnonzero(label == value)
        count = max(1, round(fraction * len(rows)))
        if count >= len(rows):
            raise DataError(
                f"{what}: {len(rows)} samples of label {value} are too few to take "
                f"{fraction:.4g} of them",
                fix="Say yourself which samples belong to which split, or choose another fraction.",
            )
        chosen[random.permutation(rows)[:count]] = True
    return chosen


def _first_of_each_label(split: ConfoundedSplit, count: int) -> ConfoundedSplit:
    shares = ((count + 1) // 2, count // 2)
    rows = [rows[:share] for rows, share in zip(split.rows_by_label(), shares, strict=True)]
    return split.take(np.sort(np.concatenate(rows)))
