"""Options of ESZSL."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from mlzoo import Config

Positive = Annotated[float, Field(gt=0)]


def powers_of_ten(first: int, last: int) -> tuple[float, ...]:
    """10 to the power of first, first + 1, ..., last."""
    return tuple(10.0**power for power in range(first, last + 1))


class ESZSLConfig(Config):
    """Options of the model ``eszsl``. The grid is every gamma with every lambda.

    The paper leaves features and embeddings as they are, ``unit_features=False`` and
    ``centre_embeddings=False``; the defaults did better on validation classes wherever that was tried.
    """

    gammas: tuple[Positive, ...] = Field(
        powers_of_ten(-3, 3),
        min_length=1,
        description="weights of the penalty on the map of the features (γ)",
    )
    lambdas: tuple[Positive, ...] = Field(
        powers_of_ten(-5, 1),
        min_length=1,
        description="weights of the penalty on the map of the class embeddings (λ)",
    )
    unit_features: bool = Field(
        True, description="divide the features of each sample by their Euclidean length"
    )
    centre_embeddings: bool = Field(
        True, description="subtract the mean of the seen classes from the class embeddings"
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
