"""From the options to a network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlzoo.errors import DataError, UsageError
from mlzoo_imagecode.cross.config import CrossConfig
from mlzoo_imagecode.cross.scheme import CONTEXT_HEADS, LOCATIONS, Scheme, uniter, vilbert
from mlzoo_imagecode.cross.scheme_reading import open_scheme

if TYPE_CHECKING:
    from mlzoo_imagecode.cross.network import CrossNetwork

SMALL_RANGE = 0.1
"""Standard deviation of a small network's initial weights. The published 0.02 suits widths of 768: from it
networks of 64 hardly begin to learn."""


def scheme_for(config: CrossConfig, *, words: int, region_width: int) -> Scheme:
    """The build that the options ask for. A small network takes its tables from the data; another one has
    sizes of its own, which the data must fit. Imports no torch.

    Args:
        config: the options.
        words: of the vocabulary.
        region_width: F, of the data's region features.

    Raises:
        UsageError: the config json is missing or contradicts itself, max_tokens or the vocabulary are too
            large, regions would be placed otherwise, or the contextual module cannot have that width.
        DataError: region features of another width.
    """
    if config.small:
        scheme = replace(_small(config), initial_range=SMALL_RANGE).fitted(
            vocabulary=words, positions=config.max_tokens, region_width=region_width
        )
    else:
        scheme = open_scheme(config.scheme)
        _require_tables(config, scheme, words, region_width)
    if config.variant == "contextual" and scheme.pooled % CONTEXT_HEADS:
        raise UsageError(
            f"pairs are {scheme.pooled} wide, which {CONTEXT_HEADS} heads of the contextual module do not "
            "divide.",
            "Give another --pooled, or --variant contra.",
        )
    return scheme


def _require_tables(config: CrossConfig, scheme: Scheme, words: int, region_width: int) -> None:
    """The data fit the sizes of a config json."""
    if config.max_tokens > scheme.positions:
        raise UsageError(
            f"max_tokens {config.max_tokens} is above the {scheme.positions} positions of {config.scheme}."
        )
    if words > scheme.vocabulary:
        raise UsageError(
            f"the vocabulary has {words} words, {config.scheme} {scheme.vocabulary}.",
            "Give BERT's own: --vocabulary vocab.txt.",
        )
    if scheme.locations != LOCATIONS:
        raise UsageError(
            f"{config.scheme} places regions by {scheme.locations} numbers (num_locs), not by {LOCATIONS}."
        )
    if region_width != scheme.region_width:
        raise DataError(
            f"region features are {region_width} wide, {config.scheme} takes {scheme.region_width}.",
            "Give features of that width, or train a small network: --small.",
        )


def network_for(config: CrossConfig, *, words: int, region_width: int, places: int) -> CrossNetwork:
    """A new network for data of these sizes; ``places``: images of the largest set.

    Raises:
        UsageError, DataError: as :func:`scheme_for`.
    """
    from mlzoo_imagecode.cross.network import CrossNetwork

    return CrossNetwork(
        scheme_for(config, words=words, region_width=region_width),
        config.variant,
        layers=config.head_layers,
        add_input=config.add_input,
        temporal=config.temporal,
        dropout=config.dropout,
        places=places,
        once_in_training=config.once_in_training,
    )


def _small(config: CrossConfig) -> Scheme:
    sizes = {
        name: getattr(config, name)
        for name in ("width", "heads", "feed_forward", "layers", "pooled", "dropout")
    }
    if config.scheme == "uniter":
        return uniter(**sizes)
    regions = ("v_width", "v_heads", "v_feed_forward", "text_layers")
    return vilbert(**sizes, **{name: getattr(config, name) for name in regions})
