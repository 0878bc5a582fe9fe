"""Which backbones there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from mlzoo.backbones.images import IMAGENET, Preprocessing
from mlzoo.backbones.resnet import DESIGNS, resnet
from mlzoo.errors import UsageError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """One network that turns images into features.

    Attributes:
        build: the network with fresh weights, for a number of classes.
        features: of that network and normalised images [B, 3, H, W], the features [B, width].
        width: of the features.
        head: the layer that alone depends on the number of classes, as state dicts name it.
        preprocessing: what the published weights were trained to see.
    """

    build: Callable[[int], nn.Module]
    features: Callable[[nn.Module, Tensor], Tensor]
    width: int
    head: str = "fc"
    preprocessing: Preprocessing = IMAGENET


def _pooled(network: nn.Module, images: Tensor) -> Tensor:
    features: Tensor = network.features(images)  # type: ignore[operator]
    return features


BACKBONES: dict[str, Backbone] = {
    name: Backbone(
        build=partial(resnet, name),
        features=_pooled,
        width=2048 if design.bottleneck else 512,
    )
    for name, design in DESIGNS.items()
}


def backbone(name: str) -> Backbone:
    """The backbone of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in BACKBONES:
        raise UsageError(f"no backbone named {name!r}.", did_you_mean(name, BACKBONES))
    return BACKBONES[name]
