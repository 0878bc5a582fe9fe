"""Options of Metadata Normalization. The defaults are those of the original program's command line;
the presets in ``plugin.py`` say what is recommended on each dataset."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mlzoo.config import Config

LAYERS = ("mdn", "recursive", "penalty", "batch-norm", "group-norm")
"""Methods that put layers where ``network`` says."""

READERS = {
    "estimator": ("mdn",),
    "statistics": ("mdn",),
    "momentum": ("mdn", "batch-norm"),
    "ridge": ("mdn", "residualise"),
    "forgetting": ("recursive",),
    "regularisation": ("recursive",),
    "initial_covariance": ("recursive",),
    "penalty_learning_rate": ("penalty",),
    "groups": ("group-norm",),
    "adversary_weight": ("gradient-reversal", "adversary"),
    "adversary_learning_rate": ("gradient-reversal", "adversary"),
    "adversary_width": ("gradient-reversal", "adversary"),
    "adversary_samples": ("gradient-reversal", "adversary"),
}
"""Options that only some methods read."""


class MDNConfig(Config):
    """Options of the model ``mdn``."""

    method: Literal[
        "mdn",
        "recursive",
        "penalty",
        "batch-norm",
        "group-norm",
        "gradient-reversal",
        "adversary",
        "residualise",
        "none",
    ] = Field(
        "mdn",
        description="Metadata Normalization; R-MDN; PMDN; batch or group normalisation; an adversary "
        "by gradient reversal or as in BR-Net; images residualised beforehand; the plain network",
    )
    network: Literal["conv", "linear", "baseline"] = Field(
        "conv",
        description="where the method's layers stand: after every layer but the last, after fc1 "
        "only, or nowhere; methods without layers put none anywhere",
    )
    epochs: int = Field(500, gt=0, description="passes over the training set")
    batch_size: int = Field(200, gt=0, description="samples a step (m)")
    optimizer: Literal["adam", "sgd"] = Field(
        "adam", description="as published, or plain stochastic gradient descent"
    )
    learning_rate: float = Field(1e-4, gt=0, description="of the optimizer, at the start")
    weight_decay: float = Field(
        0.0, ge=0, description="of the network (L2); R-MDN's authors take 1e-3"
    )
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
        0.1,
        gt=0,
        le=1,
        description="weight of a new batch in the running statistics (mu), also of batch-norm",
    )
    statistics: Literal["exact", "running"] = Field(
        "exact",
        description="of mdn, for evaluation: recomputed over the training set at the end, or as "
        "published (compat) the running average; exact shows both. Scores during training are of the latter",
    )
    ridge: float = Field(
        0.0, ge=0, description="lets constant or collinear metadata pass, at the cost of a bias"
    )
    forgetting: float = Field(
        0.999, gt=0, le=1, description="of recursive: weight of the past at each batch (lambda)"
    )
    regularisation: float = Field(
        1e-4, ge=0, description="of recursive: added to the diagonal of P at each batch (epsilon)"
    )
    initial_covariance: float = Field(
        100.0, gt=0, description="of recursive: the diagonal of P at the start (P_0)"
    )
    penalty_learning_rate: float = Field(
        0.045, gt=0, description="of penalty: Adam's for the coefficients (beta), same schedule"
    )
    groups: int = Field(
        4, gt=0, description="of group-norm: 1, 2 or 4 (no published value; 4 splits every layer)"
    )
    adversary_weight: float = Field(
        1.0,
        ge=0,
        description="of the confounder's part in the encoder's loss (lambda); no published value "
        "for this data, 1 weighs it like the task",
    )
    adversary_learning_rate: float = Field(
        1e-4, gt=0, description="Adam's for the confounder's regressor, same schedule"
    )
    adversary_width: int = Field(
        64, gt=0, description="hidden units of the confounder's regressor; no published value"
    )
    adversary_samples: Literal["controls", "all"] = Field(
        "controls", description="where the adversary looks: label 0, as in BR-Net, or everywhere"
    )

    @model_validator(mode="after")
    def _fits_the_method(self) -> MDNConfig:
        """Refuses what the chosen method would silently not read."""
        if self.method in LAYERS and self.method != "mdn" and self.network == "baseline":
            raise ValueError(
                f"method {self.method} needs a place for its layers, and network baseline has none; "
                "take conv or linear, or method none for the plain network"
            )
        if self.method not in LAYERS and self.network == "linear":
            raise ValueError(
                f"method {self.method} has no layers, so network linear says nothing; leave it out"
            )
        for option, methods in READERS.items():
            default = type(self).model_fields[option].default
            if self.method not in methods and getattr(self, option) != default:
                raise ValueError(
                    f"{option} is an option of {' and '.join(methods)}, the method is {self.method}; "
                    f"leave it at {default}"
                )
        return self
