"""Embeddings of earlier steps, which plans are made over beside the batch.

At the published size, 5500 rows of three embeddings of 4096 numbers and three of 6144, they hold
676 MB in float32. A ring is written over from its oldest row on; nothing is shifted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mlzoo.errors import CheckpointError, UsageError


class EmbeddingQueues:
    """Rings of rows, one for each kind of embedding, filled together.

    Args:
        widths: D of each, by name.
        length: N, rows of each; 0 for none.
        device: where they are.

    Attributes:
        rows: float32 [N, D] by name; in which order does not matter to a plan.
        position: the row that is written next.
        count: rows that have been written, N at most.
    """

    def __init__(
        self, widths: Mapping[str, int], length: int, device: torch.device | str | None = None
    ) -> None:
        self.length = length
        self.rows = {
            name: torch.zeros(length, width, device=device) for name, width in widths.items()
        }
        self.position = self.count = 0

    @property
    def full(self) -> bool:
        """Whether every row has been written."""
        return self.count >= self.length

    @torch.no_grad()
    def push(self, batch: Mapping[str, Tensor]) -> None:
        """Write rows [B, D] over the oldest ones; of more than N the last N.

        Raises:
            UsageError: other names than the queues', or other shapes.
        """
        rows = self._checked(batch)
        kept = min(rows, self.length)
        before_end = min(kept, self.length - self.position)
        for name, ring in self.rows.items():
            new = batch[name][rows - kept :]
            ring[self.position : self.position + before_end] = new[:before_end]
            ring[: kept - before_end] = new[before_end:]
        if self.length:
            self.position = (self.position + kept) % self.length
        self.count = min(self.length, self.count + rows)

    def _checked(self, batch: Mapping[str, Tensor]) -> int:
        shapes = {name: tuple(batch[name].shape) for name in batch}
        rows = len(next(iter(batch.values()))) if batch else 0
        expected = {name: (rows, ring.shape[1]) for name, ring in self.rows.items()}
        if shapes != expected:
            raise UsageError(f"queues take a batch of {expected}, got {shapes}.")
        return rows

    def in_order(self, name: str) -> Tensor:
        """[N, D], the oldest row first; rows that were never written come before all others."""
        ring = self.rows[name]
        return torch.cat([ring[self.position :], ring[: self.position]])

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> EmbeddingQueues:
        """The same queues, moved; nothing is copied where they are there already."""
        self.rows = {name: ring.to(device, dtype) for name, ring in self.rows.items()}
        return self

    def state_dict(self) -> dict[str, Any]:
        """Rows (no copies), position and count."""
        return {"rows": dict(self.rows), "position": self.position, "count": self.count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave.

        Raises:
            CheckpointError: of other queues, or none; nothing is taken over then.
        """
        rows, position, count = (state.get(key) for key in ("rows", "position", "count"))
        expected = {name: list(ring.shape) for name, ring in self.rows.items()}
        found = {
            name: list(ring.shape) if isinstance(ring, Tensor) else type(ring).__name__
            for name, ring in (rows if isinstance(rows, Mapping) else {}).items()
        }
        if found != expected:
            raise CheckpointError(f"the queues of the checkpoint are {found}, expected {expected}.")
        if not (_within(position, max(self.length - 1, 0)) and _within(count, self.length)):
            raise CheckpointError(
                f"the queues' position {position} and count {count} do not fit {self.length} rows."
            )
        for name, ring in self.rows.items():
            ring.copy_(rows[name])  # type: ignore[index]  # checked above
        self.position, self.count = position, count  # type: ignore[assignment]


def _within(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
