"""Options of ``mlzoo predict RUN INPUT...``. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from mlzoo import Config


class PredictOptions(Config):
    """Which tags to name, and where an image's features come from."""

    top: int = Field(5, gt=0, description="highest tags of each image")
    tags: tuple[str, ...] | None = Field(
        None, description="score these tags, separated by commas, instead of the highest"
    )
    kind: str = Field(
        "all", pattern="^(all|seen|unseen)$", description="choose among all, seen or unseen tags"
    )
    weights: Path | None = Field(
        None, description="VGG-19 state dict as torchvision publishes it; image files need it"
    )
    figure: Path | None = Field(
        None, description="write a picture of the regions that speak for each tag"
    )
