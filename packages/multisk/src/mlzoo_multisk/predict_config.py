"""Options of ``mlzoo predict RUN [INPUT...]``. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from mlzoo import Config

Candidates = Literal["v", "a", "v+a", "va"]


class PredictOptions(Config):
    """What is asked for, and among what."""

    text: str | None = Field(None, description="the query; or give files with a query on each line")
    top: int = Field(5, gt=0, description="clips of each query")
    among: Candidates | None = Field(
        None,
        description="compare with a clip's video, audio, the mean of both, or both fused; v+a if not given",
    )
    split: Literal["test", "val"] = Field("test", description="whose clips are ranked")
    figure: Path | None = Field(None, description="write a picture of the scores")
