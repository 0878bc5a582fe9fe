"""From images and descriptions to a score of each candidate: CLIP's encoders, and a module over the set."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mlzoo_imagecode.clip.encoders import ClipEncoders
from mlzoo_imagecode.context_module import ContextModule
from mlzoo_imagecode.images.preprocess import MEAN, STD
from mlzoo_imagecode.losses import matching_logits

BUCKETS = 3
"""Groups of texts of similar length, each cut after its longest."""


class Given(NamedTuple):
    """What b descriptions are matched with.

    Attributes:
        pixels: uint8 [u, R, R, 3], crops of the images that any of them chooses among, each once.
        places: int64 [b, k], rows of ``pixels``: the candidates.
        ids: int64 [b, C], tokens, padded with zeros after the end token; on the CPU.
        positions: int64 [b, k], of a candidate in its set.
        temporal: bool [b], whether the order of the candidates counts.
    """

    pixels: Tensor
    places: Tensor
    ids: Tensor
    positions: Tensor
    temporal: Tensor


class MatchingNetwork(nn.Module):
    """CLIP's encoders, and on top their cosine or the contextual module.

    Args:
        encoders: of images and text.
        head: the contextual module; None for exp(logit scale) times the cosine.
    """

    def __init__(self, encoders: ClipEncoders, head: ContextModule | None = None) -> None:
        super().__init__()
        self.encoders = encoders
        self.head = head

    def forward(self, given: Given) -> Tensor:
        """Logits [b, k]. The images of a set are encoded once for all its descriptions."""
        images = self.encoders.image(normalised(given.pixels))[given.places]  # [b, k, d]
        text = self.encoders.text(given.ids, BUCKETS)  # [b, d]
        if self.head is None:
            return matching_logits(images, text, self.encoders.log_scale)
        logits: Tensor = self.head(images, text, given.positions, given.temporal)
        return logits


def normalised(crops: Tensor) -> Tensor:
    """Pixels float32 [n, 3, R, R] as CLIP takes them, of crops uint8 [n, R, R, 3], on their device."""
    mean, std = (torch.tensor(values, device=crops.device)[:, None, None] for values in (MEAN, STD))
    return (crops.permute(0, 3, 1, 2).float() / 255 - mean) / std
