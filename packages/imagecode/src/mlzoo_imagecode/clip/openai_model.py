"""Encoders from a state dict with OpenAI's names; sizes follow from the shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from transformers import CLIPConfig

from mlzoo.errors import CheckpointError
from mlzoo_imagecode.clip.building import encoders_of
from mlzoo_imagecode.clip.encoders import PUBLISHED_ACTIVATION, ClipEncoders
from mlzoo_imagecode.clip.openai_names import depth, to_transformers

HEAD_WIDTH = 64
"""Of every published CLIP: its heads are as many as its width has 64s."""

SIZES = ("input_resolution", "context_length", "vocab_size")
"""Numbers that the state dict of a published archive holds beside weights; the shapes tell them, too."""

_RESNET = ("visual.layer1.", "visual.attnpool.")


def openai_encoders(
    state: Mapping[str, Tensor],
    *,
    vision_heads: int | None = None,
    text_heads: int | None = None,
    source: str = "the state dict",
) -> ClipEncoders:
    """Encoders with the weights of a state dict, in float32 whatever the type of those.

    Args:
        state: by OpenAI's names, of a CLIP with a vision transformer.
        vision_heads, text_heads: of attention, which shapes do not tell; a 64th of the width if omitted.
        source: what errors call it.

    Raises:
        CheckpointError: not a CLIP, one with a ResNet, or the tensors do not fit together.
    """
    if any(name.startswith(_RESNET) for name in state):
        raise CheckpointError(
            f"{source} is a CLIP whose images go through a ResNet; only vision transformers are read.",
            "Take a ViT, such as ViT-B/16 of the paper.",
        )
    state = {name: value for name, value in state.items() if name not in SIZES}
    ours = to_transformers(state, source)
    config = _config(state, vision_heads, text_heads, source)
    return encoders_of(config, ours, source)


def _config(
    state: Mapping[str, Tensor], vision_heads: int | None, text_heads: int | None, source: str
) -> CLIPConfig:
    def shape(name: str, axes: int) -> list[int]:
        found = list(state[name].shape)
        if len(found) != axes or not all(found):
            raise CheckpointError(f"{source}: {name} is {found}, expected {axes} axes.")
        return found

    vision, channels, patch, _ = shape("visual.conv1.weight", 4)
    places, _ = shape("visual.positional_embedding", 2)
    grid = math.isqrt(places - 1)
    if grid * grid != places - 1:
        raise CheckpointError(f"{source}: {places} positions are no square of patches and a class.")
    vocabulary, text = shape("token_embedding.weight", 2)
    layers = {
        "text_config": (text, text_heads, "transformer.resblocks."),
        "vision_config": (vision, vision_heads, "visual.transformer.resblocks."),
    }
    configs: dict[str, Any] = {
        part: {
            "hidden_size": width,
            "num_attention_heads": _heads(width, heads, source),
            "num_hidden_layers": (count := depth(state, prefix)),
            "intermediate_size": shape(f"{prefix}0.mlp.c_fc.weight", 2)[0] if count else 4 * width,
            "hidden_act": PUBLISHED_ACTIVATION,
        }
        for part, (width, heads, prefix) in layers.items()
    }
    configs["vision_config"] |= {
        "num_channels": channels,
        "patch_size": patch,
        "image_size": grid * patch,
    }
    configs["text_config"] |= {
        "vocab_size": vocabulary,
        "max_position_embeddings": shape("positional_embedding", 2)[0],
        "bos_token_id": max(vocabulary - 2, 0),
        "eos_token_id": vocabulary - 1,
        "pad_token_id": 0,
    }
    configs["projection_dim"] = shape("text_projection", 2)[1]
    return CLIPConfig.from_dict(configs)


def _heads(width: int, heads: int | None, source: str) -> int:
    heads = heads or width // HEAD_WIDTH
    if not heads or width % heads:
        raise CheckpointError(
            f"{source} has an encoder of width {width}, which is no multiple of {HEAD_WIDTH}: its "
            "attention heads cannot be told.",
            "Convert it to a folder as transformers saves it, whose config.json tells them.",
        )
    return heads
