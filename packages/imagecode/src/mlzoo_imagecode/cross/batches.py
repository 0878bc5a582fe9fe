"""Which rows a step of a cross-encoder sees. Imports no torch at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlzoo.rng import epoch_generator
from mlzoo_imagecode.contextual import Index


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows that go through the network before gradients are added to those of a step.

    Attributes:
        rows: int64 [b].
        share: of the step's loss that is this batch's mean loss.
        update: whether a step follows.
        number: of the step in its epoch, from 0.
    """

    rows: Index
    share: float
    update: bool
    number: int


def epoch_batches(
    count: int, batch_size: int, accumulation: int, seed: int, epoch: int
) -> Iterator[Batch]:
    """All rows once, in an order that follows from seed and epoch alone.

    A step takes ``batch_size`` rows in ``accumulation`` batches, whose mean losses are averaged; the last
    step of an epoch takes what is left.

    Args:
        count: of rows.
        batch_size: rows of a step.
        accumulation: batches of a step; divides ``batch_size``.
        seed: of the run.
        epoch: from 1.
    """
    import torch

    order: Index = torch.randperm(count, generator=epoch_generator(seed, epoch)).numpy()
    size = batch_size // accumulation
    for number, begin in enumerate(range(0, count, batch_size)):
        step = order[begin : begin + batch_size]
        parts = [step[at : at + size] for at in range(0, len(step), size)]
        for place, rows in enumerate(parts, start=1):
            yield Batch(rows, 1 / len(parts), place == len(parts), number)


def updates_in_epoch(count: int, batch_size: int) -> int:
    """How many steps an epoch makes."""
    return -(-count // batch_size)
