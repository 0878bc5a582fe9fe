"""Options of the datasets of the task ``zero-shot``. Defaults are the files of the published rows."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from mlzoo.config import Config


def _file_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", value) or value.endswith(".mat"):
        raise ValueError("a file's name without folder and ending is needed")
    return value


FileName = Annotated[str, AfterValidator(_file_name)]
"""No folder, no leading dot, no ending."""


class _FileOptions(Config):
    """What every pair of feature and split files can be asked for."""

    features: FileName = Field("res101", description="features file, without its ending .mat")
    embedding: FileName = Field(
        "att", description="class embedding, with its split in <embedding>_splits.mat"
    )
    scaling: Literal["minmax", "standard", "none"] = Field(
        "minmax", description="of each feature, fitted on the training samples alone"
    )
    hold_out: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="share of every training class that acts as test_seen in validation",
    )
    split_seed: int = Field(
        0, ge=0, lt=2**32, description="seed of that hold-out and of derived validation classes"
    )


class ImagesOptions(_FileOptions):
    """Options of ``cub``, ``awa2``, ``sun``, ``flo`` and ``custom``."""


class ActionsOptions(_FileOptions):
    """Options of ``hmdb51``: one of 30 random splits, in ``split_1`` to ``split_30``."""

    features: FileName = Field("i3d", description="features file, without its ending .mat")
    split: int = Field(1, ge=1, le=30, description="which of the 30 random splits of the classes")


class UCF101Options(ActionsOptions):
    """Options of ``ucf101``; published rows use its 115 manual attributes."""

    embedding: FileName = Field(
        "manual",
        description="manual: 115 attributes of ucf101_manual_att.npy, or original_att of the split file; "
        "other names: <embedding>_splits.mat",
    )
