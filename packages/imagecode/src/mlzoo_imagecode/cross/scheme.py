"""What a cross-encoder is made of: numbered sublayers over a text and a vision stream (Bugliarello et al.
2021, arXiv 2011.15124, Section 3). Imports no torch.

The published configurations are data in the form of the published json files: :func:`uniter` and
:func:`vilbert`, which also give smaller networks of the same build.
:mod:`mlzoo_imagecode.cross.scheme_reading` reads other files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Self, TypeAlias

Activation: TypeAlias = Literal["gelu", "relu"]
Embeddings: TypeAlias = Literal["uniter", "vilbert"]
Fusion: TypeAlias = Literal["mul", "sum", "text"]

REGION_WIDTH, LOCATIONS = 2048, 5
"""Of the published region features, and the numbers that say where a region is."""

WORDS = 30522
"""Of BERT's vocabulary (bert-base-uncased)."""

PADDING = 0
"""The token whose row is drawn like the others and gets no gradient."""

EPSILON = 1e-12
"""Of every layer normalisation."""

CONTEXT_HEADS = 8
"""Of the contextual module's attention, whatever the encoder."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Text or vision.

    Attributes:
        width: of a state.
        feed_forward: hidden width of its feed-forward sublayers, where they have no other.
        activation: of feed-forward sublayers.
        dropout: of what a sublayer adds.
        attention_dropout: of the attention's weights.
    """

    width: int
    feed_forward: int
    activation: Activation
    dropout: float
    attention_dropout: float


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Who attends to whom in a sublayer; xy: x asks, y answers.

    Attributes:
        tt, tv, vt, vv: the directions that exist.
        text_width, text_heads: of the projections of the text.
        vision_width, vision_heads: of those of the vision stream.
        shared: the vision stream's weights are the text's.
        one_norm: so is its normalisation.
    """

    tt: bool
    tv: bool
    vt: bool
    vv: bool
    text_width: int
    text_heads: int
    vision_width: int
    vision_heads: int
    shared: bool
    one_norm: bool

    @property
    def text(self) -> bool:
        """Whether it changes the text."""
        return self.tt or self.tv

    @property
    def vision(self) -> bool:
        """Whether it changes the vision stream."""
        return self.vt or self.vv

    @property
    def crosses(self) -> bool:
        """Whether a stream looks at the other."""
        return self.tv or self.vt


@dataclass(frozen=True, kw_only=True)
class FeedForward:
    """Two linear layers on each state of one stream or both; attributes as those of :class:`Attention`."""

    text: bool
    vision: bool
    text_width: int
    vision_width: int
    shared: bool
    one_norm: bool

    @property
    def crosses(self) -> bool:
        """Never: each state stays alone."""
        return False


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """A whole cross-encoder.

    Attributes:
        text, vision: the streams.
        vocabulary, positions, types: rows of the text's tables.
        region_width, locations: numbers that describe a region: its features, and where it is.
        embeddings: how regions enter.
        pooled: width of what the poolers give.
        fusion: how the pooled streams meet: their product, their sum, or the text alone.
        initial_range: standard deviation of initial weights.
        sublayers: in their order.
    """

    text: Stream
    vision: Stream
    vocabulary: int
    positions: int
    types: int
    region_width: int
    locations: int
    embeddings: Embeddings
    pooled: int
    fusion: Fusion
    initial_range: float
    sublayers: tuple[Attention | FeedForward, ...]

    @property
    def alone(self) -> int:
        """How many sublayers come before a stream first looks at the other. Up to there the text knows
        nothing of its image, nor the image of its text."""
        crossing = (n for n, each in enumerate(self.sublayers) if each.crosses)
        return next(crossing, len(self.sublayers))

    def fitted(self, *, vocabulary: int, positions: int, region_width: int) -> Self:
        """The same for so many words and tokens, and regions of such a width."""
        return replace(self, vocabulary=vocabulary, positions=positions, region_width=region_width)


def uniter_values(
    *,
    width: int = 768,
    heads: int = 12,
    feed_forward: int = 3072,
    layers: int = 12,
    pooled: int = 1024,
    dropout: float = 0.1,
) -> dict[str, Any]:
    """UNITER in the controlled set-up, as its json says it, or a smaller one.

    Every sublayer is shared, so that it is one transformer over words and regions.
    """
    attention, feed = _every(0, layers, step=2), _every(1, layers, step=2)
    return {
        **_stream("", width, heads, feed_forward, dropout),
        **_stream("v_", width, heads, feed_forward, dropout),
        **_common("uniter", pooled),
        **{f"{way}_attn_sublayers": attention for way in ("tt", "tv", "vt", "vv")},
        "t_ff_sublayers": feed,
        "v_ff_sublayers": feed,
        "shared_sublayers": sorted(attention + feed),
        "single_ln_sublayers": sorted(attention + feed),
    }


def vilbert_values(
    *,
    width: int = 768,
    heads: int = 12,
    feed_forward: int = 3072,
    v_width: int = 1024,
    v_heads: int = 8,
    v_feed_forward: int = 1024,
    text_layers: int = 6,
    layers: int = 6,
    pooled: int = 1024,
    dropout: float = 0.1,
) -> dict[str, Any]:
    """ViLBERT base as its json says it, or a smaller one.

    Layers of the text alone, then ``layers`` times: each stream attends to the other, feed-forward, each
    attends to itself, feed-forward. Where streams meet, the text's attention has the width and heads of the
    vision's.
    """
    first, last = 2 * text_layers, 2 * text_layers + 4 * layers
    across, itself = _every(first, layers, step=4), _every(first + 2, layers, step=4)
    return {
        **_stream("", width, heads, feed_forward, dropout),
        **_stream("v_", v_width, v_heads, v_feed_forward, dropout),
        **_common("vilbert", pooled),
        "tt_attn_sublayers": _every(0, text_layers, step=2) + itself,
        "tv_attn_sublayers": across,
        "vt_attn_sublayers": across,
        "vv_attn_sublayers": itself,
        "t_ff_sublayers": list(range(1, last, 2)),
        "v_ff_sublayers": list(range(first + 1, last, 2)),
        "sublayer2attn_hidden_size": {str(number): v_width for number in across},
        "sublayer2num_attention_heads": {str(number): v_heads for number in across},
    }


def uniter(**sizes: Any) -> Scheme:
    """UNITER; the published one without ``sizes`` (those of :func:`uniter_values`)."""
    from mlzoo_imagecode.cross.scheme_reading import scheme_of

    return scheme_of(uniter_values(**sizes), "uniter")


def vilbert(**sizes: Any) -> Scheme:
    """ViLBERT; the published one without ``sizes`` (those of :func:`vilbert_values`)."""
    from mlzoo_imagecode.cross.scheme_reading import scheme_of

    return scheme_of(vilbert_values(**sizes), "vilbert")


def _every(first: int, count: int, *, step: int) -> list[int]:
    return list(range(first, first + step * count, step))


def _stream(
    prefix: str, width: int, heads: int, feed_forward: int, dropout: float
) -> dict[str, Any]:
    values = {
        "hidden_size": width,
        "num_attention_heads": heads,
        "intermediate_size": feed_forward,
        "hidden_act": "gelu",
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
    }
    return {f"{prefix}{key}": value for key, value in values.items()}


def _common(embeddings: Embeddings, pooled: int) -> dict[str, Any]:
    return {
        "vocab_size": WORDS,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "v_feature_size": REGION_WIDTH,
        "num_locs": LOCATIONS,
        "image_embeddings": embeddings,
        "add_global_imgfeat": "first",
        "pooler_size": pooled,
        "v_pooler_size": pooled,
        "fusion_method": "mul",
        "initializer_range": 0.02,
    }
