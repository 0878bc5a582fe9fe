"""Options of ``mlzoo data prepare msrvtt`` and ``youcook2``. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlzoo import Config


class PrepareBenchmarkOptions(Config):
    """How shards are made of the files of a benchmark."""

    layout: Literal["auto", "pickle", "csv"] = Field(
        "auto", description="what to make shards of; auto takes pickles where there are some"
    )
    shard_megabytes: int = Field(1000, gt=0, description="of an archive, at most")


class PrepareMsrvttOptions(PrepareBenchmarkOptions):
    """MSR-VTT."""

    train_list: Literal["9k", "7k"] = Field(
        "9k", description="which training videos; shards of 9k serve 7k, too"
    )


class PrepareYouCook2Options(PrepareBenchmarkOptions):
    """YouCook2."""
