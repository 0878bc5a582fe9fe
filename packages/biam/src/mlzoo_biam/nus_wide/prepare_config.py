"""Options of ``mlzoo data prepare nus-wide``. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from mlzoo import Config


class PrepareNusWideOptions(Config):
    """From the h5 files that BiAM's program reads, or from the images and the official text files."""

    h5: Path | None = Field(
        None, description="folder of nus_wide_train.h5 and nus_wide_test.h5, labels included"
    )
    images: Path | None = Field(
        None, description="instead: folder of the images, <folder>/<number>_<id>.jpg below it"
    )
    archive: Path | None = Field(
        None,
        description="folder of the text files at any depth: tag and concept list, word vectors, image "
        "lists, labels; what lies in the dataset's own folder need not be there",
    )
    weights: Path | None = Field(
        None, description="state dict of torchvision's vgg19 (vgg19-dcbb9e9d.pth)"
    )
    scene: Literal["vgg19", "projection"] = Field(
        "vgg19",
        description="global feature of an h5 file's images: fc7 of --weights, or a fixed random "
        "projection that needs none and is no published number's",
    )
    part: Literal["both", "train", "test"] = Field("both", description="what to make")
    batch_size: int = Field(32, gt=0, description="images at once")
    processes: int = Field(1, gt=0, description="that read and decode images, or work on the CPU")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
