"""The dataset: points around the four corners of a square, labelled by their corner."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .config import ClusterOptions

CORNERS = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], dtype=np.float32)  # [K, 2]


@dataclass(frozen=True)
class ClusterData:
    """What models of the task read.

    Attributes:
        points: split -> float32 [N, 2].
        labels: split -> int64 [N].
        splits: what is scored.
    """

    points: Mapping[str, npt.NDArray[np.float32]]
    labels: Mapping[str, npt.NDArray[np.int64]]
    splits: tuple[str, ...] = ("val", "test")

    def fingerprint(self) -> str:
        """Hex digest of the content."""
        digest = hashlib.sha256()
        for split in sorted(self.points):
            digest.update(self.points[split].tobytes() + self.labels[split].tobytes())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Facts for ``mlzoo data show``."""
        return {split: len(labels) for split, labels in self.labels.items()}

    def limited(self, count: int) -> "ClusterData":
        """At most ``count`` samples a split."""
        points = {split: rows[:count] for split, rows in self.points.items()}
        labels = {split: rows[:count] for split, rows in self.labels.items()}
        return replace(self, points=points, labels=labels)

    def references(self) -> dict[str, dict[str, float]]:
        """Chance levels and ceilings, shown beside every result."""
        return {"accuracy": {"chance": 100 / len(CORNERS)}}


def load(root: Path, options: ClusterOptions) -> ClusterData:
    """Draw the three splits; data with files would be read from ``root``."""
    points, labels = {}, {}
    for seed, split in enumerate(("train", "val", "test")):
        stream = np.random.default_rng(seed)
        label = stream.integers(len(CORNERS), size=options.samples)  # [N]
        noise = options.spread * stream.standard_normal((options.samples, 2))  # [N, 2]
        points[split] = (CORNERS[label] + noise).astype(np.float32)
        labels[split] = label
    return ClusterData(points, labels)
