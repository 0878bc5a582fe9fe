"""Residual networks (He et al., Deep Residual Learning for Image Recognition, CVPR 2016, table 1).

The names of the parameters are those of torchvision's published weights, so that such a file is a
state dict of these modules. As there, a bottleneck block halves the image in its 3×3 convolution and
not in its first 1×1 convolution (known as v1.5). B: batch, H and W: image in pixels.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import relu

MAP_WIDTHS = (64, 128, 256, 512)  # channels inside the blocks of the four stages
CLASSES = 1000


class Design(NamedTuple):
    """One column of table 1: blocks in each of the four stages, and their kind."""

    blocks: tuple[int, int, int, int]
    bottleneck: bool


DESIGNS = {
    "resnet18": Design((2, 2, 2, 2), bottleneck=False),
    "resnet34": Design((3, 4, 6, 3), bottleneck=False),
    "resnet50": Design((3, 4, 6, 3), bottleneck=True),
    "resnet101": Design((3, 4, 23, 3), bottleneck=True),
    "resnet152": Design((3, 8, 36, 3), bottleneck=True),
}


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """A projection where the shape changes (option B of the paper), else the identity."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(_convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around which the input is added (figure 5, left)."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, width, H / stride, W / stride]."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return relu(x + shortcut)


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions around which the input is added (figure 5, right)."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = _convolution(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _convolution(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _convolution(width, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, 4 width, H / stride, W / stride]."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = relu(self.bn1(self.conv1(x)))
        x = relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        return relu(x + shortcut)


def _stage(
    block: type[BasicBlock | Bottleneck], count: int, inputs: int, width: int, stride: int
) -> nn.Sequential:
    """Blocks of which the first alone changes the shape."""
    later = [block(width * block.expansion, width, 1) for _ in range(count - 1)]
    return nn.Sequential(block(inputs, width, stride), *later)


class ResNet(nn.Module):
    """The network of one column of table 1.

    Args:
        design: its stages.
        classes: outputs of the last layer; 1000 in the published weights.

    Attributes:
        width: of the features, 512 with basic blocks and 2048 with bottlenecks.
    """

    def __init__(self, design: Design, classes: int = CLASSES) -> None:
        super().__init__()
        block = Bottleneck if design.bottleneck else BasicBlock
        self.width = MAP_WIDTHS[-1] * block.expansion
        self.conv1 = _convolution(3, 64, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        inputs = [64, *(width * block.expansion for width in MAP_WIDTHS)]
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(block, design.blocks[i], inputs[i], MAP_WIDTHS[i], stride=1 if i == 0 else 2)
            for i in range(4)
        )
        self.fc = nn.Linear(self.width, classes)

    def feature_map(self, images: Tensor) -> Tensor:
        """The last map of normalised images [B, 3, H, W]: [B, width, H / 32, W / 32], 7×7 for 224."""
        x: Tensor = self.maxpool(relu(self.bn1(self.conv1(images))))  # [B, 64, H / 4, W / 4]
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x

    def features(self, images: Tensor) -> Tensor:
        """The mean of the last map over its places: [B, width], not negative."""
        return self.feature_map(images).mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, classes]."""
        logits: Tensor = self.fc(self.features(images))
        return logits


def resnet(name: str, classes: int = CLASSES) -> ResNet:
    """A network with fresh weights, in training mode; ``name`` is a key of :data:`DESIGNS`."""
    return ResNet(DESIGNS[name], classes)


def described(network: ResNet, images: Tensor) -> dict[str, Tensor]:
    """``features`` [B, width] of normalised images [B, 3, H, W]."""
    return {"features": network.features(images)}
