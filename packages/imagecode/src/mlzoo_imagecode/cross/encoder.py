"""A cross-encoder: a state for each word and region of a pair (Bugliarello et al. 2021, arXiv 2011.15124).

b: descriptions, T: their tokens; u: images, R: their regions; k: images that a description chooses among;
P = b k: pairs. What does not depend on the pair is computed once: embeddings and, in ViLBERT, the twelve
sublayers of the text alone. Sublayers have the published names:
``bert.encoder.layer.12.attention_self.query``.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo_imagecode.cross.embeddings import JointEmbeddings, RegionEmbeddings, TextEmbeddings
from mlzoo_imagecode.cross.scheme import Attention, Scheme
from mlzoo_imagecode.cross.sublayers import AttentionSublayer, FeedForwardSublayer, Streams

Sublayer: TypeAlias = AttentionSublayer | FeedForwardSublayer

NOTHING = -10000.0
"""What is added to the scores of a key that is padding."""


class Given(NamedTuple):
    """What b descriptions are matched with.

    Attributes:
        ids: int64 [b, T], tokens, zero padded at the end.
        mask: [b, T], 1 where there is a token.
        features: float [u, R, F], of the regions of the images that any of them chooses among, each image
            once; row 0 is the whole image.
        spatials: float [u, R, L], where the regions are.
        image_mask: [u, R], 1 where there is a region.
        places: int64 [b, k], the candidates as rows of ``features``.
        positions: int64 [b, k], of a candidate in its set.
        temporal: bool [b], whether the order of the candidates counts.
        segments: int64 [b, T], types of tokens; all 0 if not given.
    """

    ids: Tensor
    mask: Tensor
    features: Tensor
    spatials: Tensor
    image_mask: Tensor
    places: Tensor
    positions: Tensor
    temporal: Tensor
    segments: Tensor | None = None


class Pooled(NamedTuple):
    """P = b k pairs, those of a description beside each other, as the poolers give them.

    Attributes:
        text, vision: [P, C], of the first token and the first region, not below 0. There is no ``vision``
            where it is not fused.
    """

    text: Tensor
    vision: Tensor | None


def trimmed(given: Given) -> Given:
    """Without columns at the end that are padding in every row. Results are the same up to rounding.

    To be called before tensors go to an accelerator: it looks at the masks.
    """
    tokens, regions = _used(given.mask), _used(given.image_mask)
    return given._replace(
        ids=given.ids[:, :tokens],
        mask=given.mask[:, :tokens],
        segments=None if given.segments is None else given.segments[:, :tokens],
        features=given.features[:, :regions],
        spatials=given.spatials[:, :regions],
        image_mask=given.image_mask[:, :regions],
    )


def _used(mask: Tensor) -> int:
    """Columns up to the last that some row uses; one at least."""
    columns = mask.bool().any(dim=0).nonzero()
    return int(columns[-1]) + 1 if len(columns) else 1


class Pooler(nn.Module):
    """relu(dense(first state))."""

    def __init__(self, width: int, pooled: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, pooled)

    def forward(self, states: Tensor) -> Tensor:
        """[P, C] of [P, n, h]."""
        return self.dense(states[:, 0]).relu()  # type: ignore[no-any-return]


class CrossEncoder(nn.Module):
    """Embeddings, sublayers and poolers of a scheme.

    Args:
        scheme: the build.
        once_in_training: what is done once for a description or an image is so in training, too; the pairs of
            a description then share the dropout of these sublayers. Without dropout nothing differs.

    Weights begin as N(0, ``scheme.initial_range``), biases as 0, from PyTorch's global generator.
    """

    def __init__(self, scheme: Scheme, *, once_in_training: bool = True) -> None:
        super().__init__()
        self.scheme, self.once_in_training = scheme, once_in_training
        if scheme.embeddings == "uniter":
            self.embeddings: TextEmbeddings = JointEmbeddings(scheme)
        else:
            self.embeddings = TextEmbeddings(scheme)
            self.v_embeddings = RegionEmbeddings(scheme)
        layers = nn.ModuleList(
            AttentionSublayer(scheme, made)
            if isinstance(made, Attention)
            else FeedForwardSublayer(scheme, made)
            for made in scheme.sublayers
        )
        self.encoder = nn.ModuleDict({"layer": layers})
        self.t_pooler = Pooler(scheme.text.width, scheme.pooled)
        if scheme.fusion != "text":
            self.v_pooler = Pooler(scheme.vision.width, scheme.pooled)
        initialise(self, scheme.initial_range)

    def forward(self, given: Given) -> Pooled:
        """All pairs, pooled. From the last attention on only states that the poolers read are computed."""
        layers = self.layers
        attentions = [n for n, layer in enumerate(layers) if isinstance(layer, AttentionSublayer)]
        last = attentions[-1] if attentions else 0
        x = self.streams(given, last)
        for layer in layers[last:]:
            x = layer(x, first=True) if isinstance(layer, AttentionSublayer) else layer(x)
        return self.pooled(x)

    @property
    def layers(self) -> list[Sublayer]:
        """The sublayers in their order."""
        return list(self.encoder["layer"])  # type: ignore[call-overload,no-any-return]

    def pooled(self, x: Streams) -> Pooled:
        """Of the streams after all sublayers."""
        vision = self.v_pooler(x.vision) if self.scheme.fusion != "text" else None
        return Pooled(self.t_pooler(x.text), vision)

    def streams(self, given: Given, sublayers: int | None = None) -> Streams:
        """States of all pairs, [P, T, h] and [P, R, hv], after so many sublayers, or all."""
        layers = self.layers[:sublayers]
        once = self.once_in_training or not self.training
        alone = min(self.scheme.alone, len(layers)) if once else 0
        x = self._embedded(given)
        if alone:
            x = self._dropped(x)
            for layer in layers[:alone]:
                x = layer(x)
            x = _paired(x, given.places)
        else:
            x = self._dropped(_paired(x, given.places))
        for layer in layers[alone:]:
            x = layer(x)
        return x

    def _embedded(self, given: Given) -> Streams:
        """Text of each description and regions of each image, once."""
        text = self.embeddings(given.ids, given.segments)  # [b, T, h]
        regions = (
            self.embeddings.regions
            if isinstance(self.embeddings, JointEmbeddings)
            else self.v_embeddings
        )
        vision = regions(given.features, given.spatials)  # [u, R, hv]
        masks = ((1 - mask.to(text.dtype)) * NOTHING for mask in (given.mask, given.image_mask))
        return Streams(text, vision, *masks)

    def _dropped(self, x: Streams) -> Streams:
        text, vision = self.scheme.text.dropout, self.scheme.vision.dropout
        return x._replace(
            text=functional.dropout(x.text, text, self.training),
            vision=functional.dropout(x.vision, vision, self.training),
        )


def _paired(x: Streams, places: Tensor) -> Streams:
    """From b descriptions and u images to their P = b k pairs."""
    k, rows = places.shape[1], places.flatten()
    return Streams(
        text=x.text.repeat_interleave(k, dim=0),
        vision=x.vision[rows],
        text_mask=x.text_mask.repeat_interleave(k, dim=0),
        vision_mask=x.vision_mask[rows],
    )


@torch.no_grad()
def initialise(module: nn.Module, deviation: float) -> None:
    """N(0, deviation) for linear layers and embeddings, padding's row, too; biases 0, normalisations 1."""
    for each in module.modules():
        if isinstance(each, nn.Linear | nn.Embedding):
            each.weight.normal_(0, deviation)
        if isinstance(each, nn.LayerNorm):
            each.weight.fill_(1)
        if isinstance(each, nn.Linear | nn.LayerNorm):
            each.bias.zero_()
