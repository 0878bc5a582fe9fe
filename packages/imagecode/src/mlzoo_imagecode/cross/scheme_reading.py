"""From a config json to a :class:`Scheme`, with every contradiction named. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, get_args

from mlzoo.errors import RunError, UsageError, did_you_mean
from mlzoo.files import read_json
from mlzoo_imagecode.cross.scheme import (
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

ATTENTION = tuple(f"{way}_attn_sublayers" for way in ("tt", "tv", "vt", "vv"))
FEED_FORWARD = ("t_ff_sublayers", "v_ff_sublayers")
SHARING = ("shared_sublayers", "single_ln_sublayers")
SIZES_OF_ATTENTION = tuple(
    f"sublayer2{name}"
    for name in ("attn_hidden_size", "num_attention_heads", "v_attn_hidden_size", "v_num_attention_heads")
)  # fmt: skip
SIZES_OF_FEED_FORWARD = ("sublayer2intermediate_size", "sublayer2v_intermediate_size")
NAMED = {*ATTENTION, *FEED_FORWARD, *SHARING, *SIZES_OF_ATTENTION, *SIZES_OF_FEED_FORWARD}
"""Every key that speaks of sublayers."""

LARGEST = 2**24
"""A size above this is a slip, not a network."""

_NUMBER = re.compile("[0-9]{1,6}")


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


class _Reading:
    """One config, looked at key by key."""

    def __init__(self, values: Mapping[str, Any], source: str) -> None:
        self.values, self.source = values, source
        for key in values:
            if "sublayer" in key and key not in NAMED:
                self.refuse(f"unknown key {key!r}", did_you_mean(key, NAMED))
        self.lists = {key: self.numbers(key) for key in (*ATTENTION, *FEED_FORWARD, *SHARING)}

    def refuse(self, what: str, fix: str = "") -> NoReturn:
        raise UsageError(f"{self.source}: {what}.", fix)

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
        self.word("add_global_imgfeat", ("first",), "first")
        self.word("model", ("bert",), "bert")
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
        names = [("hidden_size", self.size("hidden_size"), self.size("v_hidden_size"))]
        if made.shared:
            kind = "attn_hidden_size" if isinstance(made, Attention) else "intermediate_size"
            names.append((kind, made.text_width, made.vision_width))
            if isinstance(made, Attention):
                names.append(("num_attention_heads", made.text_heads, made.vision_heads))
        for name, one, other in names:
            if one != other:
                self.refuse(
                    f"{key} has {number}, but {name} is {one} for text and {other} for vision"
                )
        if made.shared and self.stream("").activation != self.stream("v_").activation:
            self.refuse(f"{key} has {number}, but hidden_act and v_hidden_act differ")

    # Values of one key.

    def numbers(self, key: str) -> set[int]:
        found = self.values.get(key, [])
        if not isinstance(found, list) or not all(type(n) is int and n >= 0 for n in found):
            self.refuse(f"{key} must be a list of numbers from 0")
        if len(set(found)) < len(found):
            self.refuse(f"{key} has a number twice")
        return set(found)

    def sizes(self, key: str) -> dict[int, int]:
        """By sublayer; JSON writes the numbers as text."""
        found = self.values.get(key, {})
        if not isinstance(found, dict) or not all(_NUMBER.fullmatch(str(n)) for n in found):
            self.refuse(f"{key} must map numbers of sublayers to sizes")
        return {int(n): self.checked_size(f"{key}.{n}", size) for n, size in found.items()}

    def size_at(self, number: int, name: str, otherwise: str = "") -> int:
        """Of a sublayer, or else of all."""
        own = self.sizes(f"sublayer2{name}")
        return own[number] if number in own else self.size(otherwise or name)

    def size(self, key: str, default: int | None = None, least: int = 1) -> int:
        if key not in self.values and default is None:
            self.refuse(
                f"{key!r} is missing", "Give a config json of a cross-encoder's sublayer scheme."
            )
        return self.checked_size(key, self.values.get(key, default), least)

    def checked_size(self, key: str, found: Any, least: int = 1) -> int:
        if type(found) is not int or not least <= found <= LARGEST:
            self.refuse(
                f"{key} must be a whole number from {least} to {LARGEST}, it is {found!r:.40}"
            )
        return found

    def number(self, key: str, default: float, below: float = 1.0) -> float:
        found = self.values.get(key, default)
        if type(found) not in (int, float) or not 0 <= found < below:
            self.refuse(f"{key} must be a number from 0 to below {below:g}, it is {found!r:.40}")
        return float(found)

    def word(self, key: str, known: tuple[str, ...], default: str | None = None) -> Any:
        found = self.values.get(key, default)
        if found not in known:
            self.refuse(
                f"{key} is {found!r:.40}, which is not built here"
                if found
                else f"{key!r} is missing",
                f"Known: {', '.join(known)}.",
            )
        return found
