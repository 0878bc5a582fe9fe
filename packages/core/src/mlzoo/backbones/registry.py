"""Which backbones there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mlzoo.backbones.images import IMAGENET, Preprocessing
from mlzoo.backbones.resnet import DESIGNS as RESNETS
from mlzoo.backbones.resnet import described as described_by_resnet
from mlzoo.backbones.resnet import resnet
from mlzoo.backbones.resnext3d import DESIGNS as RESNEXTS
from mlzoo.backbones.resnext3d import FRAMES, KINETICS, resnext3d
from mlzoo.backbones.resnext3d import described as described_by_resnext3d
from mlzoo.backbones.vgg import DESIGNS as VGGS
from mlzoo.backbones.vgg import described as described_by_vgg
from mlzoo.backbones.vgg import vgg
from mlzoo.errors import UsageError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """One network that turns images, or clips, into features.

    Attributes:
        name: of it.
        build: the network with fresh weights, for a number of classes.
        describe: of that network and normalised images [B, 3, H, W], or clips [B, 3, frames, H, W], the
            outputs by name, each with a row for each.
        head: the layer that alone depends on the number of classes, as state dicts name it.
        preprocessing: what the published weights were trained to see.
        frames: pictures of a clip; 0 of a network that looks at single images.
        wrapped: the published file is a training checkpoint: the state dict lies under ``state_dict``,
            and its names begin with ``module.``. A plain one is read, too.
    """

    name: str
    build: Callable[[int], nn.Module]
    describe: Callable[[Any, Tensor], Mapping[str, Tensor]]
    head: str
    preprocessing: Preprocessing = IMAGENET
    frames: int = 0
    wrapped: bool = False

    def outputs(self, side: int = IMAGENET.crop) -> dict[str, tuple[int, ...]]:
        """The shape of each output of one square image or clip; nothing is computed to find out."""
        shape = (1, 3, *([self.frames] if self.frames else []), side, side)
        with torch.device("meta"), torch.no_grad():
            described = self.describe(self.build(1).eval(), torch.empty(shape))
        return {name: tuple(output.shape[1:]) for name, output in described.items()}


def _resnet(name: str) -> Backbone:
    build = partial(resnet, name)
    return Backbone(name=name, build=build, describe=described_by_resnet, head="fc")


def _vgg(name: str) -> Backbone:
    build = partial(vgg, name)
    return Backbone(name=name, build=build, describe=described_by_vgg, head="classifier.6")


def _resnext3d(name: str) -> Backbone:
    return Backbone(
        name=name,
        build=partial(resnext3d, name),
        describe=described_by_resnext3d,
        head="fc",
        preprocessing=KINETICS,
        frames=FRAMES,
        wrapped=True,
    )


BACKBONES: dict[str, Backbone] = {
    **{name: _resnet(name) for name in RESNETS},
    **{name: _vgg(name) for name in VGGS},
}


CLIP_BACKBONES: dict[str, Backbone] = {name: _resnext3d(name) for name in RESNEXTS}
"""Networks that look at several pictures at once; they are not for folders of images."""


def backbone(name: str) -> Backbone:
    """The backbone of single images of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in BACKBONES:
        raise UsageError(f"no backbone named {name!r}.", did_you_mean(name, BACKBONES))
    return BACKBONES[name]
