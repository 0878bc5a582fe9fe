"""The random numbers of one training iteration, drawn on the device."""

from __future__ import annotations

import torch

from mlzoo_tfvaegan.step import Draws, StepOptions, TrainingSet


def draw(
    data: TrainingSet, options: StepOptions, batch_size: int, generator: torch.Generator
) -> Draws:
    """Batches without replacement (each critic step's anew), noise, and the penalty's places.

    Args:
        data: tells how many rows there are, and the width of a class embedding.
        options: how many critic steps, and whether noise is encoded.
        batch_size: B; that of all rows if there are fewer.
        generator: on the device of the data.
    """
    count, width = data.attributes.shape
    steps, batch = options.critic_steps, min(batch_size, count)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(
            *shape, generator=generator, device=generator.device, dtype=data.features.dtype
        )

    rows = [
        torch.randperm(count, generator=generator, device=generator.device)[:batch]
        for _ in range(steps)
    ]
    return Draws(
        rows=torch.stack(rows),  # [K, B]
        latent=normal(steps, batch, width),
        alpha=torch.rand(
            steps,
            batch,
            1,
            generator=generator,
            device=generator.device,
            dtype=data.features.dtype,
        ),
        generator_latent=normal(batch, width),
        generator_noise=None if options.encoded_noise else normal(batch, width),
    )
