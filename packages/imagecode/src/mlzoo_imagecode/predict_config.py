"""Options of ``mlzoo predict RUN``. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from mlzoo import Config


class PredictOptions(Config):
    """Which images, and what is said of one of them."""

    images: Path | None = Field(
        None, description="folder of the images, as many as the run chose among (ten)"
    )
    text: str | None = Field(None, description="the description of one of them")
    kind: Literal["video", "static"] = Field(
        "video", description="frames in their order, or images without one"
    )
    figure: Path | None = Field(None, description="write the images with their scores as a picture")
    submission: Path | None = Field(
        None, description="write the answers of test as the leaderboard takes them (.json)"
    )
    check_submission: Path | None = Field(
        None, description="compare such a file with the descriptions of test"
    )
