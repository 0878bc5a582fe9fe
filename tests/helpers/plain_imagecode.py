"""ImageCoDe's formulas as they stand, one description at a time: the reference for what goes through in
batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt

import torch
from torch import Tensor
from torch.nn import functional

Weights = Mapping[str, Tensor]


def plain_context_logits(
    weights: Weights,
    images: Tensor,
    text: Tensor,
    *,
    video: bool,
    heads: int = 8,
    concat: bool = False,
    add_input: bool = True,
    scale: float = 1000.0,
    activation: Callable[[Tensor], Tensor] = functional.gelu,
) -> Tensor:
    """Logits [k] of one description's images [k, d] and text [d], without dropout.

    ``weights`` are the contextual module's by name; ``video`` says that places have embeddings.
    """
    f = images / images.norm(dim=1, keepdim=True)  # [k, d]
    t = text / text.norm()  # [d]
    x0 = torch.cat([f, t.expand_as(f)], dim=1) if concat else scale * f * t  # [k, C]
    x = x0
    if video and "positional_emb.weight" in weights:
        x = x0 + weights["positional_emb.weight"][: len(x0)]
    layer = 0
    while f"transformer.{layer}.output.dense.weight" in weights:
        x = plain_layer(weights, f"transformer.{layer}", x, heads, activation)
        layer += 1
    if add_input:
        x = x + x0
    return linear(weights, "prediction_layer", x)[:, 0]


def plain_layer(
    weights: Weights, name: str, x: Tensor, heads: int, activation: Callable[[Tensor], Tensor]
) -> Tensor:
    """A layer of BERT over [k, C], head by head."""
    q, k, v = (
        linear(weights, f"{name}.attention.self.{each}", x) for each in ("query", "key", "value")
    )
    q, k, v = (y.unflatten(1, (heads, -1)).transpose(0, 1) for y in (q, k, v))  # [h, k, C/h]
    scores = q @ k.transpose(1, 2) / sqrt(q.shape[2])  # [h, k, k]
    looked = (scores.softmax(dim=2) @ v).transpose(0, 1).flatten(1)  # [k, C]
    added = linear(weights, f"{name}.attention.output.dense", looked)
    x = normalised(weights, f"{name}.attention.output.LayerNorm", x + added)
    hidden = activation(linear(weights, f"{name}.intermediate.dense", x))  # [k, F]
    added = linear(weights, f"{name}.output.dense", hidden)
    return normalised(weights, f"{name}.output.LayerNorm", x + added)


def linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    """W x + b of every row."""
    return functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def normalised(weights: Weights, name: str, x: Tensor) -> Tensor:
    """Every row's deviation from its mean over its standard deviation, scaled and shifted."""
    own = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return functional.layer_norm(x, x.shape[-1:], *own, eps=1e-12)


def plain_cosines(images: Tensor, text: Tensor) -> Tensor:
    """cos [k] of one description's images [k, d] and text [d]."""
    return torch.stack([image @ text / (image.norm() * text.norm()) for image in images])


def plain_loss(logits: Tensor, target: int | Tensor) -> Tensor:
    """-log of the softmax at the target, of logits [k]."""
    return logits.logsumexp(dim=0) - logits[target]
