"""Recorded arrays of the networks of Multi-SK and Everything at Once, and networks that they fit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mlzoo_multisk.clips import Shape
from mlzoo_multisk.config import EverythingAtOnceConfig, MultiSKConfig
from mlzoo_multisk.networks import EverythingAtOnceNetwork, MultiSKNetwork
from mlzoo_multisk.weights import load_official

GOLDEN = Path(__file__).parents[1] / "golden" / "multisk"
Arrays = Mapping[str, Tensor]

VARIANTS = {
    "eao": {},
    "eao_shared_cls": {"shared_projection": True, "cls_token": True},
    "eao_pos": {"position_embeddings": True},
}
"""Recorded variants of Everything at Once."""


@cache
def golden(name: str) -> Arrays:
    """All arrays of a file that are numbers."""
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        kept = {key: file[key] for key in file.files if file[key].dtype.kind in "fiub"}
    return {key: torch.from_numpy(np.asarray(value)) for key, value in kept.items()}


def group(arrays: Arrays, prefix: str) -> dict[str, Tensor]:
    """Those whose names begin with ``prefix``, without it."""
    return {
        name.removeprefix(prefix): value.clone()
        for name, value in arrays.items()
        if name.startswith(prefix)
    }


def batch(arrays: Arrays, prefix: str) -> dict[str, Tensor]:
    """A recorded batch, as a network takes it."""
    found = group(arrays, prefix)
    found["audio_frames"] = found.pop("audio_STFT_nframes").long()
    return found


def shape_of(clips: Arrays) -> Shape:
    """Of a batch."""
    (words, word_width), (tokens, width) = clips["text"].shape[1:], clips["video"].shape[1:]
    return Shape(words, word_width, tokens, width, clips["audio"].shape[2])


def sizes_of(weights: Arrays) -> dict[str, object]:
    """Options that recorded weights tell."""
    names = [name for name in weights if name.startswith("davenet.layer") and "conv1" in name]
    widths = [weights[f"davenet.layer{stage}.0.conv1.weight"].shape[0] for stage in range(1, 7)]
    blocks = [sum(f".layer{stage}." in name for name in names) for stage in range(1, 7)]
    projection = weights.get("text_proj.fc.bias", weights.get("proj.fc.bias"))
    assert projection is not None
    return {
        "width": len(weights["text_norm_layer.weight"]),
        "projection": len(projection),
        "heads": 4,
        "depth": sum(name.startswith("fusion.") and "attn.qkv.bias" in name for name in weights),
        "audio_widths": (weights["davenet.conv1.weight"].shape[0], *widths),
        "audio_blocks": tuple(blocks),
    }


def multisk(**options: object) -> MultiSKNetwork:
    """The recorded network, without its anchors."""
    arrays = golden("model_full")
    weights = group(arrays, "w.")
    config = MultiSKConfig.model_validate(sizes_of(weights) | options)
    network = MultiSKNetwork(config, shape_of(group(arrays, "in.")))
    load_official(weights, network)
    return network


def everything_at_once(variant: str = "eao", **options: object) -> EverythingAtOnceNetwork:
    """A recorded variant."""
    arrays = golden("model_eao")
    weights, clips = group(arrays, f"{variant}.w."), group(arrays, f"{variant}.in.")
    given = sizes_of(weights) | VARIANTS[variant] | options
    config = EverythingAtOnceConfig.model_validate(given)
    positions = len(weights["audio_pos_embed"][0]) if "audio_pos_embed" in weights else None
    network = EverythingAtOnceNetwork(config, shape_of(clips), positions)
    load_official(weights, network)
    return network
