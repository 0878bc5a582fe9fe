"""The options of the baselines. Imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlzoo import Config

_READ = "clips that are read at once"


class RandomEmbeddingsConfig(Config):
    """Embeddings that know nothing of a clip."""

    projection: int = Field(64, gt=0, description="of embeddings")
    draws: int = Field(1, gt=0, description="independent ones; the luckiest on val")
    batch_size: int = Field(256, gt=0, description=_READ)


class PooledCCAConfig(Config):
    """Canonical analysis of three sets of pooled features."""

    projection: int = Field(256, gt=0, description="canonical variates that are kept")
    ridges: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (0.001, 0.01, 0.1, 1.0),
        min_length=1,
        description="added to the variance of every standardised feature (κ); the best on val",
    )
    power: float = Field(
        1.0, ge=0, description="a variate counts by this power of its mean correlation"
    )
    batch_size: int = Field(256, gt=0, description=_READ)


class PooledInfoNCEConfig(Config):
    """A linear map for each modality, trained by a contrastive loss."""

    projection: int = Field(256, gt=0, description="of embeddings")
    temperature: float = Field(0.05, gt=0, description="of the loss")
    epochs: int = Field(30, gt=0, description="passes over the training videos")
    batch_size: int = Field(256, gt=1, description="videos a step, and clips that are read at once")
    learning_rate: float = Field(1e-3, gt=0, description="of Adam")
    weight_decay: float = Field(1e-4, ge=0, description="decoupled, as in AdamW")
