"""Options of ``mlzoo data download open-images``. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from mlzoo.config import Config


class CrawlOptions(Config):
    """Which images are fetched, and how. Without ``crawl`` none is."""

    crawl: Literal["train", "validation", "test"] | None = Field(
        None, description="fetch the images of this part from their addresses"
    )
    image_list: Path | None = Field(
        None,
        description="csv with the columns ImageID, OriginalURL, OriginalMD5; the published one "
        "if not given",
    )
    which: Literal["labelled", "all"] = Field(
        "labelled", description="images with annotations of people alone, or all of the list"
    )
    limit: int | None = Field(None, gt=0, description="the first so many of the list")
    connections: int = Field(32, gt=0, le=1024, description="transfers at once")
    image_attempts: int = Field(5, gt=0, description="how often an image is tried")
    image_timeout: float = Field(20.0, gt=0, description="seconds of silence in a transfer")
    retry: bool = Field(False, description="try again what was found to be gone for good")
