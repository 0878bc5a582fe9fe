"""Which videos a step sees, and their clips as tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mlzoo_multisk.clips import ClipBatch, Index, TrainingClips


def tensors(clips: ClipBatch, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """The arrays of clips, as a network takes them, on the device; the host does not wait for a copy."""
    arrays = {name: torch.from_numpy(array) for name, array in clips.arrays().items()}
    if torch.device(device).type == "cuda":
        arrays = {name: tensor.pin_memory() for name, tensor in arrays.items()}
    return {name: tensor.to(device, non_blocking=True) for name, tensor in arrays.items()}


@dataclass(frozen=True)
class Step:
    """One step of training.

    Attributes:
        rows: int64 [B], its videos.
        number: of the pass over the data, from 0.
    """

    rows: Index
    number: int


@dataclass(frozen=True, eq=False)
class Steps:
    """The steps of every epoch. A pass is a new order of all videos, cut into full batches; the videos
    that are left over have their turn in another pass. An epoch may be shorter or longer than a pass. What
    a step sees follows from its number alone, so that training resumes at any epoch.

    Attributes:
        clips: what is learnt from.
        batch_size: videos a step.
        epoch_videos: videos an epoch, rounded to whole steps; one pass if None.
        seed: of the orders.
    """

    clips: TrainingClips
    batch_size: int
    epoch_videos: int | None
    seed: int

    @property
    def in_pass(self) -> int:
        """Steps of a pass."""
        return max(1, len(self.clips) // self.batch_size)

    @property
    def in_epoch(self) -> int:
        """Steps of an epoch."""
        if self.epoch_videos is None:
            return self.in_pass
        return max(1, round(self.epoch_videos / self.batch_size))

    def epoch(self, number: int) -> Iterator[Step]:
        """The steps of an epoch, from 1."""
        first = (number - 1) * self.in_epoch
        order, ordered = np.zeros(0, dtype=np.int64), -1
        for step in range(first, first + self.in_epoch):
            in_pass, place = divmod(step, self.in_pass)
            if in_pass != ordered:
                order, ordered = self.clips.order(self.seed, in_pass), in_pass
            begin = place * self.batch_size
            yield Step(order[begin : begin + self.batch_size], in_pass)
