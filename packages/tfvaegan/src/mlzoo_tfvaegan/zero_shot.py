"""Data of the task ``zero-shot``: features of seen classes to learn from, class embeddings of all.

A model of the task learns from ``data.train`` (seen classes) and ``data.attributes`` (all classes), and
predicts these arrays for the split ``test``, the n rows of ``data.test``: test_seen, then test_unseen.

    label          int64   [n]                class ids from 0: rows of ``data.attributes``
    scores         float32 [n, len(classes)]  one column for each of ``data.classes``, higher is likelier
    unseen_scores  float32 [n, len(unseen)]   optional: of a model of its own for unseen classes alone,
                                              one column for each of ``data.unseen``
    classes        int64   [classes]          ``data.classes`` and
    unseen         int64   [unseen]           ``data.unseen``; optional, without them two runs cannot be
                                              compared by the task's paired test

Without ``unseen_scores`` the columns of the unseen classes in ``scores`` stand in for it. Rows of seen
classes in ``unseen_scores`` are not read.

A split is a choice of rows of one feature matrix; the split for validation makes a second, smaller
world of the same type (``data.validation``), in which val classes act as unseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import MinMaxScaler

from mlzoo.data.fingerprint import fingerprint
from mlzoo.errors import UsageError
from mlzoo_tfvaegan.promises import check_arrays, check_split, check_untested
from mlzoo_tfvaegan.scaling import Scaler, ScalingName

Index = npt.NDArray[np.int64]
Features = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows to learn from or to classify.

    Attributes:
        features: float32 [n, R], scaled.
        label: int64 [n], class ids from 0.
    """

    features: Features
    label: Index

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True, eq=False)
class Split:
    """Which rows of the feature matrix are what: int64 indices from 0, in the order of the files."""

    train: Index
    test_seen: Index
    test_unseen: Index

    def arrays(self) -> dict[str, Index]:
        """The three by name."""
        return {
            "train": self.train,
            "test_seen": self.test_seen,
            "test_unseen": self.test_unseen,
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class ZeroShotData:
    """One world: features, class embeddings, and which rows are train, test_seen and test_unseen.

    Attributes:
        features: [N, R], float32 or float64, as they are on file.
        label: int64 [N], class ids from 0.
        attributes: float32 [C, A], the class embeddings with rows of length 1.
        class_names: of all C classes.
        split: the split of the benchmark.
        validation_split: the same within the training classes, for the rule ``val``.
        scaling: of the features, fitted on the training rows alone.
        facts: what ``describe`` adds (JSON values): split version, what was derived, and the like.
        ceilings: known best values by metric, of a world with a planted answer.
        incomparable: why the published numbers do not speak of this data; empty if they do.

    Raises:
        DataError: an array is not as promised here, a part is empty, a sample in two parts, a class
            both seen and unseen, or a test sample in the split for validation.
    """

    features: npt.NDArray[np.floating[Any]]
    label: Index
    attributes: npt.NDArray[np.float32]
    class_names: tuple[str, ...]
    split: Split
    validation_split: Split | None = None
    scaling: ScalingName = "minmax"
    facts: Mapping[str, Any] = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)
    incomparable: str = ""

    def __post_init__(self) -> None:
        check_arrays(self.features, self.label, self.attributes, self.class_names)
        check_split(self.split.arrays(), self.label, "split")
        if self.validation_split is not None:
            parts = self.validation_split.arrays()
            check_split(parts, self.label, "validation_split")
            check_untested(parts, np.append(self.split.test_seen, self.split.test_unseen))

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are scored."""
        return ("test",)

    @cached_property
    def seen(self) -> Index:
        """Ids of the training classes, ascending."""
        return np.unique(self.label[self.split.train])

    @cached_property
    def unseen(self) -> Index:
        """Ids of the classes of ``test_unseen``, ascending."""
        return np.unique(self.label[self.split.test_unseen])

    @cached_property
    def classes(self) -> Index:
        """Ids of all classes of this world, ascending: the columns of ``scores``."""
        return np.union1d(self.seen, self.unseen)

    @cached_property
    def scaler(self) -> Scaler:
        """Fitted on the training rows of this world."""
        return Scaler.fit(self.features, self.split.train, self.scaling)

    @cached_property
    def train(self) -> Samples:
        """Samples of seen classes to learn from."""
        return self._samples(self.split.train)

    @cached_property
    def test(self) -> Samples:
        """test_seen, then test_unseen."""
        return self._samples(np.concatenate([self.split.test_seen, self.split.test_unseen]))

    @property
    def test_seen(self) -> Samples:
        """Held-out samples of seen classes: views of the first rows of ``test``."""
        count = len(self.split.test_seen)
        return Samples(self.test.features[:count], self.test.label[:count])

    @property
    def test_unseen(self) -> Samples:
        """Samples of unseen classes: views of the last rows of ``test``."""
        count = len(self.split.test_seen)
        return Samples(self.test.features[count:], self.test.label[count:])

    @cached_property
    def bce_attributes(self) -> npt.NDArray[np.float32]:
        """float32 [C, A]: every dimension of the class embeddings scaled to [0, 1] over all classes,
        the target of a decoder with sigmoid output. Like the features, it is divided by their
        largest training value, as in the published program: 1 for ``minmax``."""
        scaled = MinMaxScaler().fit_transform(self.attributes)
        scaled *= np.float32(1 / self.scaler.largest)
        return np.asarray(scaled, dtype=np.float32)

    @cached_property
    def validation(self) -> Self | None:
        """The world in which the rule ``val`` chooses: val classes act as unseen. None without one."""
        if self.validation_split is None:
            return None
        return replace(
            self, split=self.validation_split, validation_split=None, ceilings={}, facts={}
        )

    def fingerprint(self) -> str:
        """SHA-256 over features, labels, class embeddings and splits.

        Scaling is no part of it: like a model's other options it is how the same data are used, and
        runs that differ in it are compared.
        """
        splits = {"split": self.split, "validation": self.validation_split}
        indices = {
            f"{name}.{part}": index
            for name, split in splits.items()
            if split is not None
            for part, index in split.arrays().items()
        }
        return fingerprint({**self._content(), **indices})

    def family(self) -> str:
        """SHA-256 over what all random splits of one dataset share: features and labels."""
        content = self._content()
        del content["attributes"]
        return fingerprint(content)

    def _content(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "features": self.features,
            "label": self.label,
            "attributes": self.attributes,
        }

    def describe(self) -> Mapping[str, Any]:
        """Counts and shapes as JSON values."""
        counts: dict[str, Any] = {
            "features": int(self.features.shape[1]),
            "attributes": int(self.attributes.shape[1]),
            "classes": {"seen": len(self.seen), "unseen": len(self.unseen)},
            "samples": {name: len(index) for name, index in self.split.arrays().items()},
            "scaling": self.scaling,
        }
        if self.validation is not None:
            inner = self.validation.describe()
            counts |= {f"validation_{name}": inner[name] for name in ("classes", "samples")}
        if self.incomparable:
            counts["incomparable"] = self.incomparable
        return {**counts, **self.facts}

    def limited(self, count: int) -> Self:
        """At most ``count`` samples a part, as evenly over its classes as possible.

        Where there are more seen (or unseen) classes than ``count``, the first ``count`` of them stay.
        Ceilings go: they are of all classes.

        Raises:
            UsageError: ``count`` is below 1.
        """
        if count < 1:
            raise UsageError(f"the limit must be at least 1, got {count}.")
        parts = {"split": _limited(self.split, self.label, count)}
        if self.validation_split is not None:
            parts["validation_split"] = _limited(self.validation_split, self.label, count)
        return replace(self, ceilings={}, **parts)  # type: ignore[arg-type]

    def references(self) -> Mapping[str, Mapping[str, float]]:
        """Chance levels and ceilings by metric, in the metric's unit."""
        among_unseen, among_all = 100 / len(self.unseen), 100 / len(self.classes)
        chance = {
            "zsl_top1": among_unseen,
            "zsl_top5": min(100.0, 5 * among_unseen),
            "gzsl_unseen": among_all,
            "gzsl_seen": among_all,
            "gzsl_h": among_all,
            "ausuc": 0.5 / (len(self.seen) * len(self.unseen)),  # a share: half of the tiniest step
        }
        ceilings = {name: {"ceiling": value} for name, value in self.ceilings.items()}
        return {name: {"chance": value, **ceilings.get(name, {})} for name, value in chance.items()}

    def _samples(self, rows: Index) -> Samples:
        return Samples(self.scaler.transform(self.features, rows), self.label[rows])


def _limited(split: Split, label: Index, count: int) -> Split:
    tried = np.unique(label[split.test_seen])
    seen = np.concatenate([tried, np.setdiff1d(label[split.train], tried)])
    kept = {
        "train": seen[:count],
        "test_seen": seen[:count],
        "test_unseen": np.unique(label[split.test_unseen])[:count],
    }
    limited = {}
    for name, rows in split.arrays().items():
        rows = rows[np.isin(label[rows], kept[name])]
        limited[name] = _spread(rows, label[rows], count)
    return Split(**limited)


def _spread(rows: Index, label: Index, count: int) -> Index:
    """The first rows of every class, then the second of every class, ... up to ``count``; in order."""
    if len(rows) <= count:
        return rows
    order = np.argsort(label, kind="stable")
    _, starts, sizes = np.unique(label[order], return_index=True, return_counts=True)
    rank = np.empty(len(rows), dtype=np.int64)
    rank[order] = np.arange(len(rows)) - np.repeat(starts, sizes)
    kept = np.lexsort((np.arange(len(rows)), rank))[:count]
    return rows[np.sort(kept)]
