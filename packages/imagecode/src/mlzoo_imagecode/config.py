"""The options of ImageCoDe's models. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self, TypeAlias

from pydantic import Field, model_validator

from mlzoo import Config

Variant: TypeAlias = Literal["zero-shot", "nocontra", "contra", "contextual"]
Fusion: TypeAlias = Literal["mult", "concat"]
Activation: TypeAlias = Literal["gelu", "relu", "leaky-relu"]
Positions: TypeAlias = Literal["video", "all", "all-in-training"]
Optimizer: TypeAlias = Literal["adam-l2", "adamw"]
Reduction: TypeAlias = Literal["sum", "mean"]
Schedule: TypeAlias = Literal["constant", "one-cycle", "one-cycle-published"]
Leftover: TypeAlias = Literal["step", "drop", "carry"]


class ClipOptions(Config):
    """Where the encoders come from."""

    clip: str | None = Field(
        None,
        description="a CLIP: folder as transformers saves it, OpenAI state dict, or hub name in the local "
        "cache; small encoders from scratch if not given",
    )
    vocabulary: Path | None = Field(
        None,
        description="vocab.json and merges.txt (a folder), or bpe_simple_vocab_16e6.txt.gz; where clip "
        "has none beside it",
    )
    fast_images: bool = Field(
        False,
        description="resize images as tensors: several times faster, up to 2 of 255 grey levels off",
    )
    images_at_once: int = Field(
        80, gt=0, description="images that are encoded at once; changes memory, not results"
    )


class ImageCoDeConfig(ClipOptions):
    """CLIP: as it is, fine-tuned with random or similar images, and with the others of a set as context."""

    variant: Variant = Field(
        "contextual",
        description="zero-shot; fine-tuned against random images (nocontra) or those of the set (contra); "
        "with a module that sees the whole set (contextual)",
    )
    initial_weights: Path | None = Field(
        None, description="run or checkpoint of contra to start from (weights alone)"
    )
    width: int = Field(64, gt=0, description="of encoders from scratch")
    depth: int = Field(2, gt=0, description="layers of those")
    heads: int = Field(4, gt=0, description="of attention of those")
    patch: int = Field(8, gt=0, description="side of their patches")
    image_size: int = Field(32, gt=0, description="side of what they see")
    embedding: int = Field(64, gt=0, description="width of their features")

    epochs: int = Field(30, ge=0, description="0 scores the initial weights")
    clip_epochs: int = Field(
        0,
        ge=0,
        description="of contextual: epochs of contra, before epochs of the module on encoders that stay",
    )
    batch_size: int = Field(36, gt=0, description="descriptions a step")
    learning_rate: float = Field(4e-6, gt=0, description="of the encoders")
    head_learning_rate: float = Field(1e-4, gt=0, description="of the contextual module")
    optimizer: Optimizer = Field(
        "adam-l2", description="Adam with L2 decay in the gradient, or decoupled decay"
    )
    weight_decay: float = Field(0.2, ge=0, description="of every parameter")
    reduction: Reduction = Field("sum", description="of the losses of a step's descriptions")
    schedule: Schedule = Field(
        "constant",
        description="of the encoders' rate; one-cycle-published ends too early, as published",
    )
    base_decay: float = Field(1.0, gt=0, description="of learning_rate after every epoch")
    head_decay: float = Field(1.0, gt=0, description="of head_learning_rate after every epoch")
    accumulation: int = Field(
        1, gt=0, description="batches of a step, whose gradients are added up"
    )
    accumulation_first: bool = Field(
        False, description="a step after batch 1, k+1, …, undivided, as the later program does"
    )
    leftover: Leftover = Field(
        "step",
        description="what is left of an epoch: a step of its own, nothing, or gradients that the next "
        "epoch's first step adds (as published)",
    )
    group_sets: bool = Field(
        True,
        description="descriptions of a set come in one batch, so that its images are encoded once; else "
        "as published in any order",
    )

    fusion: Fusion = Field("mult", description="of image and text")
    add_input: bool = Field(True, description="the module's input is added to its output")
    temporal: bool = Field(True, description="the module knows the order of frames")
    positions: Positions = Field(
        "video",
        description="whose order it knows: frames alone, all sets, or (published) all in training",
    )
    head_scale: float = Field(1000.0, gt=0, description="of the fused features (mult)")
    head_layers: int = Field(2, ge=0, description="of the module")
    head_heads: int = Field(8, gt=0, description="of its attention")
    head_feed_forward: int = Field(3072, gt=0, description="its hidden width")
    dropout: float = Field(0.1, ge=0, lt=1, description="of the module")
    activation: Activation = Field(
        "gelu", description="of the module (the published program ignores it)"
    )
    frozen_clip: bool = Field(True, description="contextual trains the module alone")

    evaluate_last: bool = Field(
        True, description="the last epoch is scored on val, too; as published it is not"
    )
    dropout_in_evaluation: bool = Field(
        False, description="the module's dropout stays on when scored, as published"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads {self.heads} must divide width {self.width}")
        if self.image_size % self.patch:
            raise ValueError(f"patch {self.patch} must divide image_size {self.image_size}")
        if self.variant == "zero-shot" and self.epochs:
            raise ValueError("zero-shot trains nothing: epochs must be 0 (--preset zero-shot)")
        if self.clip_epochs and self.variant != "contextual":
            raise ValueError("clip_epochs belong to the variant contextual")
        if not self.evaluate_last and self.clip_epochs + self.epochs < 2:
            raise ValueError(
                "evaluate_last must be on where there is one epoch: none would be scored"
            )
        if self.clip_epochs and not self.frozen_clip:
            raise ValueError("clip_epochs need frozen_clip: the module's epochs keep the encoders")
        return self
