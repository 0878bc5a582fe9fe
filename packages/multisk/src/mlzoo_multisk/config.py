"""The options of Multi-SK and Everything at Once. The paper's symbols stand in the descriptions. Imports
no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from mlzoo import Config

ROWS, SETS = 6, 3
"""The anchor loss compares 6 kinds of assignments with the plans of 3 modalities: 18 pairs."""

STAGES = 6
"""Of the audio network: 64 frames become a token."""

PAIR_WEIGHTS = tuple(
    0.1 if row in (2, 5) or column == 2 else 1.0 for row in range(ROWS) for column in range(SETS)
)
"""Row by row: text, video, audio before the transformer, the same after it; columns are the plans of text,
video and audio. Everything with audio counts a tenth, as published."""


class RetrievalConfig(Config):
    """What both models share: tokens, one or three transformers, contrastive losses, schedule."""

    width: int = Field(4096, gt=0, description="of tokens, all modalities")
    projection: int = Field(6144, gt=0, description="of embeddings")
    heads: int = Field(64, gt=0, description="of attention")
    depth: int = Field(1, ge=0, description="blocks of a transformer")
    mlp_ratio: float = Field(1.0, gt=0, description="hidden width of a block's MLP over its width")
    audio_widths: tuple[int, ...] = Field(
        (128, 128, 256, 512, 1024, 2048, 4096),
        description="channels of the audio network: its first convolution and six stages",
    )
    audio_blocks: tuple[int, ...] = Field(
        (2, 2, 1, 1, 1, 1), description="residual blocks of its stages; each halves time"
    )
    modalities: Literal["tva", "tv"] = Field("tva", description="tv leaves audio out")

    loss: Literal["norm_softmax", "mms"] = Field(
        "norm_softmax", description="contrastive loss of a pair of modalities"
    )
    temperature: float = Field(0.05, gt=0, description="of norm_softmax")
    margin: float = Field(0.001, ge=0, description="of mms")
    contrastive_weight: float = Field(1.0, ge=0, description="of all contrastive losses")
    weight_tv: float = Field(1.0, ge=0, description="of text against video")
    weight_ta: float = Field(0.1, ge=0, description="of text against audio")
    weight_va: float = Field(0.1, ge=0, description="of video against audio")

    epochs: int = Field(15, ge=0, description="0 scores the initial weights")
    batch_size: int = Field(216, gt=0, description="videos a step")
    epoch_videos: int | None = Field(
        None, gt=0, description="videos an epoch of the run; one pass over all if not given"
    )
    learning_rate: float = Field(5e-5, gt=0, description="of Adam")
    decay: float = Field(0.9, gt=0, le=1, description="of the rate after every pass")
    ema_decay: float = Field(0.9999, ge=0, lt=1, description="of the moving average of the weights")
    score_ema: bool = Field(False, description="score the moving average instead of the weights")
    freeze_batch_norm: bool = Field(
        False,
        description="the audio network normalises with its running statistics in training, too",
    )
    initial_weights: Path | None = Field(
        None, description="run or checkpoint to start from (weights alone)"
    )
    evaluation_batch: int = Field(
        64, gt=0, description="clips at once when embeddings are computed"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads {self.heads} must divide width {self.width}")
        if len(self.audio_widths) != len(self.audio_blocks) + 1:
            raise ValueError(
                f"{len(self.audio_blocks)} audio_blocks need {len(self.audio_blocks) + 1} audio_widths"
            )
        if len(self.audio_blocks) != STAGES:
            raise ValueError(f"audio_blocks must be {STAGES}: each halves 64 frames, to one token")
        return self


class MultiSKConfig(RetrievalConfig):
    """A transformer for each modality, and anchors that every modality is assigned to."""

    anchors: int = Field(64, gt=1, description="of each of the six sets (K)")
    anchor_weight: float = Field(
        1.0, ge=0, description="of the anchor loss (beta); 0 leaves it out"
    )
    anchor_share: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="share of the anchors that a sample is assigned to (r = share K)",
    )
    anchor_epsilon: float = Field(0.07, gt=0, description="entropy regularisation of the plan")
    anchor_iterations: int = Field(20, ge=0, description="of the Multi-SK plan")
    anchor_temperature: float = Field(0.1, gt=0, description="of the similarities in the cost")
    anchor_queue: int = Field(
        5500,
        ge=0,
        description="earlier samples that a plan is made over, too; no loss until it is full",
    )
    anchor_pair_weights: tuple[float, ...] = Field(
        PAIR_WEIGHTS,
        description="of the 18 pairs: text, video, audio before and after the transformer, by plans",
    )
    plan: Literal["auto", "linear", "log", "clamped"] = Field(
        "auto",
        description="arithmetic of the plan: auto takes linear where it cannot overflow, else log; "
        "clamped overflows as published",
    )

    @model_validator(mode="after")
    def _eighteen_pairs(self) -> Self:
        if len(self.anchor_pair_weights) != ROWS * SETS:
            raise ValueError(f"anchor_pair_weights must be {ROWS * SETS} numbers")
        if any(weight < 0 for weight in self.anchor_pair_weights):
            raise ValueError("anchor_pair_weights must not be negative")
        if int(self.anchor_share * self.anchors) < 1:
            raise ValueError("anchor_share assigns a sample to less than one anchor")
        return self


class EverythingAtOnceConfig(RetrievalConfig):
    """One transformer for single modalities and pairs of them."""

    batch_size: int = Field(224, gt=0, description="videos a step")
    weight_t_va: float = Field(0.1, ge=0, description="of text against video with audio")
    weight_v_ta: float = Field(0.1, ge=0, description="of video against text with audio")
    weight_a_tv: float = Field(0.1, ge=0, description="of audio against text with video")
    shared_projection: bool = Field(False, description="one projection for all modalities")
    cls_token: bool = Field(
        False, description="an embedding is that of a token of its own, not a mean"
    )
    position_embeddings: bool = Field(False, description="tokens know their place")

    @model_validator(mode="after")
    def _one_embedding(self) -> Self:
        if self.cls_token and not self.shared_projection:
            raise ValueError("cls_token needs shared_projection: it is of all modalities")
        return self
