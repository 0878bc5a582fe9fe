"""Small encoders with random weights, for data on which no published CLIP is at hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

from transformers import CLIPConfig, CLIPModel

from mlzoo_imagecode.clip.encoders import PUBLISHED_ACTIVATION, ClipEncoders
from mlzoo_imagecode.clip.tokens import WordTokens
from mlzoo_imagecode.config import ImageCoDeConfig

INITIAL_SCALE = 1 / 0.07
"""Of cosines, in CLIP (Radford et al. 2021, Section 2.5)."""


def small_clip(
    config: ImageCoDeConfig, texts: Sequence[str], context: int | None = None
) -> tuple[ClipEncoders, WordTokens]:
    """CLIP-shaped encoders of the options' sizes, and a tokeniser of the texts' words.

    Weights are drawn from torch's default generator, which the caller seeds.

    Args:
        config: ``width``, ``depth``, ``heads``, ``patch``, ``image_size`` and ``embedding``.
        texts: whose words are known.
        context: tokens of a text; what the longest of ``texts`` needs, 77 at most, if omitted.
    """
    tokenizer = WordTokens.of(texts, context)
    clip = random_clip(
        vocabulary=tokenizer.size,
        context=tokenizer.context,
        image_size=config.image_size,
        patch=config.patch,
        width=config.width,
        depth=config.depth,
        heads=config.heads,
        embedding=config.embedding,
    )
    return ClipEncoders(clip), tokenizer


def random_clip(
    *,
    vocabulary: int,
    context: int,
    image_size: int,
    patch: int,
    width: int,
    depth: int,
    heads: int,
    embedding: int,
) -> CLIPModel:
    """Both encoders with the same sizes; the last two ids are start and end."""
    sizes = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "hidden_act": PUBLISHED_ACTIVATION,
        "projection_dim": embedding,
    }
    text = {
        "vocab_size": vocabulary,
        "max_position_embeddings": context,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": 0,
    }
    return CLIPModel(
        CLIPConfig(
            text_config={**sizes, **text},
            vision_config={**sizes, "image_size": image_size, "patch_size": patch},
            projection_dim=embedding,
            logit_scale_init_value=math.log(INITIAL_SCALE),
        )
    )
