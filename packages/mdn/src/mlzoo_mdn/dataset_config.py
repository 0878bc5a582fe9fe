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


class ImagesOptions(Config):
    """Options of the dataset ``images``. The shares and the seed matter only where no file and no
    column says which sample belongs to which split; the last three belong to ``images.csv``."""

    val_fraction: float = Field(
        0.1, gt=0, lt=1, description="share of each label of train that becomes val"
    )
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="share of each label that becomes test, without column split"
    )
    split_seed: int = Field(0, ge=0, description="seed of the choice of val and test")
    metadata: tuple[str, ...] = Field(
        (), description="columns of images.csv that are metadata, e.g. age,sex (empty: all others)"
    )
    image_size: int | None = Field(
        None, gt=0, description="resize image files to this height and width"
    )
    color: Literal["auto", "grey", "rgb"] = Field(
        "auto", description="channels of image files; auto: as they are, if all are alike"
    )
