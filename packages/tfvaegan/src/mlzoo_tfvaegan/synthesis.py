"""Features of classes without samples, generated from their embeddings.

U: classes, n: features a class, A: width of a class embedding, R: of a feature, H: hidden width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mlzoo_tfvaegan.networks import Networks, activate

ROWS = 2048
"""Generated at a time: five hidden layers of 4096 in float32 are 170 MB."""


@torch.no_grad()
def synthesise(
    networks: Networks, attributes: Tensor, noise: Tensor, strength: float, *, rows: int = ROWS
) -> Tensor:
    """Features of every class, as ``networks.generate`` gives them, to rounding.

    Row u·n + i is class u with its i-th noise: the classes come in blocks, in the order given.

    The same with less work than ``generate``: the part of the generator's first layer that depends
    on the class is computed once a class, its hidden layer is shared by the plain generation and the
    one with feedback, and the decoder stops at its hidden layer.

    Args:
        networks: generator, decoder and feedback are used.
        attributes: c [U, A].
        noise: z [U, n, A], standard normal.
        strength: of the feedback; 0 generates without. The published images program has a strength
            of its own here [a2], the actions program that of its training [a1].
        rows: generated at a time, which bounds the memory beyond the result.

    Returns:
        [U·n, R], in the networks' dtype, without gradient.
    """
    generator = networks.generator
    per_class, width = noise.shape[1:]
    latent = noise.reshape(-1, width)  # [U·n, A]
    class_of_row = torch.arange(len(attributes), device=noise.device).repeat_interleave(per_class)
    # W₁ [z; c] + b₁ = W_z z + (W_c c + b₁)
    weight_z, weight_c = generator.fc1.weight.split(width, dim=1)  # [H, A] each
    class_part = functional.linear(attributes, weight_c, generator.fc1.bias)  # [U, H]
    features = latent.new_empty(len(latent), generator.fc3.out_features)  # [U·n, R]
    for start in range(0, len(latent), rows):
        piece = slice(start, start + rows)
        hidden = activate(latent[piece] @ weight_z.T + class_part[class_of_row[piece]])  # [rows, H]
        if strength != 0:
            seen = networks.decoder.hidden(generator.output(hidden))  # [rows, H]
            hidden += strength * networks.feedback(seen)
        features[piece] = generator.output(hidden)
    return features
