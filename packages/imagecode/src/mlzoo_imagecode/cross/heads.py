"""What stands on a cross-encoder's pooled pairs and states: whether they belong together, and hidden words.

P: pairs, C: width of what the poolers give; T: tokens, h: width of the text; V: words.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo_imagecode.config import Reduction
from mlzoo_imagecode.cross.encoder import Pooled
from mlzoo_imagecode.cross.scheme import EPSILON, Fusion, Scheme
from mlzoo_imagecode.cross.sublayers import ACTIVATIONS

TASK = "TASK3"
"""The published name of ImageCoDe's head among those of other tasks."""


def fused(pooled: Pooled, fusion: Fusion) -> Tensor:
    """[P, C]: both pooled streams as one, by product or sum; or the text's alone."""
    if pooled.vision is None:
        return pooled.text
    return pooled.text * pooled.vision if fusion == "mul" else pooled.text + pooled.vision


def aligned(scores: Tensor) -> Tensor:
    """p [P] that text and image belong together: softmax at index 0 of the scores [P, 2]."""
    return scores.softmax(dim=1)[:, 0]


def pair_loss(logits: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """The loss of ``nocontra``: binary cross-entropy, in which every pair stands for itself.

    Args:
        logits: float [b, k].
        target: the same shape, 1 where text and image belong together, else 0.
        reduction: over all pairs.
    """
    target = target.to(logits.dtype)
    return functional.binary_cross_entropy_with_logits(logits, target, reduction=reduction)


class MaskedWords(nn.Module):
    """Which words stand at masked places: decoder(LN(activation(dense h))) + bias."""

    def __init__(self, scheme: Scheme) -> None:
        super().__init__()
        width = scheme.text.width
        self.transform = nn.ModuleDict(
            {"dense": nn.Linear(width, width), "LayerNorm": nn.LayerNorm(width, EPSILON)}
        )
        self.bias = nn.Parameter(torch.zeros(scheme.vocabulary))
        self.activation = ACTIVATIONS[scheme.text.activation]

    def forward(self, states: Tensor, words: Tensor) -> Tensor:
        """Scores [P, T, V] of states [P, T, h]. The decoder is the table of words [V, h] itself."""
        hidden = self.transform["LayerNorm"](self.activation(self.transform["dense"](states)))
        return functional.linear(hidden, words, self.bias)


class PretrainingHeads(nn.Module):
    """Alignment and masked words. Linear weights begin as Xavier-uniform, biases as 0."""

    def __init__(self, scheme: Scheme) -> None:
        super().__init__()
        self.predictions = MaskedWords(scheme)
        self.bi_seq_relationship = nn.Linear(scheme.pooled, 2)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        """Scores [P, 2] of fused pairs [P, C]: index 0 says that they belong together."""
        return self.bi_seq_relationship(pooled)  # type: ignore[no-any-return]
