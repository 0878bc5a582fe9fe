"""Options of ``mlzoo data prepare howto100m``. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from mlzoo import Config


class PrepareHowTo100MOptions(Config):
    """Shards of the published files, which may lie elsewhere."""

    shards: bool = Field(False, description="make shards, which are read in place of the files")
    videos: Path | None = Field(
        None, description="list of the videos; videos.csv in the dataset's folder if not given"
    )
    captions: Path | None = Field(
        None, description="pickle of the captions; captions.pickle there if not given"
    )
    features: Path | None = Field(
        None, description="folder of 2D and 3D features; features/ there if not given"
    )
    audio: Path | None = Field(
        None, description="folder of spectrograms; audio/ there if not given"
    )
    shard_megabytes: int = Field(1000, gt=0, description="of an archive, at most")
    shard_videos: int | None = Field(None, gt=0, description="in an archive, at most")
    threads: int = Field(4, gt=0, description="that read files ahead")
