"""A moving average of the weights, kept beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mlzoo.errors import CheckpointError


class MovingAverage:
    """a ← d · a + (1 - d) · w after every step, of every parameter and every buffer of floats.

    Buffers of integers count something and are left as they were. The averages are where the weights were
    when it was made.

    Args:
        decay: d.
        network: its parameters and buffers.
        anchors: its parameters alone: its buffers are earlier samples.
    """

    def __init__(self, decay: float, network: nn.Module, anchors: nn.Module | None = None) -> None:
        self.decay = decay
        self.network, self.anchors = network, anchors
        self.averages = {name: x.detach().clone() for name, x in self._weights().items()}

    def _weights(self) -> dict[str, Tensor]:
        """What is averaged, by name."""
        named = [*self.network.named_parameters(), *self.network.named_buffers()]
        found = {f"network.{name}": x for name, x in named if x.is_floating_point()}
        if self.anchors is not None:
            found |= {f"anchors.{name}": x for name, x in self.anchors.named_parameters()}
        return found

    @torch.no_grad()
    def update(self) -> None:
        """One step."""
        torch._foreach_lerp_(
            list(self.averages.values()), list(self._weights().values()), 1 - self.decay
        )

    @contextmanager
    def in_their_place(self) -> Iterator[None]:
        """The averages as the weights, within; afterwards both are what they were, bit for bit."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, weight in self._weights().items():
            kept = weight.clone()
            weight.copy_(self.averages[name])
            self.averages[name].copy_(kept)

    def state_dict(self) -> dict[str, Tensor]:
        """The averages, by name."""
        return dict(self.averages)

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state_dict` returned.

        Raises:
            CheckpointError: names or shapes are not those of the weights.
        """
        found = {name: x.shape for name, x in state.items()}
        if found != {name: x.shape for name, x in self.averages.items()}:
            raise CheckpointError("the moving average in the checkpoint does not fit the weights.")
        for name, average in self.averages.items():
            average.copy_(state[name])
