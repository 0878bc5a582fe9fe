"""From a config json to a :class:`Scheme`, with every contradiction named. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from mlzoo.errors import RunError, UsageError, did_you_mean
from mlzoo.files import read_json
from mlzoo_imagecode.cross.scheme import (
    EPSILON,
    PADDING,
    Activation,
    Attention,
    Embeddings,
    FeedForward,
    Fusion,
    Scheme,
    Stream,
    uniter,
    vilbert,
)
from mlzoo_imagecode.cross.values import Values

ATTENTION = tuple(f"{way}_attn_sublayers" for way in ("tt", "tv", "vt", "vv"))
FEED_FORWARD = ("t_ff_sublayers", "v_ff_sublayers")
SHARING = ("shared_sublayers", "single_ln_sublayers")
SIZES_OF_ATTENTION = tuple(
    f"sublayer2{name}"
    for name in ("attn_hidden_size", "num_attention_heads", "v_attn_hidden_size", "v_num_attention_heads")
)  # fmt: skip
SIZES_OF_FEED_FORWARD = ("sublayer2intermediate_size", "sublayer2v_intermediate_size")
NAMED = {*ATTENTION, *FEED_FORWARD, *SHARING, *SIZES_OF_ATTENTION, *SIZES_OF_FEED_FORWARD}
"""Every key that says how sublayers are built."""

BEGINNINGS = ("bert_layer2attn_sublayer", "bert_layer2ff_sublayer")
"""Which sublayers began pre-training as layers of BERT: in the published files, and of no use here."""


def open_scheme(name: str) -> Scheme:
    """``uniter``, ``vilbert``, or what a config json of that form describes.

    Raises:
        UsageError: there is no such scheme or file, or it is damaged, incomplete or contradicts itself; names
            the file and the key.
    """
    built_in = {"uniter": uniter, "vilbert": vilbert}
    if name in built_in:
        return built_in[name]()
    path = Path(name)
    if not path.is_file():
        raise UsageError(
            f"there is no scheme {name!r}, and no such file.",
            f"Give the path of a config json. {did_you_mean(name, built_in)}",
        )
    try:
        return scheme_of(read_json(path), str(path))
    except RunError as error:
        raise UsageError(error.message) from error


def scheme_of(values: Mapping[str, Any], source: str) -> Scheme:
    """The scheme that a config json's object describes.

    Keys of training and of heads that are not built here are not looked at.

    Args:
        values: the object.
        source: what errors call it.

    Raises:
        UsageError: see :func:`open_scheme`.
    """
    return _Reading(values, source).scheme()


class _Reading(Values):
    """One config, looked at key by key."""

    def __init__(self, values: Mapping[str, Any], source: str) -> None:
        super().__init__(values, source)
        for key in values:
            if "sublayer" in key and key not in NAMED.union(BEGINNINGS):
                self.refuse(f"unknown key {key!r}", did_you_mean(key, NAMED))
        self.lists = {key: self.numbers(key) for key in (*ATTENTION, *FEED_FORWARD, *SHARING)}

    def scheme(self) -> Scheme:
        self.check_numbering()
        text, vision = self.stream(""), self.stream("v_")
        embeddings = self.word("image_embeddings", get_args(Embeddings))
        fusion = self.word("fusion_method", get_args(Fusion))
        pooled, v_pooled = self.size("pooler_size"), self.size("v_pooler_size")
        if pooled != v_pooled and fusion != "text":
            self.refuse(
                f"pooler_size {pooled} and v_pooler_size {v_pooled} differ, which {fusion} cannot fuse"
            )
        if embeddings == "uniter" and text.width != vision.width:
            self.refuse(
                f"hidden_size {text.width} and v_hidden_size {vision.width} differ, but embeddings of uniter "
                "share the text's table of types"
            )
        self.check_fixed()
        count = len(self.attention | self.feed_forward)
        return Scheme(
            text=text,
            vision=vision,
            vocabulary=self.size("vocab_size"),
            positions=self.size("max_position_embeddings", 512),
            types=self.size("type_vocab_size", 2, least=2 if embeddings == "uniter" else 1),
            region_width=self.size("v_feature_size"),
            locations=self.size("num_locs", 5),
            embeddings=embeddings,
            pooled=pooled,
            fusion=fusion,
            initial_range=self.number("initializer_range", 0.02, below=10),
            sublayers=tuple(self.sublayer(number) for number in range(count)),
        )

    def check_fixed(self) -> None:
        """What other values could stand for is not built here."""
        fixed = {
            "add_global_imgfeat": "first",
            "model": "bert",
            "layer_norm_eps": EPSILON,
            "pad_token_id": PADDING,
        }
        for key, value in fixed.items():
            self.word(key, (value,), value)

    @property
    def attention(self) -> set[int]:
        return set().union(*(self.lists[key] for key in ATTENTION))

    @property
    def feed_forward(self) -> set[int]:
        return set().union(*(self.lists[key] for key in FEED_FORWARD))

    def check_numbering(self) -> None:
        """Sublayers are 0, 1, 2, … and each is either attention or feed-forward."""
        both = sorted(self.attention & self.feed_forward)
        if both:
            lists = [key for key in (*ATTENTION, *FEED_FORWARD) if both[0] in self.lists[key]]
            self.refuse(
                f"sublayer {both[0]} is both attention and feed-forward ({', '.join(lists)})",
                "Take it out of the lists of one kind.",
            )
        numbers = sorted(self.attention | self.feed_forward)
        if not numbers:
            named = ", ".join((*ATTENTION, *FEED_FORWARD))
            self.refuse("there are no sublayers", f"List them in {named}.")
        for expected, number in enumerate(numbers):
            if number != expected:
                self.refuse(
                    f"there is no sublayer {expected}, but one {numbers[-1]}", "Number them from 0."
                )
        for key in SHARING:
            for number in sorted(self.lists[key] - set(numbers)):
                self.refuse(f"{key} has {number}, but there is no such sublayer")
        self.check_sizes(SIZES_OF_ATTENTION, "attention", self.attention)
        self.check_sizes(SIZES_OF_FEED_FORWARD, "feed-forward", self.feed_forward)

    def check_sizes(self, keys: tuple[str, ...], kind: str, numbers: set[int]) -> None:
        """Sizes of single sublayers are of sublayers of their kind."""
        for key in keys:
            for number in sorted(set(self.sizes(key)) - numbers):
                self.refuse(f"{key} has {number}, which is no {kind} sublayer")

    def stream(self, prefix: str) -> Stream:
        return Stream(
            width=self.size(f"{prefix}hidden_size"),
            feed_forward=self.size(f"{prefix}intermediate_size"),
            activation=self.word(f"{prefix}hidden_act", get_args(Activation), "gelu"),
            dropout=self.number(f"{prefix}hidden_dropout_prob", 0.1),
            attention_dropout=self.number(f"{prefix}attention_probs_dropout_prob", 0.1),
        )

    def sublayer(self, number: int) -> Attention | FeedForward:
        shared, one_norm = (number in self.lists[key] for key in SHARING)
        if number in self.attention:
            made: Attention | FeedForward = self.attention_at(number, shared, one_norm)
        else:
            made = FeedForward(
                text=number in self.lists["t_ff_sublayers"],
                vision=number in self.lists["v_ff_sublayers"],
                text_width=self.size_at(number, "intermediate_size"),
                vision_width=self.size_at(number, "v_intermediate_size"),
                shared=shared,
                one_norm=one_norm or shared,
            )
        if shared or one_norm:
            self.check_sharing(number, made)
        return made

    def attention_at(self, number: int, shared: bool, one_norm: bool) -> Attention:
        tt, tv, vt, vv = (number in self.lists[key] for key in ATTENTION)
        made = Attention(
            tt=tt,
            tv=tv,
            vt=vt,
            vv=vv,
            text_width=self.size_at(number, "attn_hidden_size", "hidden_size"),
            text_heads=self.size_at(number, "num_attention_heads"),
            vision_width=self.size_at(number, "v_attn_hidden_size", "v_hidden_size"),
            vision_heads=self.size_at(number, "v_num_attention_heads"),
            shared=shared,
            one_norm=one_norm or shared,
        )
        sides = {"text": (made.text_width, made.text_heads)} if tt or tv or vt else {}
        sides |= {"vision": (made.vision_width, made.vision_heads)} if vv or vt or tv else {}
        for side, (width, heads) in sides.items():
            if width % heads:
                self.refuse(
                    f"sublayer {number}: {heads} heads do not divide the {side} attention's width {width}"
                )
        if made.crosses and sides["text"] != sides["vision"]:
            (width, heads), (v_width, v_heads) = sides["text"], sides["vision"]
            self.refuse(
                f"sublayer {number}: streams that meet need attention of one width and number of heads; text "
                f"has {width} and {heads}, vision {v_width} and {v_heads}",
                "Set sublayer2attn_hidden_size and sublayer2num_attention_heads there.",
            )
        return made

    def check_sharing(self, number: int, made: Attention | FeedForward) -> None:
        """Weights of two streams can be the same ones only if there are two, of the same sizes."""
        key = SHARING[0] if number in self.lists[SHARING[0]] else SHARING[1]
        both = made.text and made.vision
        if isinstance(made, Attention) and made.shared:
            both = both or made.crosses
        if not both:
            self.refuse(f"{key} has {number}, but that sublayer changes one stream alone")
        text, vision = self.stream(""), self.stream("v_")
        pairs: dict[str, tuple[Any, Any]] = {"hidden_size": (text.width, vision.width)}
        if made.shared:
            if isinstance(made, Attention):
                pairs["attn_hidden_size"] = made.text_width, made.vision_width
                pairs["num_attention_heads"] = made.text_heads, made.vision_heads
            else:
                pairs["intermediate_size"] = made.text_width, made.vision_width
            pairs["hidden_act"] = text.activation, vision.activation
            pairs["hidden_dropout_prob"] = text.dropout, vision.dropout
            pairs["attention_probs_dropout_prob"] = text.attention_dropout, vision.attention_dropout
        for name, (one, other) in pairs.items():
            if one != other:
                self.refuse(
                    f"{key} has {number}, but {name} is {one} for text and {other} for vision"
                )
