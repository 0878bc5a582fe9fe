"""The options of BiAM. The paper's symbols stand in the descriptions. Imports no torch."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from mlzoo import Config


class BiAMConfig(Config):
    """Bi-level attention, the ranking loss over tags and its schedule."""

    channels: int = Field(256, gt=0, description="channels of both attention blocks")
    heads: int = Field(8, gt=0, description="attention heads h of the region block")
    top_k: int = Field(
        6, gt=0, description="regions whose scores are averaged for a tag's score (k)"
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="of attention and its output")
    scene_dropout: float = Field(0.2, ge=0, lt=1, description="of the global feature x_g")
    batch_norm_momentum: float = Field(
        0.01,
        gt=0,
        le=1,
        description="share of a batch in the running statistics; 0.99 as published",
    )
    zero_score_mask: bool = Field(
        False, description="attention scores of exactly 0 count as masked, as published"
    )

    epochs: int = Field(40, gt=0, description="passes over the training images")
    batch_size: int = Field(32, gt=0, description="images a step")
    learning_rate: float = Field(1e-3, gt=0, description="of Adam")
    schedule: Literal["cosine", "constant"] = Field(
        "cosine", description="learning rate after the warm-up"
    )
    min_learning_rate: float = Field(5e-4, ge=0, description="where the cosine ends")
    warmup_epochs: int = Field(3, ge=0, description="linear warm-up of the cosine schedule")
    weight_decay: float = Field(5e-4, ge=0, description="L2 of all parameters, added to gradients")
    adam_beta1: float = Field(0.9, ge=0, lt=1, description="first moment's decay")
    normalise: Literal["violations", "pairs"] = Field(
        "violations",
        description="an image's loss is divided by its violated pairs (as the program does) or all",
    )
    sampling: Literal["shuffled", "replacement"] = Field(
        "shuffled",
        description="proper epochs, or a fresh draw every step (or shard), as published",
    )
    max_labels: int | None = Field(
        None, gt=0, description="leave out training images with more positive tags than this"
    )
    shards_per_epoch: int | None = Field(
        None, gt=0, description="shards an epoch, where data come in shards; all if not given"
    )
    batches_per_shard: int | None = Field(
        None, gt=0, description="batches of one visit to a shard; all if not given"
    )
    evaluate_every: int = Field(
        2, gt=0, description="epochs between scores; the last is scored, too"
    )
    first_evaluation: int = Field(4, gt=0, description="no scores before this epoch")
    evaluation_batch: int = Field(100, gt=0, description="images at once when scores are computed")

    fine_tune_epochs: int = Field(
        0,
        ge=0,
        description="then so many on train and val together, from the best epoch; needs --select last",
    )
    fine_tune_learning_rate: float = Field(3.33e-4, gt=0, description="of those, constant")

    @model_validator(mode="after")
    def _heads_divide_channels(self) -> Self:
        if self.channels % self.heads:
            raise ValueError(f"heads {self.heads} must divide channels {self.channels}")
        return self
