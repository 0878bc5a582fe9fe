"""One training iteration in several processes: each has its rows of every batch, all take the same step.

P: processes, B: batch, of which each has B/P rows.

A weight's gradient is a product over the rows of a batch, δᵀ x. So the processes tell each other its
factors, (in + out) B entries, rather than the gradient of in · out, and every one multiplies out that of
the whole batch: weights and moments stay equal bit for bit. What is shared is the work on the rows; the
products of the factors and the optimizers' steps are everybody's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mlzoo.errors import UsageError
from mlzoo_tfvaegan.layer_gradient import LayerGradient
from mlzoo_tfvaegan.step import Draws

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True)
class Shares:
    """This process among all of a job.

    Attributes:
        accelerator: its ``num_processes``, ``process_index`` and ``gather`` are used.
    """

    accelerator: Accelerator

    def draws(self, draws: Draws) -> Draws:
        """This process's rows of every batch.

        Raises:
            UsageError: the batch has no equal shares.
        """
        count, batch = self.accelerator.num_processes, draws.rows.shape[1]
        if batch % count:
            raise UsageError(
                f"{count} processes have no equal shares of {batch} samples a step.",
                f"Choose a --batch-size that is a multiple of {count}.",
            )
        first = self.accelerator.process_index * (batch // count)
        mine = slice(first, first + batch // count)
        noise = draws.generator_noise
        return Draws(
            rows=draws.rows[:, mine],
            latent=draws.latent[:, mine],
            alpha=draws.alpha[:, mine],
            generator_latent=draws.generator_latent[mine],
            generator_noise=None if noise is None else noise[mine],
        )

    def mean(self, values: Tensor) -> Tensor:
        """Of everybody's means over their shares: that over the batch, the same in every process."""
        everyone: Tensor = self.accelerator.gather(values[None])  # [P, ...]
        return everyone.mean(0)

    def gradients(self, gradients: Iterable[LayerGradient]) -> list[LayerGradient]:
        """From those of the shares, whose losses are means over B/P rows, those of the batch."""
        own = list(gradients)
        told = [each for gradient in own for each in _tensors(gradient)]
        message = torch.cat([each.flatten() for each in told])
        everyone: Tensor = self.accelerator.gather(message[None])  # [P, entries]
        parts = iter(everyone.split([each.numel() for each in told], dim=1))

        def rows(share: Tensor) -> Tensor:
            whole: Tensor = next(parts).reshape(-1, share.shape[1])  # [P n, width]
            return whole

        return [
            LayerGradient(
                gradient.layer,
                tuple(
                    (rows(left) / len(everyone), rows(right)) for left, right in gradient.factors
                ),
                None if gradient.bias is None else next(parts).mean(0),
            )
            for gradient in own
        ]


def _tensors(gradient: LayerGradient) -> list[Tensor]:
    factors = [each for pair in gradient.factors for each in pair]
    return factors if gradient.bias is None else [*factors, gradient.bias]
