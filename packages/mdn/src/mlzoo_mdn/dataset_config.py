"""Options of the datasets of the task ``confounded-classification``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlzoo.config import Config


class SyntheticOptions(Config):
    """Options of the dataset ``synthetic``."""

    group_size: int = Field(1000, ge=4, description="images of each label in each split (N)")
    data_seed: int = Field(
        1234,
        ge=0,
        le=2**32 - 5,  # the legacy generator takes 32 bits, and test uses the seeds + 3 and + 4
        description="seed of the data; the seed of a run does not change them",
    )
    streams: Literal["published", "independent"] = Field(
        "published",
        description="random streams: as published (the confounder of val repeats the main effect "
        "of train), or independent for every split and quantity",
    )


class CustomOptions(Config):
    """Options of the dataset ``custom``; both matter only where ``val.npz`` is absent."""

    val_fraction: float = Field(
        0.1, gt=0, lt=1, description="share of each label of train that becomes val"
    )
    split_seed: int = Field(0, ge=0, description="seed of the choice of val")
