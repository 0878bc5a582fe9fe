"""Some of the clips of a set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlzoo_multisk.clips import ClipBatch, Clips, Index, TrainingClips


@dataclass(frozen=True, eq=False)
class Subset:
    """Some clips that are scored.

    Attributes:
        clips: the whole set.
        rows: int64 [n], which of them.
    """

    clips: Clips
    rows: Index

    @cached_property
    def ids(self) -> list[str]:
        """Of these clips."""
        return [self.clips.ids[row] for row in self.rows]

    @cached_property
    def captions(self) -> list[str]:
        """Of these clips."""
        return [self.clips.captions[row] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Index) -> ClipBatch:
        """Some of these clips."""
        return self.clips.batch(self.rows[rows])

    def digest(self) -> str:
        """Of the whole set; the ids tell the rest."""
        return self.clips.digest()


@dataclass(frozen=True, eq=False)
class TrainingSubset:
    """The first videos of a set to learn from.

    Attributes:
        clips: the whole set.
        count: how many of it.
    """

    clips: TrainingClips
    count: int

    def __len__(self) -> int:
        return self.count

    def order(self, seed: int, number: int) -> Index:
        """The order of the whole set without the others."""
        order = self.clips.order(seed, number)
        return np.asarray(order[order < self.count])

    def draw(self, rows: Index, seed: int, number: int) -> ClipBatch:
        """As the whole set draws."""
        return self.clips.draw(rows, seed, number)

    def digest(self) -> str:
        """Of the whole set and the count."""
        return f"{self.clips.digest()}:{self.count}"
