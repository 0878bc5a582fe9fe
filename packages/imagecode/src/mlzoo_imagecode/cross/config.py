"""The options of ViLBERT and UNITER. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from mlzoo import Config
from mlzoo_imagecode.config import Positions, Variant


class CrossConfig(Config):
    """A cross-encoder of words and image regions: as pre-trained, fine-tuned on pairs, on sets, and with a
    module that sees the whole set."""

    scheme: str = Field(
        "uniter", description="uniter, vilbert, or a config json of a sublayer scheme"
    )
    variant: Variant = Field(
        "contextual",
        description="zero-shot by the alignment head; fine-tuned on pairs alone (nocontra) or against the "
        "others of the set (contra); with a module that sees the whole set (contextual)",
    )
    initial_weights: Path | None = Field(
        None,
        description="published state dict, or a run or checkpoint, to start from (weights alone)",
    )
    vocabulary: Path | None = Field(
        None, description="BERT's vocab.txt; the words of the training descriptions if not given"
    )
    max_tokens: int = Field(120, ge=3, description="of a description; longer ones are cut")

    small: bool = Field(False, description="a small network of that build, of the sizes below")
    width: int = Field(64, gt=0, description="of the states of words (small)")
    heads: int = Field(4, gt=0, description="of their attention (small)")
    feed_forward: int = Field(128, gt=0, description="hidden width of their sublayers (small)")
    v_width: int = Field(64, gt=0, description="of the states of regions (small vilbert)")
    v_heads: int = Field(4, gt=0, description="of their attention (small vilbert)")
    v_feed_forward: int = Field(128, gt=0, description="hidden width (small vilbert)")
    text_layers: int = Field(1, ge=0, description="layers of words alone (small vilbert)")
    layers: int = Field(2, gt=0, description="layers in which words and regions meet (small)")
    pooled: int = Field(64, gt=0, description="width of a pair (small)")

    epochs: int = Field(25, ge=0, description="0 scores the initial weights")
    batch_size: int = Field(15, gt=0, description="descriptions a step; of nocontra pairs")
    accumulation: int = Field(
        1, gt=0, description="parts that a step's batch comes in; a smaller last batch counts more"
    )
    learning_rate: float = Field(6e-6, gt=0, description="the highest, of all parameters")
    warm_up: float = Field(
        0.1,
        ge=0,
        le=1,
        description="share of the updates in which the rate rises; then it falls to 0",
    )
    weight_decay: float = Field(
        1e-4, ge=0, description="λ, after the step; not of biases and most normalisations"
    )
    correct_bias: bool = Field(True, description="Adam corrects its moments for their start at 0")
    clip_norm: float = Field(1.0, gt=0, description="the longest gradient that is used as it is")

    add_input: bool = Field(True, description="the module's input is added to its output")
    temporal: bool = Field(True, description="the module knows the order of frames")
    positions: Positions = Field(
        "all",
        description="whose order it knows: frames alone, all sets (published), or all in training",
    )
    head_layers: int = Field(5, ge=0, description="of the module")
    dropout: float = Field(
        0.1, ge=0, lt=1, description="of pairs and of the module; of a small network, too"
    )
    once_in_training: bool = Field(
        True,
        description="sublayers of the text alone run once a description in training, too: its pairs share "
        "their dropout there; else once a pair, as published",
    )
    pairs_at_once: int = Field(
        80, gt=0, description="pairs that go through at once; changes memory, not results"
    )
    evaluate_last: bool = Field(
        True, description="the last epoch is scored on val, too; as published it is not"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for width, heads in (("width", "heads"), ("v_width", "v_heads")):
            if getattr(self, width) % getattr(self, heads):
                raise ValueError(
                    f"{heads} {getattr(self, heads)} must divide {width} {getattr(self, width)}"
                )
        if self.small and self.scheme not in ("uniter", "vilbert"):
            raise ValueError("small is of uniter and vilbert; a config json says its sizes itself")
        if self.variant == "zero-shot" and self.epochs:
            raise ValueError("zero-shot trains nothing: epochs must be 0 (--preset zero-shot)")
        if self.batch_size % self.accumulation:
            raise ValueError(
                f"accumulation {self.accumulation} must divide batch_size {self.batch_size}"
            )
        if not self.evaluate_last and self.epochs < 2:
            raise ValueError(
                "evaluate_last must be on where there is one epoch: none would be scored"
            )
        return self


class UniterConfig(CrossConfig):
    """UNITER in the controlled set-up: one transformer over words and image regions."""


class VilbertConfig(CrossConfig):
    """ViLBERT: a transformer of words and one of image regions that look at each other."""

    scheme: str = Field(
        "vilbert", description="uniter, vilbert, or a config json of a sublayer scheme"
    )
    learning_rate: float = Field(2e-5, gt=0, description="the highest, of all parameters")
    head_layers: int = Field(4, ge=0, description="of the module")
