"""Which images a training step sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from mlzoo.errors import DataError
from mlzoo_biam.config import BiAMConfig
from mlzoo_biam.labels import Labels

Index = npt.NDArray[np.int64]


def trainable(labels: Labels, seen: slice, max_labels: int | None) -> npt.NDArray[np.bool_]:
    """bool [N]: images with a positive seen tag and at most ``max_labels`` of them.

    The loss of an image without a positive is 0; the program leaves such images out before the
    forward pass, so that batch normalisation does not see them either.

    Raises:
        DataError: no image is left.
    """
    count = labels.positives_of_images(seen)  # [N]
    kept = (count > 0) & (count <= (max_labels or labels.width))
    if not kept.any():
        raise DataError("no training image has a positive label of a seen tag.")
    return kept


@dataclass(frozen=True)
class Sampler:
    """The batches of an epoch.

    ``shuffled``: every image that can be learnt from, once, in full batches but for the last. In shards,
    every shard once and its images in a new order.
    ``replacement``, as published: every batch is the beginning of a new permutation of all images, of
    which those that cannot be learnt from are then dropped. In shards, a shard is drawn anew each time,
    and its images come in their order.

    Attributes:
        config: batch size, sampling, shards an epoch and batches a shard.
        kept: bool [N], the images that can be learnt from.
        shards: int64 [K+1], where shards begin; empty without.
    """

    config: BiAMConfig
    kept: npt.NDArray[np.bool_]
    shards: Index

    def epoch(self, generator: torch.Generator) -> Iterator[Index]:
        """Positions int64 [b] among the training images; empty batches are left out."""
        found = self._over_shards(generator) if len(self.shards) else self._over_all(generator)
        return (batch for batch in found if len(batch))

    def _over_all(self, generator: torch.Generator) -> Iterator[Index]:
        size, count = self.config.batch_size, len(self.kept)
        if self.config.sampling == "shuffled":
            rows = np.flatnonzero(self.kept)
            yield from _split(rows[_permutation(len(rows), generator)], size)
            return
        for _ in range(-(-count // size)):
            yield self._learnt_from(_permutation(count, generator)[:size])

    def _over_shards(self, generator: torch.Generator) -> Iterator[Index]:
        config, count = self.config, len(self.shards) - 1
        visits = config.shards_per_epoch or count
        if config.sampling == "replacement":
            drawn = torch.randint(count, (visits,), generator=generator).numpy()
        else:
            drawn = _permutation(count, generator)[:visits]
        for shard in drawn:
            rows = np.arange(self.shards[shard], self.shards[shard + 1])
            if config.sampling == "shuffled":
                rows = rows[self.kept[rows]]
                rows = rows[_permutation(len(rows), generator)]
            for batch in _split(rows, config.batch_size)[: config.batches_per_shard]:
                yield self._learnt_from(batch)

    def _learnt_from(self, rows: Index) -> Index:
        return rows[self.kept[rows]]


def _permutation(count: int, generator: torch.Generator) -> Index:
    order: Index = torch.randperm(count, generator=generator).numpy()
    return order


def _split(rows: Index, size: int) -> list[Index]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
