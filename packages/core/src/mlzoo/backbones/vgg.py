"""VGG networks (Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image
Recognition, ICLR 2015, table 1), without batch normalisation.

The names of the parameters are those of torchvision's published weights, so that such a file is a
state dict of these modules. B: batch, H and W: image in pixels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor, nn

CLASSES = 1000
SIDE = 7  # of the map that the first layer after the convolutions sees
REGIONS = (2 * SIDE) ** 2  # places of the map before the last pool, for images of 224 pixels


class Design(NamedTuple):
    """One column of table 1: channels of the convolutions of each stage, and of the layers after."""

    stages: tuple[tuple[int, ...], ...]
    hidden: int = 4096


DESIGNS = {
    "vgg19": Design(((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4)),  # column E
}


class VGG(nn.Module):
    """The network of one column of table 1.

    Args:
        design: its stages.
        classes: outputs of the last layer; 1000 in the published weights.

    Attributes:
        channels: of the last map.
        hidden: width of the layers fc6 and fc7.
    """

    def __init__(self, design: Design, classes: int = CLASSES) -> None:
        super().__init__()
        self.channels = design.stages[-1][-1]
        self.hidden = design.hidden
        layers: list[nn.Module] = []
        inputs = 3
        for stage in design.stages:
            for outputs in stage:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(SIDE)  # changes nothing for images of 224 pixels
        self.classifier = nn.Sequential(
            nn.Linear(inputs * SIDE * SIDE, design.hidden),  # 0: fc6
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(design.hidden, design.hidden),  # 3: fc7
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(design.hidden, classes),  # 6: fc8
        )

    def feature_map(self, images: Tensor) -> Tensor:
        """The last convolution after its ReLU and before the last pool.

        Args:
            images: normalised, [B, 3, H, W].

        Returns:
            [B, channels, H / 16, W / 16], not negative: 512×14×14 of VGG-19 for 224 pixels.
        """
        feature_map: Tensor = self.features[:-1](images)
        return feature_map

    def scene(self, feature_map: Tensor) -> Tensor:
        """The layer fc7 after its ReLU, [B, hidden], of a :meth:`feature_map`."""
        x: Tensor = self.avgpool(self.features[-1](feature_map))  # [B, channels, 7, 7]
        x = x.flatten(1)
        for layer in list(self.classifier)[:6]:
            x = layer(x)  # [B, hidden]
        return x

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, classes]."""
        logits: Tensor = self.classifier[6](self.scene(self.feature_map(images)))
        return logits


def vgg(name: str, classes: int = CLASSES) -> VGG:
    """A network with fresh weights, in training mode; ``name`` is a key of :data:`DESIGNS`."""
    return VGG(DESIGNS[name], classes)


def described(network: VGG, images: Tensor) -> dict[str, Tensor]:
    """Both descriptions of normalised images [B, 3, H, W], in one pass.

    Returns:
        ``regions`` [B, channels, H / 16 · W / 16], the places of the :meth:`VGG.feature_map` row by
        row, and ``scene`` [B, hidden].
    """
    feature_map = network.feature_map(images)
    return {"regions": feature_map.flatten(2), "scene": network.scene(feature_map)}


def scene_of_regions(network: VGG, regions: Tensor) -> Tensor:
    """``scene`` [B, hidden] of ``regions`` [B, channels, R] of square maps, R places row by row."""
    side = math.isqrt(regions.shape[2])
    return network.scene(regions.unflatten(2, (side, side)))
