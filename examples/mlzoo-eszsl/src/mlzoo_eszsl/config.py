"""Options of ESZSL."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from mlzoo import Config

Positive = Annotated[float, Field(gt=0)]
POWERS = tuple(10.0**power for power in range(-3, 4))


class ESZSLConfig(Config):
    """Options of the model ``eszsl``. The grid is every gamma with every lambda."""

    gammas: tuple[Positive, ...] = Field(
        POWERS, min_length=1, description="weights of the penalty on the map of the features (γ)"
    )
    lambdas: tuple[Positive, ...] = Field(
        POWERS, min_length=1, description="weights of the penalty on the map of the embeddings (λ)"
    )
    features: Literal["plain", "unit"] = Field(
        "plain", description="as the dataset gives them, or each row divided by its length"
    )
    embeddings: Literal["plain", "centred"] = Field(
        "plain", description="as the dataset gives them, or without the mean of the seen classes"
    )

    @field_validator("gammas", "lambdas")
    @classmethod
    def _each_once(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(values)) < len(values):
            raise ValueError("every value is needed once only")
        return values

    @property
    def grid(self) -> list[tuple[float, float]]:
        """Every (gamma, lambda), in the order in which they are tried."""
        return [(gamma, lambda_) for gamma in self.gammas for lambda_ in self.lambdas]
