"""Backbones: networks that turn images and clips into features, with weights from published files.

Needs torch, and Pillow to read images: the extras ``mlzoo-core[torch,images]``.
"""

from __future__ import annotations

from mlzoo.backbones.extraction import Extracted, Unreadable, extract, write_unreadable
from mlzoo.backbones.images import IMAGENET, WHOLE, Preprocessing, read_image
from mlzoo.backbones.part_work import PartWork
from mlzoo.backbones.registry import BACKBONES, CLIP_BACKBONES, Backbone
from mlzoo.backbones.resnet import ResNet, resnet
from mlzoo.backbones.resnext3d import FRAMES, KINETICS, ResNeXt3D, resnext3d
from mlzoo.backbones.scene import SceneHead
from mlzoo.backbones.vgg import VGG, vgg
from mlzoo.backbones.weights import load_weights

__all__ = [
    "BACKBONES",
    "CLIP_BACKBONES",
    "FRAMES",
    "IMAGENET",
    "KINETICS",
    "VGG",
    "WHOLE",
    "Backbone",
    "Extracted",
    "PartWork",
    "Preprocessing",
    "ResNeXt3D",
    "ResNet",
    "SceneHead",
    "Unreadable",
    "extract",
    "load_weights",
    "read_image",
    "resnet",
    "resnext3d",
    "vgg",
    "write_unreadable",
]
