"""Config jsons of small cross-encoders with sublayers, sizes and sharing drawn at random."""

from __future__ import annotations

from random import Random
from typing import Any

from small_cross import FEATURES, WORDS

WAYS = ("tt", "tv", "vt", "vv")
FEED = ("t_ff_sublayers", "v_ff_sublayers")


def random_values(seed: int) -> dict[str, Any]:
    """A config json's object that does not contradict itself, a seed's own.

    One to seven sublayers of any directions; widths of the streams are equal in most cases, as they
    must be where something is shared; single sublayers have sizes of their own.
    """
    draw = Random(seed)
    alike = draw.random() < 0.6
    text, vision = _sizes(draw), _sizes(draw)
    embeddings = draw.choice(["uniter", "vilbert"])
    if alike or embeddings == "uniter":
        vision["hidden_size"] = text["hidden_size"]
    if alike:
        vision = dict(text)
    lists: dict[str, list[int]] = {f"{way}_attn_sublayers": [] for way in WAYS}
    lists |= {name: [] for name in (*FEED, "shared_sublayers", "single_ln_sublayers")}
    own: dict[str, dict[str, int]] = {
        f"sublayer2{side}{name}": {}
        for side in ("", "v_")
        for name in ("attn_hidden_size", "num_attention_heads", "intermediate_size")
    }
    for number in range(draw.randint(1, 7)):
        kinds = [f"{way}_attn_sublayers" for way in WAYS] if draw.random() < 0.6 else list(FEED)
        chosen = draw.sample(kinds, draw.randint(1, len(kinds)))
        for key in chosen:
            lists[key].append(number)
        attention = kinds != list(FEED)
        _own_sizes(
            draw, own, number, attention, equal=alike or {"tv", "vt"} & {k[:2] for k in chosen}
        )
        both = {key[0] for key in chosen} == {"t", "v"}
        crosses = attention and any(key[:2] in ("tv", "vt") for key in chosen)
        if alike and (both or crosses) and draw.random() < 0.5:
            lists["shared_sublayers"].append(number)
        if vision["hidden_size"] == text["hidden_size"] and both and draw.random() < 0.5:
            lists["single_ln_sublayers"].append(number)
    pooled = 8 * draw.randint(1, 2)
    fusion = draw.choice(["mul", "mul", "sum", "text"])
    return {
        **text,
        **{f"v_{name}": value for name, value in vision.items()},
        **lists,
        **own,
        "vocab_size": WORDS,
        "max_position_embeddings": 30,
        "type_vocab_size": draw.randint(2, 3),
        "v_feature_size": FEATURES,
        "num_locs": 5,
        "image_embeddings": embeddings,
        "add_global_imgfeat": "first",
        "pooler_size": pooled,
        "v_pooler_size": pooled + (4 if fusion == "text" else 0),
        "fusion_method": fusion,
    }


def _sizes(draw: Random) -> dict[str, Any]:
    return {
        "hidden_size": 12 * draw.randint(1, 2),
        "num_attention_heads": draw.randint(1, 3),
        "intermediate_size": draw.randint(5, 20),
        "hidden_act": draw.choice(["gelu", "gelu", "relu"]),
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
    }


def _own_sizes(
    draw: Random, own: dict[str, dict[str, int]], number: int, attention: bool, *, equal: Any
) -> None:
    """Sizes of a sublayer; equal for both streams where they meet or may be shared."""
    if not equal and draw.random() < 0.5:
        return
    if attention:
        for sides in [("", "v_")] if equal else [("",), ("v_",)]:
            heads = draw.randint(1, 3)
            width = heads * draw.randint(2, 5)
            for side in sides:
                own[f"sublayer2{side}num_attention_heads"][str(number)] = heads
                own[f"sublayer2{side}attn_hidden_size"][str(number)] = width
    else:
        for sides in [("", "v_")] if equal else [("",), ("v_",)]:
            width = draw.randint(3, 12)
            for side in sides:
                own[f"sublayer2{side}intermediate_size"][str(number)] = width
