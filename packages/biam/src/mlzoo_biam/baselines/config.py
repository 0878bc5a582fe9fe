"""The options of the baselines. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import Field, field_validator

from mlzoo import Config

T = TypeVar("T")
Positive = Annotated[float, Field(gt=0)]
Vectors = Literal["regions", "scene", "both"]
_VECTORS = "what an image's vector is of: mean and maximum over regions, the scene feature, or both"


class TagFrequencyConfig(Config):
    """How often a tag occurs in training, for every image alike."""

    counts: tuple[Literal["images", "annotated"], ...] = Field(
        ("images", "annotated"),
        min_length=1,
        description="the positives of a tag are divided by all images, or by those annotated for it; "
        "the best on val",
    )
    neighbours: int = Field(
        5,
        gt=0,
        description="an unseen tag has the mean of so many seen tags with the nearest vectors",
    )

    @field_validator("counts")
    @classmethod
    def _each_once(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return _distinct(values)


class TagRidgeConfig(Config):
    """Ridge regression from images to word vectors."""

    penalties: tuple[Positive, ...] = Field(
        (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
        min_length=1,
        description="of the squared weights, in units of the features' mean variance (λ); the best on val",
    )
    vectors: Vectors = Field("both", description=_VECTORS)
    batch_size: int = Field(256, gt=0, description="images that are read at once")

    @field_validator("penalties")
    @classmethod
    def _each_once(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        return _distinct(values)


class ConSEConfig(Config):
    """A linear classifier of seen tags, and word vectors mixed by its probabilities."""

    top: int = Field(10, gt=0, description="tags whose word vectors are mixed (T)")
    epochs: int = Field(20, gt=0, description="passes over the training images")
    batch_size: int = Field(256, gt=0, description="images a step")
    learning_rate: float = Field(0.05, gt=0, description="of Adam")
    weight_decay: float = Field(0.0, ge=0, description="L2 of the weights, added to gradients")
    vectors: Vectors = Field("both", description=_VECTORS)


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise ValueError("every value is needed once only")
    return values
