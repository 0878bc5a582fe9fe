"""Words and regions on their way into a cross-encoder.

T: tokens, h: width of the text; R: regions, hv: width of the vision stream; F: width of region features,
L: numbers of a location. Parameters have the published names and shapes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mlzoo_imagecode.cross.scheme import EPSILON, PADDING, Scheme

IMAGE_TYPE = 1
"""Row of the table of types that says: a region (UNITER)."""


class TextEmbeddings(nn.Module):
    """LN(word + position + type), before dropout."""

    def __init__(self, scheme: Scheme) -> None:
        super().__init__()
        width = scheme.text.width
        self.word_embeddings = nn.Embedding(scheme.vocabulary, width, padding_idx=PADDING)
        self.position_embeddings = nn.Embedding(scheme.positions, width)
        self.token_type_embeddings = nn.Embedding(scheme.types, width)
        self.LayerNorm = nn.LayerNorm(width, EPSILON)

    def forward(self, ids: Tensor, segments: Tensor | None = None) -> Tensor:
        """States [b, T, h] of tokens int64 [b, T]; ``segments`` int64 [b, T] are 0 if not given."""
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.word_embeddings(ids) + self.position_embeddings(places)  # [b, T, h]
        types = torch.zeros_like(ids) if segments is None else segments
        return self.LayerNorm(x + self.token_type_embeddings(types))  # type: ignore[no-any-return]


class RegionEmbeddings(nn.Module):
    """ViLBERT: LN(W_f r + W_l loc), before dropout."""

    def __init__(self, scheme: Scheme) -> None:
        super().__init__()
        width = scheme.vision.width
        self.image_embeddings = nn.Linear(scheme.region_width, width)
        self.image_location_embeddings = nn.Linear(scheme.locations, width)
        self.LayerNorm = nn.LayerNorm(width, EPSILON)

    def forward(self, features: Tensor, spatials: Tensor) -> Tensor:
        """States [u, R, hv] of regions with features [u, R, F] at locations [u, R, L]."""
        x = self.image_embeddings(features) + self.image_location_embeddings(spatials)
        return self.LayerNorm(x)  # type: ignore[no-any-return]


class JointEmbeddings(TextEmbeddings):
    """UNITER: words as above, and regions LN(LN(W_f r) + LN(W_l loc) + type) in the same module, as the type
    is row 1 of the text's table."""

    def __init__(self, scheme: Scheme) -> None:
        super().__init__(scheme)
        width = scheme.vision.width
        self.image_embeddings = nn.Linear(scheme.region_width, width)
        self.image_location_embeddings = nn.Linear(scheme.locations, width)
        self.image_layer_norm = nn.LayerNorm(width, EPSILON)
        self.image_location_layer_norm = nn.LayerNorm(width, EPSILON)
        self.v_LayerNorm = nn.LayerNorm(width, EPSILON)

    def regions(self, features: Tensor, spatials: Tensor) -> Tensor:
        """As :meth:`RegionEmbeddings.forward`."""
        x = self.image_layer_norm(self.image_embeddings(features))  # [u, R, hv]
        x = x + self.image_location_layer_norm(self.image_location_embeddings(spatials))
        x = x + self.token_type_embeddings.weight[IMAGE_TYPE]
        return self.v_LayerNorm(x)  # type: ignore[no-any-return]
