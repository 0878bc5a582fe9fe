"""Options of the datasets. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlzoo import Config


class NusWideOptions(Config):
    """How NUS-WIDE is split."""

    validation: Literal["random", "alphabetical", "none"] = Field(
        "random",
        description="held out of the training images: a seeded draw, or the end of the list as published",
    )
    validation_share: float = Field(0.2, gt=0, lt=1, description="of the training images")
    validation_seed: int = Field(0, ge=0, description="of the random draw")


class OpenImagesOptions(Config):
    """Open Images v4, release 2018_04."""

    validation: bool = Field(
        True, description="read the validation images (seen labels alone), if they are there"
    )


class TaggedImagesOptions(NusWideOptions):
    """One's own images with tags: split like NUS-WIDE."""


class MosaicOptions(Config):
    """Mosaics of handwritten digits."""

    data_seed: int = Field(0, ge=0, description="of the mosaics and of which labels are unseen")
