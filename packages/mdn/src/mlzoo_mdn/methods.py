"""The family of methods, one option: which layer stands in the network, which loss joins the task's."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mlzoo.errors import UsageError
from mlzoo_mdn.adversary import CorrelationAdversary, GradientReversal
from mlzoo_mdn.config import MDNConfig
from mlzoo_mdn.layer import MetadataNorm
from mlzoo_mdn.penalty import NormalisedPenaltyMDN, PenaltyLoss
from mlzoo_mdn.recursive import RecursiveMDN


def layer_options(config: MDNConfig, names: tuple[str, ...]) -> dict[str, Any]:
    """Keyword arguments of :func:`normalisation` for the config's method."""
    if config.method == "mdn":
        return {
            "estimator": config.estimator,
            "momentum": config.momentum,
            "ridge": config.ridge,
            "names": names,
        }
    if config.method == "recursive":
        return {
            "forgetting": config.forgetting,
            "regularisation": config.regularisation,
            "initial_covariance": config.initial_covariance,
        }
    if config.method == "batch-norm":
        return {"momentum": config.momentum}
    return {"groups": config.groups} if config.method == "group-norm" else {}


def normalisation(
    method: str, metadata: Tensor, shape: tuple[int, ...], **options: Any
) -> nn.Module:
    """The layer of a method that has layers, for features [m, *shape].

    Args:
        method: one of :data:`mlzoo_mdn.config.LAYERS`.
        metadata: [N, k] of the training set, label first.
        shape: of one sample's features, channels first.
        options: see :func:`layer_options`.

    Raises:
        UsageError: an unknown method, or options that its layer refuses.
    """
    if method == "mdn":
        # A convolution or linear layer needs its output for nothing, so it may be overwritten.
        return MetadataNorm(metadata, shape, **{"inplace": True, **options})
    if method == "recursive":
        return RecursiveMDN(metadata.shape[1], shape, **options)
    if method == "penalty":
        return NormalisedPenaltyMDN(metadata, shape, **options)
    if method == "batch-norm":
        kind = nn.BatchNorm2d if len(shape) > 1 else nn.BatchNorm1d
        return kind(shape[0], **options)
    if method == "group-norm":
        groups = options["groups"]
        if shape[0] % groups:
            raise UsageError(f"{shape[0]} channels cannot be split into {groups} equal groups")
        return nn.GroupNorm(groups, shape[0])
    raise UsageError(f"method {method!r} has no layers")


def added_loss(
    config: MDNConfig, network: nn.Module, metadata: Tensor, num_features: int
) -> nn.Module | None:
    """What joins the task's loss: called with features [m, F] and metadata [m, 1 + k] after the
    network, it returns losses by name. None where the method lies in the layers alone.

    Args:
        network: the one it is trained with.
        metadata: [N, 1 + k] of the training set: label, confounders.
        num_features: F.
    """
    if config.method == "penalty":
        return PenaltyLoss(network)
    if config.method not in ("gradient-reversal", "adversary"):
        return None
    kind = GradientReversal if config.method == "gradient-reversal" else CorrelationAdversary
    return kind(
        metadata,
        num_features,
        weight=config.adversary_weight,
        width=config.adversary_width,
        samples=config.adversary_samples,
    )
