"""ContextualCLIP's module, which sees all images of a set before it judges one (Krojer et al. 2022,
Section 5: ContextModule and TemporalEmbeddings).

n: descriptions, k: images that each chooses among, d: width of CLIP's features, C: width of the module, d or
2d; h: attention heads. Parameters have the published program's names and shapes. All descriptions go through
at once: what k images tell each other is attention over k tokens, and descriptions share nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo.errors import UsageError
from mlzoo_imagecode.config import Activation, Fusion, ImageCoDeConfig, Positions

EPSILON = 1e-12
"""Of every layer normalisation."""

PLACES = 10
"""Images of a set of ImageCoDe."""

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,  # exact: x Φ(x)
    "relu": functional.relu,
    "leaky-relu": functional.leaky_relu,
}


class SelfAttention(nn.Module):
    """softmax(q kᵀ / √(C/h)) v with h heads, a linear layer, and LN(x + ·)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.self = nn.ModuleDict(
            {name: nn.Linear(width, width) for name in ("query", "key", "value")}
        )
        self.output = nn.ModuleDict(
            {"dense": nn.Linear(width, width), "LayerNorm": nn.LayerNorm(width, EPSILON)}
        )

    def forward(self, x: Tensor) -> Tensor:
        """[n, k, C] to the same. In training, dropout of the attention's weights and of what is added."""
        rate = self.dropout if self.training else 0.0
        q, k, v = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)  # [n, h, k, C/h]
            for layer in self.self.values()
        )
        looked = functional.scaled_dot_product_attention(q, k, v, dropout_p=rate)  # [n, h, k, C/h]
        added = self.output["dense"](looked.transpose(1, 2).flatten(2))  # [n, k, C]
        added = functional.dropout(added, rate)
        return self.output["LayerNorm"](x + added)  # type: ignore[no-any-return]


class Layer(nn.Module):
    """A layer of BERT: attention, then two linear layers, each followed by LN(x + ·)."""

    def __init__(
        self, width: int, heads: int, feed_forward: int, activation: Activation, dropout: float
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.activation = ACTIVATIONS[activation]
        self.attention = SelfAttention(width, heads, dropout)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, feed_forward)})
        self.output = nn.ModuleDict(
            {"dense": nn.Linear(feed_forward, width), "LayerNorm": nn.LayerNorm(width, EPSILON)}
        )

    def forward(self, x: Tensor) -> Tensor:
        """[n, k, C] to the same."""
        x = self.attention(x)  # [n, k, C]
        hidden = self.activation(self.intermediate["dense"](x))  # [n, k, F]
        added = functional.dropout(self.output["dense"](hidden), self.dropout, self.training)
        return self.output["LayerNorm"](x + added)  # type: ignore[no-any-return]


class ContextModule(nn.Module):
    """Scores of a description's images, each seen beside the others.

    Args:
        d: width of CLIP's features.
        fusion: how an image meets the text: ``mult`` (C = d) or ``concat`` (C = 2d).
        add_input: whether what goes in is added to what comes out.
        temporal: whether places have embeddings.
        scale: s, of the fused features (mult alone).
        layers, heads, feed_forward, activation, dropout: of the transformer.
        places: how many images the largest set has, that is rows of ``positional_emb``.

    Weights begin as PyTorch draws them from its global generator.

    Raises:
        UsageError: ``heads`` does not divide the width.
    """

    def __init__(
        self,
        d: int,
        *,
        fusion: Fusion = "mult",
        add_input: bool = True,
        temporal: bool = True,
        scale: float = 1000.0,
        layers: int = 2,
        heads: int = 8,
        feed_forward: int = 3072,
        activation: Activation = "gelu",
        dropout: float = 0.1,
        places: int = PLACES,
    ) -> None:
        super().__init__()
        self.fusion, self.add_input, self.scale = fusion, add_input, scale
        self.width = width = d if fusion == "mult" else 2 * d
        if width % heads:
            fitting = ", ".join(str(n) for n in range(1, min(width, 16) + 1) if width % n == 0)
            raise UsageError(
                f"head_heads {heads} must divide the module's width {width}.",
                f"Fitting: --head-heads {fitting}.",
            )
        self.transformer = nn.ModuleList(
            Layer(width, heads, feed_forward, activation, dropout) for _ in range(layers)
        )
        self.prediction_layer = nn.Linear(width, 1)
        self.positional_emb = nn.Embedding(places, width) if temporal else None

    @classmethod
    def from_config(cls, config: ImageCoDeConfig, d: int, places: int = PLACES) -> Self:
        """The module that the options ask for."""
        return cls(
            d,
            fusion=config.fusion,
            add_input=config.add_input,
            temporal=config.temporal,
            scale=config.head_scale,
            layers=config.head_layers,
            heads=config.head_heads,
            feed_forward=config.head_feed_forward,
            activation=config.activation,
            dropout=config.dropout,
            places=places,
        )

    def forward(
        self, image_features: Tensor, text_features: Tensor, positions: Tensor, temporal: Tensor
    ) -> Tensor:
        """Logits of the images.

        Args:
            image_features: float [n, k, d], as CLIP projects them.
            text_features: float [n, d], likewise.
            positions: int64 [n, k], places of the images in their set, below ``places``.
            temporal: bool [n], whether a description's images get the embeddings of their places
                (:func:`temporal_mask`).

        Returns:
            float [n, k].
        """
        return self.scored(self.fused(image_features, text_features), positions, temporal)

    def fused(self, image_features: Tensor, text_features: Tensor) -> Tensor:
        """x₀ [n, k, C]: each image together with the text, both at length 1."""
        f = functional.normalize(image_features, dim=-1)  # [n, k, d]
        t = functional.normalize(text_features, dim=-1)[:, None]  # [n, 1, d]
        if self.fusion == "mult":
            return self.scale * f * t  # [n, k, C], C = d
        return torch.cat([f, t.expand_as(f)], dim=-1)  # [n, k, C], C = 2d

    def scored(self, x0: Tensor, positions: Tensor, temporal: Tensor) -> Tensor:
        """Logits [n, k] of what :meth:`fused` or another encoder of pairs gives, x₀ [n, k, C]."""
        x = x0
        if self.positional_emb is not None:  # x = x₀ + m E
            places = self.positional_emb(positions)  # [n, k, C]
            x = x0 + places * temporal[:, None, None].to(places.dtype)
        for layer in self.transformer:
            x = layer(x)  # [n, k, C]
        if self.add_input:  # without the embeddings of places
            x = x + x0
        return self.prediction_layer(x).squeeze(-1)  # type: ignore[no-any-return]


class HasPositions(Protocol):
    """Options of a model with embeddings of places."""

    @property
    def positions(self) -> Positions: ...


def temporal_mask(config: HasPositions, video: Tensor, training: bool) -> Tensor:
    """Which descriptions' images get embeddings of their places, as the option ``positions`` says.

    Args:
        config: the options.
        video: bool [n], whether the images are frames of a video.
        training: whether it is asked for a step of training.

    Returns:
        bool [n].
    """
    everywhere = config.positions == "all" or (config.positions == "all-in-training" and training)
    return torch.ones_like(video) if everywhere else video
