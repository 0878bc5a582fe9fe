"""Backbones: networks that turn images into features, with weights from published files.

Needs torch, and Pillow to read images: the extras ``mlzoo-core[torch,images]``.
"""

from __future__ import annotations

from mlzoo.backbones.extraction import Extracted, Unreadable, extract
from mlzoo.backbones.images import Preprocessing, read_image
from mlzoo.backbones.registry import BACKBONES, Backbone
from mlzoo.backbones.resnet import ResNet, resnet
from mlzoo.backbones.weights import load_weights

__all__ = [
    "BACKBONES",
    "Backbone",
    "Extracted",
    "Preprocessing",
    "ResNet",
    "Unreadable",
    "extract",
    "load_weights",
    "read_image",
    "resnet",
]
