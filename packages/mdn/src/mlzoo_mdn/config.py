"""Options of Metadata Normalization. The defaults are those of the original program's command line;
the presets in ``plugin.py`` say what is recommended on each dataset."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlzoo.config import Config


class MDNConfig(Config):
    """Options of the model ``mdn``."""

    network: Literal["conv", "linear", "baseline"] = Field(
        "conv", description="MDN after every layer but the last, after fc1 only, or nowhere"
    )
    epochs: int = Field(500, gt=0, description="passes over the training set")
    batch_size: int = Field(200, gt=0, description="samples a step (m)")
    optimizer: Literal["adam", "sgd"] = Field(
        "adam", description="as published, or plain stochastic gradient descent"
    )
    learning_rate: float = Field(1e-4, gt=0, description="of the optimizer, at the start")
    schedule: Literal["plateau", "cosine", "constant"] = Field(
        "plateau", description="halve it when the val loss stalls, cosine to zero, or leave it"
    )
    patience: int = Field(
        200, ge=0, description="stop after so many epochs without a better val loss (0: never)"
    )
    evaluate_every: int = Field(
        1, gt=0, description="epochs between scores on val; the last epoch is always scored"
    )
    estimator: Literal["global", "batch", "control-variate"] = Field(
        "global",
        description="of the metadata's coefficients in training: the published one, least squares "
        "of each batch, or the published one with a control variate",
    )
    momentum: float = Field(
        0.1, gt=0, le=1, description="weight of a new batch in the running statistics (mu)"
    )
    statistics: Literal["exact", "running"] = Field(
        "exact",
        description="for evaluation: recomputed over the training set at the end, or as published "
        "(compat) the running average; exact shows both. Scores during training are of the latter",
    )
    ridge: float = Field(
        0.0, ge=0, description="lets constant or collinear metadata pass, at the cost of a bias"
    )
