"""Options of the datasets. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field

from mlzoo import Config

Protocol: TypeAlias = Literal["leaderboard", "valid"]


class DescriptionOptions(Config):
    """Sets of ten images."""

    images: Path | None = Field(
        None,
        description="folder of the sets' folders; image-sets in the dataset's folder if not given",
    )
    protocol: Protocol = Field(
        "leaderboard",
        description="leaderboard: val is the published valid, test has hidden targets; valid: the "
        "published valid is test, and val is held out of train",
    )
    held_out: int = Field(
        500,
        gt=0,
        description="training sets that are val under the protocol valid; at most a fifth of all",
    )
    held_out_seed: int = Field(0, ge=0, description="of the draw of those")


class SimpleOptions(Config):
    """Pairs of images."""

    images: Path | None = Field(
        None,
        description="folder of the sets' folders; if not given image-sets in the dataset's folder, else in "
        "that of imagecode",
    )
    held_out: int = Field(
        500, ge=0, description="training sets whose pairs are val; at most a fifth of all"
    )
    held_out_seed: int = Field(0, ge=0, description="of the draw of those")


class DigitStripsOptions(Config):
    """Strips of ten pictures of handwritten digits."""

    data_seed: int = Field(0, ge=0, description="of the strips")
    strips: int = Field(3000, gt=0, description="to learn from")
