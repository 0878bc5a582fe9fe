"""The same CLIP by two sets of names: OpenAI's, which published checkpoints have, and transformers'.

Beside names, OpenAI's projections are the transposes, and its query, key and value weights are one matrix,
stacked in this order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from mlzoo.errors import CheckpointError

SHOWN = 4
"""Names that an error lists."""

_SINGLE = {
    "logit_scale": "logit_scale",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",  # as transformers spells it
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
}
_TRANSPOSED = {
    "text_projection": "text_projection.weight",
    "visual.proj": "visual_projection.weight",
}
_IN_BLOCK = {
    f"{theirs}.{kind}": f"{name}.{kind}"
    for theirs, name in {
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
        "attn.out_proj": "self_attn.out_proj",
    }.items()
    for kind in ("weight", "bias")
}
_STACKED = {
    f"attn.in_proj_{kind}": tuple(f"self_attn.{part}_proj.{kind}" for part in "qkv")
    for kind in ("weight", "bias")
}
_BLOCKS = {
    "transformer.resblocks.": "text_model.encoder.layers.",
    "visual.transformer.resblocks.": "vision_model.encoder.layers.",
}


def to_transformers(
    state: Mapping[str, Tensor], source: str = "the state dict"
) -> dict[str, Tensor]:
    """A CLIP's tensors by the names of transformers' ``CLIPModel``.

    Args:
        state: weights of a whole CLIP with a vision transformer, or their gradients, by OpenAI's names.
        source: what errors call it.

    Raises:
        CheckpointError: a name is missing or unknown, or q, k and v cannot be told apart; names it.
    """
    _require(state, {name for names, _ in _pairs(state, by_openai=True) for name in names}, source)
    found: dict[str, Tensor] = {}
    for (name,), ours in _pairs(state, by_openai=True):
        value = state[name]
        if len(ours) > 1:
            if value.dim() not in (1, 2) or len(value) % len(ours):
                raise CheckpointError(f"{source}: {name} is {list(value.shape)}, no q, k and v.")
            found |= zip(ours, value.chunk(len(ours)), strict=True)
        else:
            found[ours[0]] = value.t() if name in _TRANSPOSED else value
    return {name: value.contiguous() for name, value in found.items()}


def to_openai(state: Mapping[str, Tensor], source: str = "the state dict") -> dict[str, Tensor]:
    """The inverse of :func:`to_transformers`.

    Raises:
        CheckpointError: a name is missing or unknown.
    """
    pairs = list(_pairs(state, by_openai=False))
    _require(state, {name for _, names in pairs for name in names}, source)
    found = {}
    for (name,), ours in pairs:
        value = torch.cat([state[each] for each in ours]) if len(ours) > 1 else state[ours[0]]
        found[name] = value.t().contiguous() if name in _TRANSPOSED else value
    return found


def depth(state: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbers follow a prefix in the names: layers of an encoder."""
    pattern = re.compile(re.escape(prefix) + r"(\d+)\.")
    return len({match[1] for name in state if (match := pattern.match(name))})


def listed(names: Iterable[str]) -> str:
    """Some names, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return ", ".join(str(name)[:80] for name in ordered[:SHOWN]) + more


def _pairs(
    state: Mapping[str, Tensor], *, by_openai: bool
) -> Iterator[tuple[tuple[str], tuple[str, ...]]]:
    """Names of either side, of a CLIP as deep as a state dict's names tell."""
    for theirs, name in (*_SINGLE.items(), *_TRANSPOSED.items()):
        yield (theirs,), (name,)
    for their_prefix, prefix in _BLOCKS.items():
        for layer in range(depth(state, their_prefix if by_openai else prefix)):
            before, here = f"{their_prefix}{layer}.", f"{prefix}{layer}."
            for theirs, name in _IN_BLOCK.items():
                yield (before + theirs,), (here + name,)
            for theirs, names in _STACKED.items():
                yield (before + theirs,), tuple(here + name for name in names)


def _require(state: Mapping[str, Tensor], expected: set[str], source: str) -> None:
    missing, unknown = expected - state.keys(), state.keys() - expected
    parts = [f"it lacks {listed(missing)}"] if missing else []
    parts += [f"it has {listed(unknown)}, which CLIP has not"] if unknown else []
    if parts:
        raise CheckpointError(f"{source} is no CLIP: {'; '.join(parts)}.")
