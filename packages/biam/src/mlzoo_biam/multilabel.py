"""Data of the task ``multilabel-zero-shot``: images as features of regions, word vectors of all tags.

Tags are ordered seen, then unseen. A model learns from ``data.train`` with the labels of the seen tags
and from ``data.vectors`` (all tags), and predicts these arrays for a split of n images:

    scores         float32 [n, C]      one column for each tag, seen then unseen; higher is likelier
    label_default  int8    [C]         the labels, see mlzoo_biam.labels.Labels, as
    label_indptr   int64   [n+1]       data.part(split).labels.arrays() gives them
    label_tags     int32   [entries]
    label_values   int8    [entries]
    seen_count     int64   []          tags that are seen; optional, without it two runs cannot be compared by
                                       the task's paired test

Labels of unseen tags belong to evaluation alone: no model may read them for training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from mlzoo.data.fingerprint import fingerprint
from mlzoo.errors import DataError, UsageError
from mlzoo_biam.labels import Labels

Index = npt.NDArray[np.int64]


class Features(Protocol):
    """Features of N images, wherever they lie: in memory, or in files of which only rows are read.

    Attributes:
        channels: D, numbers of a region (512 for VGG-19's conv5_4).
        grid: rows and columns of regions, (14, 14) there; S = rows · columns, row-major.
        scene_width: G, numbers of the whole image (4096 for fc7).
    """

    channels: int
    grid: tuple[int, int]
    scene_width: int

    def __len__(self) -> int: ...

    def regions(self, rows: Index) -> npt.NDArray[np.float32]:
        """float32 [n, D, S] of some images, in the order of ``rows``."""

    def scene(self, rows: Index) -> npt.NDArray[np.float32]:
        """float32 [n, G] of some images."""

    def digest(self) -> str:
        """Hex digest of the content; of files, what their maker recorded beside them."""


@dataclass(frozen=True, eq=False)
class Images:
    """Some images of a set of features.

    Attributes:
        features: of all images of the set.
        labels: of all images of the set.
        names: of all images of the set.
        rows: int64 [n], which of them these are.

    Raises:
        DataError: the three differ in their number of images, or a row is outside them.
    """

    features: Features
    labels: Labels
    names: Sequence[str]
    rows: Index

    def __post_init__(self) -> None:
        counts = {len(self.features), len(self.labels), len(self.names)}
        if len(counts) > 1:
            raise DataError(
                f"{len(self.features)} images have features, {len(self.labels)} labels and "
                f"{len(self.names)} names; expected as many of each."
            )
        if len(self.rows) and not 0 <= self.rows.min() <= self.rows.max() < len(self.names):
            raise DataError(f"a row is outside the {len(self.names)} images.")

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: Index | slice) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Regions float32 [n, D, S] and scene float32 [n, G] of some of these images."""
        rows = self.rows[index]
        return self.features.regions(rows), self.features.scene(rows)

    @cached_property
    def own_labels(self) -> Labels:
        """The labels of these images, in their order."""
        return self.labels.subset(self.rows)

    @cached_property
    def own_names(self) -> list[str]:
        """The names of these images, in their order."""
        return [self.names[row] for row in self.rows]

    def only(self, rows: Index) -> Images:
        """Other images of the same set."""
        return replace(self, rows=rows)


@dataclass(frozen=True, eq=False, kw_only=True)
class MultiLabelData:
    """Images with labels for seen and unseen tags.

    Attributes:
        tags: names of all C tags, seen then unseen.
        seen_count: how many of them are seen.
        vectors: float32 [C, E], the word vectors with rows of length 1.
        train: images to learn from.
        test: images to be scored.
        val: images to choose the epoch by: held out of the training set, or a set of their own; None
            without.
        shards: int64 [K+1]: the k-th shard holds the training images from ``shards[k]`` to
            ``shards[k+1]``; empty where training is not over shards.
        facts: what ``describe`` adds (JSON values).
        ceilings: known best values by metric, of a world with a planted answer.
        incomparable: why the published numbers do not speak of this data; empty if they do.
        picture: of an image's regions [D, S], the picture float32 [height, width] from 0 to 1, where it
            can be told from them; None where it cannot.

    Raises:
        DataError: an array is not as promised here, a tag occurs twice, or an image in two parts.
    """

    tags: tuple[str, ...]
    seen_count: int
    vectors: npt.NDArray[np.float32]
    train: Images
    test: Images
    val: Images | None = None
    shards: Index = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    facts: Mapping[str, Any] = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)
    incomparable: str = ""
    picture: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]] | None = None

    def __post_init__(self) -> None:
        count = len(self.tags)
        if len(set(self.tags)) < count:
            twice = sorted({tag for tag in self.tags if self.tags.count(tag) > 1})
            raise DataError(f"the tag {twice[0]!r} occurs twice.")
        if not 0 < self.seen_count < count:
            raise DataError(
                f"{self.seen_count} of {count} tags are seen; expected some of each kind."
            )
        if self.vectors.dtype != np.float32 or self.vectors.ndim != 2 or len(self.vectors) != count:
            raise DataError(f"word vectors must be float32 [{count}, E], one for each tag.")
        lengths = np.linalg.norm(self.vectors, axis=1)
        if not np.allclose(lengths, 1, atol=1e-4):  # also where one is NaN
            bad = int(np.argmax(~np.isclose(lengths, 1, atol=1e-4)))
            raise DataError(
                f"the word vector of {self.tags[bad]!r} has length {lengths[bad]:.3g}, not 1."
            )
        for name in ("train", *self.splits):
            self._check_part(name)
        if self._held_out is not None and np.intersect1d(self.train.rows, self._held_out.rows).size:
            raise DataError("an image is both in train and in val.")

    def _check_part(self, name: str) -> None:
        part = self.part(name)
        if not len(part):
            raise DataError(f"{name} has no images.")
        if part.labels.width != len(self.tags):
            raise DataError(
                f"{name} has labels for {part.labels.width} tags, not for the {len(self.tags)}."
            )
        kinds = [
            (each.channels, each.grid, each.scene_width)
            for each in (self.train.features, part.features)
        ]
        if kinds[0] != kinds[1]:
            raise DataError(f"features of train are {kinds[0]}, of {name} {kinds[1]}.")

    @property
    def _held_out(self) -> Images | None:
        """val, if it is made of images of the training set and no set of its own."""
        val = self.val
        return val if val is not None and val.features is self.train.features else None

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are scored."""
        return ("test",) if self.val is None else ("val", "test")

    @property
    def seen(self) -> slice:
        """The seen tags."""
        return slice(0, self.seen_count)

    @property
    def unseen(self) -> slice:
        """The unseen tags."""
        return slice(self.seen_count, len(self.tags))

    def part(self, name: str) -> Images:
        """``train``, ``val``, ``test`` or ``trainval``: train and what was held out of it for val, in the
        order of their set.

        Raises:
            UsageError: there is no such part.
        """
        if name == "trainval" and self._held_out is not None:
            return self.train.only(np.sort(np.concatenate([self.train.rows, self._held_out.rows])))
        found = {"train": self.train, "val": self.val, "test": self.test, "trainval": self.train}
        images = found.get(name)
        if images is None:
            raise UsageError(f"there are no images of {name!r}.")
        return images

    def beside_scores(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """What stands beside ``scores`` in the predictions of a split.

        Raises:
            UsageError: there is no such split.
        """
        seen_count = np.array(self.seen_count, dtype=np.int64)
        return {**self.part(split).own_labels.arrays(), "seen_count": seen_count}

    def fingerprint(self) -> str:
        """SHA-256 over features, labels, names' order, word vectors and parts."""
        arrays: dict[str, npt.NDArray[Any]] = {"vectors": self.vectors, "shards": self.shards}
        arrays["tags"] = np.frombuffer("\n".join(self.tags).encode(), dtype=np.uint8)
        arrays["seen"] = np.array(self.seen_count)
        for name in ("train", *self.splits):
            part = self.part(name)
            arrays[f"{name}.features"] = np.frombuffer(part.features.digest().encode(), np.uint8)
            arrays[f"{name}.rows"] = part.rows
            labels = part.labels.arrays()
            arrays |= {f"{name}.{key}": value for key, value in labels.items()}
        return fingerprint(arrays)

    def describe(self) -> Mapping[str, Any]:
        """Counts and shapes as JSON values."""
        features = self.train.features
        parts = {name: self.part(name) for name in ("train", *self.splits)}
        counts: dict[str, Any] = {
            "regions": list(features.grid),
            "channels": features.channels,
            "scene": features.scene_width,
            "tags": {"seen": self.seen_count, "unseen": len(self.tags) - self.seen_count},
            "images": {name: len(part) for name, part in parts.items()},
            "positives an image": {
                name: {
                    kind: round(float(part.own_labels.positives_of_images(tags).mean()), 3)
                    for kind, tags in (("seen", self.seen), ("unseen", self.unseen))
                }
                for name, part in parts.items()
            },
        }
        if len(self.shards):
            counts["shards"] = len(self.shards) - 1
        if self.incomparable:
            counts["incomparable"] = self.incomparable
        return {**counts, **self.facts}

    def limited(self, count: int) -> Self:
        """The first ``count`` images of every part; shards that are left empty go, and so do ceilings.

        Raises:
            UsageError: ``count`` is below 1.
        """
        if count < 1:
            raise UsageError(f"the limit must be at least 1, got {count}.")
        parts = {name: self.part(name) for name in ("train", *self.splits)}
        shards = np.unique(np.minimum(self.shards, count))
        return replace(
            self,
            shards=shards,
            ceilings={},
            **{name: part.only(part.rows[:count]) for name, part in parts.items()},  # type: ignore[arg-type]
        )

    def references(self) -> Mapping[str, Mapping[str, float]]:
        """Chance levels and ceilings by metric, in the metric's unit."""
        from mlzoo_biam.scores.chance import chance_levels

        found = {name: {"chance": value} for name, value in chance_levels(self).items()}
        for name, value in self.ceilings.items():
            found.setdefault(name, {})["ceiling"] = value
        return found
