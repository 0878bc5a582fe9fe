"""CLIP with a vision transformer, written down plainly over a state dict with OpenAI's names.

Every text is padded to the full context, attention is a product, a mask and a softmax.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Sizes:
    """Of a small CLIP whose two encoders differ in everything."""

    image: int = 24
    patch: int = 8
    vision_width: int = 48
    vision_layers: int = 1
    vision_heads: int = 3
    text_width: int = 32
    text_layers: int = 3
    text_heads: int = 4
    context: int = 12
    vocabulary: int = 40
    embedding: int = 20


def random_state(sizes: Sizes, seed: int = 0) -> dict[str, Tensor]:
    """Weights by OpenAI's names."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float = 0.2) -> Tensor:
        return scale * torch.randn(shape, generator=draw)

    def norm(name: str, width: int) -> dict[str, Tensor]:
        return {f"{name}.weight": 1 + normal(width), f"{name}.bias": normal(width)}

    def linear(name: str, out: int, into: int) -> dict[str, Tensor]:
        return {f"{name}.weight": normal(out, into), f"{name}.bias": normal(out)}

    def blocks(prefix: str, width: int, layers: int) -> dict[str, Tensor]:
        state = {}
        for layer in range(layers):
            here = f"{prefix}transformer.resblocks.{layer}."
            state |= norm(here + "ln_1", width) | norm(here + "ln_2", width)
            state |= linear(here + "mlp.c_fc", 4 * width, width)
            state |= linear(here + "mlp.c_proj", width, 4 * width)
            state |= linear(here + "attn.out_proj", width, width)
            state[here + "attn.in_proj_weight"] = normal(3 * width, width)
            state[here + "attn.in_proj_bias"] = normal(3 * width)
        return state

    v, t = sizes.vision_width, sizes.text_width
    places = (sizes.image // sizes.patch) ** 2 + 1
    return {
        "logit_scale": torch.tensor(2.5),
        "token_embedding.weight": normal(sizes.vocabulary, t),
        "positional_embedding": normal(sizes.context, t),
        "text_projection": normal(t, sizes.embedding),
        "visual.class_embedding": normal(v),
        "visual.positional_embedding": normal(places, v),
        "visual.proj": normal(v, sizes.embedding),
        "visual.conv1.weight": normal(v, 3, sizes.patch, sizes.patch, scale=0.05),
        **norm("visual.ln_pre", v),
        **norm("visual.ln_post", v),
        **norm("ln_final", t),
        **blocks("visual.", v, sizes.vision_layers),
        **blocks("", t, sizes.text_layers),
    }


def random_ids(sizes: Sizes, lengths: list[int], seed: int = 0) -> Tensor:
    """int64 [n, C]: start (V - 2), so many tokens in between, end (V - 1), zeros."""
    draw = torch.Generator().manual_seed(seed)
    ids = torch.zeros(len(lengths), sizes.context, dtype=torch.int64)
    for row, length in zip(ids, lengths, strict=True):
        row[0] = sizes.vocabulary - 2
        row[1 : 1 + length] = torch.randint(1, sizes.vocabulary - 2, (length,), generator=draw)
        row[1 + length] = sizes.vocabulary - 1
    return ids


def image_features(state: State, pixels: Tensor, heads: int) -> Tensor:
    """[N, 3, R, R] to [N, d]."""
    kernel = state["visual.conv1.weight"]
    patches = functional.conv2d(pixels, kernel, stride=kernel.shape[-1]).flatten(2).mT  # [N, P, w]
    first = state["visual.class_embedding"].expand(len(pixels), 1, -1)
    x = torch.cat([first, patches], dim=1) + state["visual.positional_embedding"]
    x = _norm(state, "visual.ln_pre", x)
    x = _blocks(state, "visual.", x, heads, causal=False)
    return _norm(state, "visual.ln_post", x[:, 0]) @ state["visual.proj"]


def text_features(state: State, ids: Tensor, heads: int) -> Tensor:
    """[n, C] to [n, d]."""
    x = state["token_embedding.weight"][ids] + state["positional_embedding"]
    x = _norm(state, "ln_final", _blocks(state, "", x, heads, causal=True))
    return x[torch.arange(len(ids)), ids.argmax(dim=1)] @ state["text_projection"]


def _blocks(state: State, prefix: str, x: Tensor, heads: int, *, causal: bool) -> Tensor:
    layer = 0
    while f"{prefix}transformer.resblocks.{layer}.ln_1.weight" in state:
        here = f"{prefix}transformer.resblocks.{layer}."
        x = x + _attention(state, here, _norm(state, here + "ln_1", x), heads, causal)
        hidden = _linear(state, here + "mlp.c_fc", _norm(state, here + "ln_2", x))
        x = x + _linear(state, here + "mlp.c_proj", hidden * torch.sigmoid(1.702 * hidden))
        layer += 1
    return x


def _attention(state: State, here: str, x: Tensor, heads: int, causal: bool) -> Tensor:
    both = x @ state[here + "attn.in_proj_weight"].T + state[here + "attn.in_proj_bias"]
    q, k, v = (each.unflatten(2, (heads, -1)).transpose(1, 2) for each in both.chunk(3, dim=2))
    scores = q @ k.mT / q.shape[-1] ** 0.5  # [N, h, L, L]
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(later, float("-inf"))
    return _linear(
        state, here + "attn.out_proj", (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
    )


def _linear(state: State, name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def _norm(state: State, name: str, x: Tensor) -> Tensor:
    return functional.layer_norm(
        x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], 1e-5
    )
