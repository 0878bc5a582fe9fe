"""Which descriptions a step sees, and after which batch an update comes.

Counts of the published programs, with 16,594 training descriptions at 36 a batch: 460 full batches and 34
descriptions left over, whose gradients the next epoch's first update adds; in the later program 461 batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from mlzoo.errors import DataError
from mlzoo.rng import epoch_generator
from mlzoo_imagecode.config import ImageCoDeConfig
from mlzoo_imagecode.contextual import Index, Part


@dataclass(frozen=True, eq=False)
class Batch:
    """Descriptions that go through the model together.

    Attributes:
        rows: int64 [b], rows of the part.
        update: whether an update of the weights follows. If not, the gradients stay, and those of the next
            batch, be it the next epoch's, are added to them.
        number: updates of the epoch before this batch.
        scale: what the batch's loss is multiplied by before its gradients are taken. 1 but for the mean of
            several batches, which is the mean over all their descriptions.
    """

    rows: Index
    update: bool
    number: int
    scale: float = 1.0


def epoch_batches(part: Part, config: ImageCoDeConfig, seed: int, epoch: int) -> Iterator[Batch]:
    """The batches of an epoch; they follow from seed and epoch alone.

    Args:
        part: what is learnt from.
        config: batch size, order, accumulation and what becomes of what is left over.
        seed: of the run.
        epoch: from 1.

    A step takes ``accumulation`` batches, and what does not fill one is left over: a last batch that has
    room for more, or too few batches. With ``accumulation_first`` the step comes after the first of them, a
    last batch counts whatever its size, and left over are the batches after the last step.
    """
    batches, full = _ordered(part, config, epoch_generator(seed, epoch))
    k, first = config.accumulation, config.accumulation_first
    updates = [updates_after(index, k, first) for index in range(len(batches))]
    if not (full or first):
        updates[-1] = False
    whole = max((index + 1 for index, update in enumerate(updates) if update), default=0)
    if config.leftover == "drop":
        batches, updates = batches[:whole], updates[:whole]
    elif config.leftover == "step":
        updates[-1] = True
    for number, group in enumerate(_steps(batches, updates)):
        total = sum(len(rows) for rows, _ in group)
        for rows, update in group:
            shares = config.reduction == "mean" and not first
            yield Batch(rows, update, number, len(rows) / total if shares else 1.0)


def updates_after(index: int, accumulation: int, first: bool = False) -> bool:
    """Whether an update follows batch ``index`` (from 0) of an epoch: after k-1, 2k-1, …, or with ``first``
    after 0, k, 2k, … as in the later program."""
    return index % accumulation == (0 if first else accumulation - 1)


def updates_in_epoch(part: Part, config: ImageCoDeConfig, seed: int, epoch: int) -> int:
    """How many updates an epoch makes. Only with ``group_sets`` may it differ from epoch to epoch."""
    return sum(batch.update for batch in epoch_batches(part, config, seed, epoch))


def updates_by_epoch(part: Part, config: ImageCoDeConfig, seed: int, epochs: int) -> list[int]:
    """:func:`updates_in_epoch` of the epochs 1 to ``epochs``."""
    return [updates_in_epoch(part, config, seed, epoch) for epoch in range(1, epochs + 1)]


def random_candidates(part: Part, seed: int) -> Part:
    """The descriptions, each to choose among its image, which comes first, and random ones.

    These are drawn once for all epochs, for each description without replacement from the names of all
    images in sorted order; its own image and others of its set may be among them. What row i draws follows
    from the seed and i, whatever other rows there are.

    Raises:
        DataError: a target is hidden, or there are too few images.
    """
    others = part.choices - 1
    if part.hidden:
        raise DataError("descriptions without a target cannot be given random images.")
    if len(part.images) < others:
        raise DataError(f"{others} random images cannot be drawn from {len(part.images)}.")
    names = np.array(part.images.names)
    by_name = np.argsort(names, kind="stable")  # [N]
    drawn = np.stack([_draw(seed, row, len(names), others) for row in range(len(part))])
    own = np.take_along_axis(part.candidates, part.target[:, None], axis=1)  # [n, 1]
    candidates: Index = np.hstack([own, by_name[drawn]]).astype(np.int64)  # [n, k]
    return replace(part, candidates=candidates, target=np.zeros_like(part.target))


def _ordered(
    part: Part, config: ImageCoDeConfig, generator: torch.Generator
) -> tuple[list[Index], bool]:
    """All descriptions once, in a new order, in batches of rows; and whether the last batch is full.

    With ``group_sets`` the sets are in a new order and whole sets fill a batch: the next that still fits,
    so that hardly any batch has room left. Only a set that is larger than a batch is split.
    """
    size = config.batch_size
    if not config.group_sets:
        batches = _cut(_permutation(len(part), generator), size)
        return batches, len(batches[-1]) == size
    sets = _rows_of_sets(part)
    order = _permutation(len(sets), generator)
    pieces = [piece for place in order for piece in _cut(sets[place], size)]
    sizes = [len(piece) for piece in pieces]
    batches = [np.concatenate([pieces[i] for i in chosen]) for chosen in _filled(sizes, size)]
    return batches, len(batches[-1]) + min(sizes) > size


def _permutation(count: int, generator: torch.Generator) -> Index:
    order: Index = torch.randperm(count, generator=generator).numpy()
    return order


def _draw(seed: int, row: int, images: int, count: int) -> Index:
    stream = np.random.default_rng(np.random.SeedSequence((seed, row)))
    return stream.choice(images, count, replace=False).astype(np.int64)


def _rows_of_sets(part: Part) -> list[Index]:
    """Rows of each set that has descriptions, by the sets' number."""
    set_of = part.set_of
    order = np.argsort(set_of, kind="stable")
    bounds = np.flatnonzero(np.diff(set_of[order])) + 1
    return np.split(order, bounds)


def _filled(sizes: Sequence[int], room: int) -> Iterator[list[int]]:
    """Places of pieces by batch: always the first that fits into what room is left."""
    waiting: dict[int, deque[int]] = {}  # by size, in order
    for place, size in enumerate(sizes):
        waiting.setdefault(size, deque()).append(place)
    while any(waiting.values()):
        chosen: list[int] = []
        free = room
        while fitting := [queue for size, queue in waiting.items() if queue and size <= free]:
            chosen.append(min(fitting, key=lambda queue: queue[0]).popleft())
            free -= sizes[chosen[-1]]
        yield chosen


def _cut(rows: Index, size: int) -> list[Index]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _steps(batches: list[Index], updates: list[bool]) -> Iterator[list[tuple[Index, bool]]]:
    """Batches whose gradients are added up before an update; perhaps a last group without one."""
    group: list[tuple[Index, bool]] = []
    for rows, update in zip(batches, updates, strict=True):
        group.append((rows, update))
        if update:
            yield group
            group = []
    if group:
        yield group
