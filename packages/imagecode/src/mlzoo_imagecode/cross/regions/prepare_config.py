"""Options of ``mlzoo data prepare imagecode``. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from mlzoo import Config


class RegionOptions(Config):
    """Regions of the images, for the cross-encoders."""

    regions: Path | None = Field(
        None, description="published region features: an LMDB file, or the folder of its data.mdb"
    )
    max_regions: int = Field(36, gt=0, description="the most that an image may have")
