"""Options of ``mlzoo data prepare open-images``. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from mlzoo import Config


class PrepareOpenImagesOptions(Config):
    """From the h5 files that BiAM's program reads, or from images and the annotations of the release; and
    word vectors of GloVe's where the published ones are not at hand. Class lists lie in the folder."""

    h5: Path | None = Field(
        None,
        description="folder of CHUNK_*.h5 (train) and the files of test and perhaps validation, at any "
        "depth",
    )
    images: Path | None = Field(
        None, description="instead: folder of train/, test/, validation/ with <ImageID>.jpg"
    )
    weights: Path | None = Field(
        None, description="state dict of torchvision's vgg19 (vgg19-dcbb9e9d.pth)"
    )
    scene: Literal["vgg19", "projection"] = Field(
        "vgg19",
        description="global feature of an h5 file's images: fc7 of --weights, or a fixed random "
        "projection that needs none and is no published number's",
    )
    glove: Path | None = Field(
        None,
        description="build word vectors of this text file (glove.6B.300d.txt); not the published ones",
    )
    part: Literal["all", "train", "validation", "test"] = Field("all", description="what to make")
    shard_size: int = Field(640, gt=0, description="images a shard, where they come from images")
    shuffle_seed: int = Field(
        0, ge=0, lt=2**32, description="of the order of the training images in the shards"
    )
    limit: int | None = Field(
        None, gt=0, description="a try: the first so many images of a part, or h5 files of train"
    )
    batch_size: int = Field(32, gt=0, description="images at once")
    processes: int = Field(1, gt=0, description="that read and decode images, or work on the CPU")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
