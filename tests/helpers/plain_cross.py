"""Cross-encoders' formulas as they stand, every pair of a description and an image for itself: the reference
for what goes through once, trimmed and fused. Straight from a config json and published names."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Weights = Mapping[str, Tensor]
Settings = Mapping[str, Any]
Pairs = Mapping[str, Tensor]
"""input_ids, input_mask, segment_ids [P, T]; features [P, R, F], spatials [P, R, L], image_mask [P, R]."""


def plain_embedded(weights: Weights, settings: Settings, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """States [P, T, h] of words and [P, R, hv] of regions."""
    name, ids = "bert.embeddings", pairs["input_ids"]
    types = weights[f"{name}.token_type_embeddings.weight"]
    text = weights[f"{name}.word_embeddings.weight"][ids]
    text = text + weights[f"{name}.position_embeddings.weight"][: ids.shape[1]]
    text = norm(weights, f"{name}.LayerNorm", text + types[pairs["segment_ids"]])
    if settings["image_embeddings"] == "uniter":
        x = linear(weights, f"{name}.image_embeddings", pairs["features"])
        y = linear(weights, f"{name}.image_location_embeddings", pairs["spatials"])
        x = norm(weights, f"{name}.image_layer_norm", x)
        x = x + norm(weights, f"{name}.image_location_layer_norm", y) + types[1]
        return text, norm(weights, f"{name}.v_LayerNorm", x)
    name = "bert.v_embeddings"
    x = linear(weights, f"{name}.image_embeddings", pairs["features"])
    x = x + linear(weights, f"{name}.image_location_embeddings", pairs["spatials"])
    return text, norm(weights, f"{name}.LayerNorm", x)


def plain_streams(
    weights: Weights, settings: Settings, pairs: Pairs, sublayers: int | None = None
) -> tuple[Tensor, Tensor]:
    """States of both streams after so many sublayers, or all."""
    text, vision = plain_embedded(weights, settings, pairs)
    lists = {key: set(value) for key, value in settings.items() if key.endswith("_sublayers")}
    numbers = set().union(*(numbers for key, numbers in lists.items() if key[1] in "tv_"))
    for number in range(max(numbers) + 1 if sublayers is None else sublayers):
        ways = [w for w in ("tt", "tv", "vt", "vv") if number in lists[f"{w}_attn_sublayers"]]
        if ways:
            text, vision = plain_attention(weights, settings, pairs, number, ways, text, vision)
            continue
        at = f"bert.encoder.layer.{number}"
        if number in lists["t_ff_sublayers"]:
            text = plain_feed_forward(weights, at, "", text, "", settings["hidden_act"])
        if number in lists["v_ff_sublayers"]:
            shared = number in lists.get("shared_sublayers", ())
            one_norm = shared or number in lists.get("single_ln_sublayers", ())
            prefixes = "" if shared else "v_", "" if one_norm else "v_"
            vision = plain_feed_forward(
                weights, at, prefixes[0], vision, prefixes[1], settings["v_hidden_act"]
            )
    return text, vision


def plain_attention(
    weights: Weights,
    settings: Settings,
    pairs: Pairs,
    number: int,
    ways: list[str],
    text: Tensor,
    vision: Tensor,
) -> tuple[Tensor, Tensor]:
    """An attention sublayer: the scores of each way beside each other, one softmax."""
    at = f"bert.encoder.layer.{number}"
    shared = number in settings.get("shared_sublayers", ())
    one_norm = shared or number in settings.get("single_ln_sublayers", ())
    states = {"t": text, "v": vision}
    masks = {"t": pairs["input_mask"], "v": pairs["image_mask"]}
    changed = {}
    for asking in "tv":
        asked = [way[1] for way in ways if way[0] == asking]
        if not asked:
            continue
        prefix = "v_" if asking == "v" else ""
        own = settings.get(f"sublayer2{prefix}num_attention_heads", {})
        heads = own.get(str(number), settings[f"{prefix}num_attention_heads"])

        def projected(kind: str, side: str, heads: int = heads) -> Tensor:
            name = f"{at}.attention_self.{'v_' if side == 'v' and not shared else ''}{kind}"
            x = linear(weights, name, states[side])
            return x.view(*x.shape[:2], heads, -1).transpose(1, 2)

        query = projected("query", asking)  # [P, heads, n, C / heads]
        scores = [
            query @ projected("key", side).transpose(2, 3) / sqrt(query.shape[3])
            + (1 - masks[side][:, None, None].float()) * -10000
            for side in asked
        ]
        weighing = torch.cat(scores, dim=3).softmax(dim=3)
        parts = weighing.split([each.shape[3] for each in scores], dim=3)
        context = sum(p @ projected("value", side) for p, side in zip(parts, asked, strict=True))
        assert isinstance(context, Tensor)
        added = linear(
            weights,
            f"{at}.attention_output.{'' if shared else prefix}dense",
            context.transpose(1, 2).flatten(2),
        )
        name = f"{at}.attention_output.{'' if one_norm else prefix}LayerNorm"
        changed[asking] = norm(weights, name, states[asking] + added)
    return changed.get("t", text), changed.get("v", vision)


def plain_feed_forward(
    weights: Weights, at: str, prefix: str, x: Tensor, norm_prefix: str, activation: str
) -> Tensor:
    hidden = linear(weights, f"{at}.intermediate.{prefix}dense", x)
    hidden = functional.gelu(hidden) if activation == "gelu" else hidden.clamp(min=0)
    added = linear(weights, f"{at}.output.{prefix}dense", hidden)
    return norm(weights, f"{at}.output.{norm_prefix}LayerNorm", x + added)


def plain_pooled(weights: Weights, settings: Settings, pairs: Pairs) -> Tensor:
    """[P, C], both poolers as the settings fuse them."""
    text, vision = plain_streams(weights, settings, pairs)
    pooled_text = linear(weights, "bert.t_pooler.dense", text[:, 0]).clamp(min=0)
    if settings["fusion_method"] == "text":
        return pooled_text
    pooled_vision = linear(weights, "bert.v_pooler.dense", vision[:, 0]).clamp(min=0)
    return (
        pooled_text * pooled_vision
        if settings["fusion_method"] == "mul"
        else pooled_text + pooled_vision
    )


def plain_logits(weights: Weights, settings: Settings, pairs: Pairs) -> Tensor:
    """Logits [P] of the linear head."""
    return linear(weights, "clfs_dict.TASK3", plain_pooled(weights, settings, pairs))[:, 0]


def linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    return (x - mean) / (variance + 1e-12).sqrt() * weights[f"{name}.weight"] + weights[
        f"{name}.bias"
    ]
