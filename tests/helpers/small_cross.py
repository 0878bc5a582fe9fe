"""Small cross-encoders and random pairs for tests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from small_contextual import small_contextual
from torch import Tensor, nn

from mlzoo_imagecode.contextual import ContextualData, Part
from mlzoo_imagecode.cross.encoder import Given
from mlzoo_imagecode.cross.names import published_names
from mlzoo_imagecode.cross.regions.cut import CutRegions
from mlzoo_imagecode.cross.scheme import uniter_values, vilbert_values

GOLDEN = Path(__file__).parents[1] / "golden" / "imagecode"
WORDS, FEATURES = 40, 12
SMALL_UNITER: dict[str, Any] = {
    "width": 16,
    "heads": 2,
    "feed_forward": 24,
    "layers": 2,
    "pooled": 16,
}
SMALL_VILBERT: dict[str, Any] = {
    "width": 16, "heads": 2, "feed_forward": 24, "v_width": 24, "v_heads": 3, "v_feed_forward": 20,
    "text_layers": 2, "layers": 2, "pooled": 16,
}  # fmt: skip


def small_values(name: str, **others: Any) -> dict[str, Any]:
    """A config json's object."""
    made = uniter_values(**SMALL_UNITER) if name == "uniter" else vilbert_values(**SMALL_VILBERT)
    sizes = {"vocab_size": WORDS, "v_feature_size": FEATURES, "max_position_embeddings": 30}
    return {**made, **sizes, **others}


def recorded(name: str) -> dict[str, Any]:
    """Arrays of a recorded file as tensors, but its config as an object."""
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        found: dict[str, Any] = {
            key: torch.from_numpy(file[key].copy()) for key in file.files if key != "config_json"
        }
        if "config_json" in file.files:
            found["config"] = json.loads(str(file["config_json"]))
    return found


def group(found: dict[str, Any], prefix: str) -> dict[str, Tensor]:
    """Tensors whose names begin so, without that."""
    return {k.removeprefix(prefix): v for k, v in found.items() if k.startswith(prefix)}


def given_of(pairs: dict[str, Tensor], k: int = 10, temporal: Tensor | None = None) -> Given:
    """What recorded pairs are: each description once, and all images."""
    count = len(pairs["features"]) // k
    places = torch.arange(count * k).view(count, k)
    return Given(
        ids=pairs["input_ids"][::k],
        mask=pairs["input_mask"][::k],
        segments=pairs["segment_ids"][::k],
        features=pairs["features"],
        spatials=pairs["spatials"],
        image_mask=pairs["image_mask"],
        places=places,
        positions=torch.arange(k).expand(count, k),
        temporal=torch.ones(count, dtype=torch.bool) if temporal is None else temporal,
    )


def random_given(seed: int, count: int = 3, k: int = 4, tokens: int = 9, regions: int = 5) -> Given:
    """Descriptions of differing lengths that choose among common images, with padding at the end."""
    draw = torch.Generator().manual_seed(seed)
    images = k + 2
    lengths = torch.randint(2, tokens - 2, (count,), generator=draw)
    mask = (torch.arange(tokens) < lengths[:, None]).long()
    there = torch.randint(2, regions, (images,), generator=draw)
    places = torch.stack([torch.randperm(images, generator=draw)[:k] for _ in range(count)])
    return Given(
        ids=torch.randint(1, WORDS, (count, tokens), generator=draw) * mask,
        mask=mask,
        features=torch.randn(images, regions, FEATURES, generator=draw),
        spatials=torch.rand(images, regions, 5, generator=draw),
        image_mask=(torch.arange(regions) < there[:, None]).long(),
        places=places,
        positions=torch.arange(k).expand(count, k),
        temporal=torch.arange(count) % 2 == 0,
    )


def as_pairs(given: Given) -> dict[str, Tensor]:
    """The same with every pair for itself."""
    k, rows = given.places.shape[1], given.places.flatten()
    ids, mask = (x.repeat_interleave(k, dim=0) for x in (given.ids, given.mask))
    images = {
        "features": given.features,
        "spatials": given.spatials,
        "image_mask": given.image_mask,
    }
    segments = (
        torch.zeros_like(ids)
        if given.segments is None
        else given.segments.repeat_interleave(k, dim=0)
    )
    text = {"input_ids": ids, "input_mask": mask, "segment_ids": segments}
    return {**text, **{name: x[rows] for name, x in images.items()}}


@torch.no_grad()
def shaken(network: nn.Module, seed: int = 0) -> None:
    """Weights large enough for differences to show; the initial ones give nearly the same for all inputs."""
    draw = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        noise = torch.randn(parameter.shape, generator=draw)
        large = 1.0 if "Norm" in name and name.endswith("weight") else 0.0
        parameter.copy_(large + 0.2 * noise)


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Published names and leaf tensors, gradients of which are the network's."""
    return published_names(dict(network.named_parameters()))


def small_world(*, grid: int = 1, side: int = 2, **options: Any) -> ContextualData:
    """The small world of :mod:`small_contextual` with regions cut out of its pictures."""
    data = small_contextual(**options)

    def cut(part: Part) -> Part:
        return replace(part, regions=CutRegions(part.images.pixels, grid, side))

    parts = {name: cut(part) for name, part in data.parts.items()}
    return replace(data, parts=parts, train=None if data.train is None else cut(data.train))
