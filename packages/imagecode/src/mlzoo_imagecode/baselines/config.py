"""The options of the baselines. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import Field, field_validator

from mlzoo import Config

T = TypeVar("T")
Positive = Annotated[float, Field(gt=0)]


class RandomChoiceConfig(Config):
    """Scores that know nothing."""

    draws: int = Field(1, gt=0, description="independent ones; the luckiest on val")


class PositionPriorConfig(Config):
    """How often the image at a position is described in training."""

    counts: tuple[Literal["all", "kind"], ...] = Field(
        ("all",),
        min_length=1,
        description="positions are counted over all sets, or of videos and other sets apart; the best on "
        "val",
    )

    @field_validator("counts")
    @classmethod
    def _each_once(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return _distinct(values)


class ImageOnlyConfig(Config):
    """A linear model of small images and their positions that reads no text."""

    penalties: tuple[Positive, ...] = Field(
        (1e-4, 1e-3, 1e-2, 1e-1),
        min_length=1,
        description="of half the squared weights beside the mean loss (λ); the best on val",
    )
    iterations: int = Field(200, gt=0, description="of L-BFGS at most")
    images_at_once: int = Field(
        512, gt=0, description="images that are read at once; changes memory, not results"
    )

    @field_validator("penalties")
    @classmethod
    def _each_once(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        return _distinct(values)


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise ValueError("every value is needed once only")
    return values
