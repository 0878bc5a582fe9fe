"""Options of the dataset ``digits``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlzoo.config import Config


class DigitsOptions(Config):
    """Options of the dataset ``digits``."""

    attributes: Literal["segments", "one-hot"] = Field(
        "segments",
        description="class embedding: the segments that a seven-segment display lights, or which "
        "digit it is (easier), at each of the two places",
    )
    features: Literal["pixels", "random"] = Field(
        "pixels", description="8 x 16 pixels, or random ReLU features of them (easier)"
    )
    random_width: int = Field(1500, ge=1, le=20_000, description="number of random features")
    train_images: int = Field(40, ge=1, le=1000, description="training images of each seen class")
    seen_images: int = Field(15, ge=1, le=1000, description="test images of each seen class")
    unseen_images: int = Field(25, ge=1, le=1000, description="test images of each unseen class")
    data_seed: int = Field(
        0,
        ge=0,
        le=2**32 - 1,
        description="seed of the data; the seed of a run does not change them",
    )
