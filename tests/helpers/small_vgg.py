"""A network like VGG-19 with few channels, which other processes can import."""

from __future__ import annotations

from pathlib import Path

import torch

from mlzoo.backbones.registry import Backbone
from mlzoo.backbones.vgg import VGG, Design, described

WIDE = Design(
    ((4, 4), (4, 4), (4,) * 4, (6,) * 4, (6, 6, 6, 64)), hidden=10
)  # rows too large for a pipe
NARROW = Design(((4, 4), (4, 4), (4,) * 4, (6,) * 4, (6,) * 4), hidden=10)


def wide(classes: int = 1000) -> VGG:
    return VGG(WIDE, classes)


def narrow(classes: int = 1000) -> VGG:
    return VGG(NARROW, classes)


SMALL = Backbone(name="vgg-small", build=wide, describe=described, head="classifier.6")
AS_VGG19 = Backbone(name="vgg19", build=narrow, describe=described, head="classifier.6")


def write_weights(path: Path, backbone: Backbone) -> Path:
    """A state dict of three classes, with features that are not all alike."""
    torch.manual_seed(0)
    network = backbone.build(3)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0.01, 0.35)
    torch.save(network.state_dict(), path)
    return path
