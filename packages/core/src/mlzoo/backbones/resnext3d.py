"""Residual networks over space and time (Hara et al., Can Spatiotemporal 3D CNNs Retrace the History of
2D CNNs and ImageNet?, CVPR 2018, table 1, the column ResNeXt), with the grouped convolutions of Xie et
al. (Aggregated Residual Transformations for Deep Neural Networks, CVPR 2017).

The names of the parameters are those of the weights published with the paper (``resnext-101-kinetics.pth``),
where they lie under the key ``state_dict`` and begin with ``module.``. B: batch, F: pictures of a clip, H and
W: picture in pixels.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import relu

from mlzoo.backbones.images import Preprocessing

MAP_WIDTHS = (128, 256, 512, 1024)  # channels inside the blocks of the four stages
EXPANSION = 2  # of the channels that leave a block
CLASSES = 400  # of Kinetics
FRAMES = 16
"""Pictures of a clip that the published weights were trained on."""

KINETICS = Preprocessing(
    resize=112,
    crop=112,
    mean=(110.6 / 255, 103.2 / 255, 96.3 / 255),
    std=(1 / 255, 1 / 255, 1 / 255),
)
"""Values from 0 to 255 less the mean of Kinetics. The mean is the one that the features of HowTo100M are said
to be made with; it could not be held against published features here."""


class Design(NamedTuple):
    """Blocks in each of the four stages, and groups of their middle convolution (its cardinality)."""

    blocks: tuple[int, int, int, int]
    groups: int


DESIGNS = {"resnext101-3d": Design((3, 4, 23, 3), groups=32)}


def _pointwise(inputs: int, outputs: int, stride: int = 1) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, 1, stride, bias=False)


class Block(nn.Module):
    """1×1×1, grouped 3×3×3 and 1×1×1 convolutions around which the input is added.

    Where the shape changes, the shortcut is a projection (type B).
    """

    def __init__(self, inputs: int, width: int, stride: int, groups: int) -> None:
        super().__init__()
        outputs = width * EXPANSION
        self.conv1 = _pointwise(inputs, width)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, 3, stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = _pointwise(width, outputs)
        self.bn3 = nn.BatchNorm3d(outputs)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                _pointwise(inputs, outputs, stride), nn.BatchNorm3d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, F, H, W] to [B, 2 width, F / stride, H / stride, W / stride]."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = relu(self.bn1(self.conv1(x)))
        x = relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        return relu(x + shortcut)


def _stage(count: int, inputs: int, width: int, stride: int, groups: int) -> nn.Sequential:
    """Blocks of which the first alone changes the shape."""
    later = [Block(width * EXPANSION, width, 1, groups) for _ in range(count - 1)]
    return nn.Sequential(Block(inputs, width, stride, groups), *later)


class ResNeXt3D(nn.Module):
    """The network over clips.

    Args:
        design: its stages.
        classes: outputs of the last layer; 400 in the published weights.

    Attributes:
        width: of the features, 2048.
    """

    def __init__(self, design: Design, classes: int = CLASSES) -> None:
        super().__init__()
        self.width = MAP_WIDTHS[-1] * EXPANSION
        self.conv1 = nn.Conv3d(3, 64, 7, stride=(1, 2, 2), padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        self.maxpool = nn.MaxPool3d(3, stride=2, padding=1)
        inputs = [64, *(width * EXPANSION for width in MAP_WIDTHS)]
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(design.blocks[i], inputs[i], MAP_WIDTHS[i], 1 if i == 0 else 2, design.groups)
            for i in range(4)
        )
        self.fc = nn.Linear(self.width, classes)

    def feature_map(self, clips: Tensor) -> Tensor:
        """The last map of normalised clips [B, 3, F, H, W]: [B, width, F / 16, H / 32, W / 32], each
        rounded up; 1×4×4 for 16 pictures of 112 pixels."""
        x: Tensor = relu(self.bn1(self.conv1(clips)))  # [B, 64, F, H / 2, W / 2]
        x = self.maxpool(x)  # [B, 64, F / 2, H / 4, W / 4]
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x

    def features(self, clips: Tensor) -> Tensor:
        """The mean of the last map over time and places: [B, width], not negative."""
        return self.feature_map(clips).mean(dim=(2, 3, 4))

    def forward(self, clips: Tensor) -> Tensor:
        """Logits [B, classes]."""
        logits: Tensor = self.fc(self.features(clips))
        return logits


def resnext3d(name: str, classes: int = CLASSES) -> ResNeXt3D:
    """A network with fresh weights, in training mode; ``name`` is a key of :data:`DESIGNS`."""
    return ResNeXt3D(DESIGNS[name], classes)


def described(network: ResNeXt3D, clips: Tensor) -> dict[str, Tensor]:
    """``features`` [B, width] of normalised clips [B, 3, F, H, W]."""
    return {"features": network.features(clips)}
