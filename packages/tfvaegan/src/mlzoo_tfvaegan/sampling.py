"""In which order rows are learnt from: indices into one matrix, which is never reordered or copied.

The published program permutes the data themselves and permutes the permuted data again; that is the
same as composing permutations of row numbers: new order = old order[permutation].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import torch
from torch import Tensor

Permute: TypeAlias = Callable[[int], Tensor]
"""The next permutation of so many rows: int64 [n]."""


def permuting(generator: torch.Generator | None, permutations: Iterable[Tensor] | None) -> Permute:
    """Permutations one after the other as given, or drawn from ``generator`` (None: the global one)."""
    if permutations is not None:
        given = iter(permutations)
        return lambda _: next(given)
    device = "cpu" if generator is None else generator.device
    return lambda rows: torch.randperm(rows, generator=generator, device=device)


class RowStream:
    """Rows without end: all of them in random order, then all again in another, and so on.

    A batch that begins at the end of one order is completed from the head of the next; the place is
    kept between calls. An order is drawn when its first row is needed and not before.
    """

    def __init__(self, rows: int, permute: Permute) -> None:
        self._permute = permute
        self._order = torch.arange(rows)
        self._rest = self._order[:0]

    def take(self, count: int) -> Tensor:
        """The next row numbers, int64 [count]."""
        pieces = []
        while count > 0:
            if len(self._rest) == 0:
                self._order = self._order[self._permute(len(self._order)).cpu()]
                self._rest = self._order
            pieces.append(self._rest[:count])
            self._rest = self._rest[count:]
            count -= len(pieces[-1])
        return torch.cat(pieces)


class RestartingRows:
    """Batches of the published detector: once through the rows as they lie, then a new order each.

    The first pass ends before the last one or two batches, and from then on every call shuffles
    everything and takes the head: independent batches. A set smaller than a batch comes whole.

    Attributes:
        position: rows taken in the first pass.
    """

    def __init__(self, rows: int, permute: Permute) -> None:
        self._permute = permute
        self._order = torch.arange(rows)
        self.position = 0

    def take(self, count: int) -> Tensor:
        """The next batch of row numbers, int64 [min(count, rows)]."""
        start = self.position
        if start + count > len(self._order) - count:  # stays so: the position is never reset
            self._order = self._order[self._permute(len(self._order)).cpu()]
            return self._order[:count]
        self.position += count
        return self._order[start : start + count]
