"""Names of a cross-encoder's weights: those of the published state dicts, which this package nearly keeps.

Where streams share weights, published files have them under both names, or once; here they stand once, under
the text's. The contextual module is a module of its own here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor

from mlzoo.errors import CheckpointError
from mlzoo_imagecode.cross.scheme import Attention, Scheme

T = TypeVar("T")

CONTEXT = {
    "context_transformer.": "context.transformer.",
    "prediction_layer.": "context.prediction_layer.",
    "positional_emb.": "context.positional_emb.",
}
"""Published beginnings of the contextual module's names, and ours."""

DECODER, WORDS = "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"
"""The decoder of masked words is the table of words."""

MASKED_REGIONS = "cls.imagePredictions."
"""Of a head that guesses masked regions, which ImageCoDe has no use for."""


def doubles(scheme: Scheme) -> dict[str, str]:
    """Published second names of weights, and the first ones, under which they stand here."""
    found = {DECODER: WORDS}
    for number, made in enumerate(scheme.sublayers):
        if not made.one_norm:
            continue
        attention = isinstance(made, Attention)
        output = "attention_output" if attention else "output"
        layers = {f"{output}.v_LayerNorm": f"{output}.LayerNorm"}
        if made.shared and attention:
            parts = [f"attention_self.{{}}{name}" for name in ("query", "key", "value")]
            layers |= {part.format("v_"): part.format("") for part in parts}
        elif made.shared:
            layers["intermediate.v_dense"] = "intermediate.dense"
        if made.shared:
            layers[f"{output}.v_dense"] = f"{output}.dense"
        for second, first in layers.items():
            for kind in ("weight", "bias"):
                before = f"bert.encoder.layer.{number}"
                found[f"{before}.{second}.{kind}"] = f"{before}.{first}.{kind}"
    return found


def our_names(state: Mapping[str, Tensor], scheme: Scheme, source: str) -> dict[str, Tensor]:
    """A state dict with this package's names, each weight once. Names that are ours stay; unknown ones, too.

    Raises:
        CheckpointError: weights that the scheme shares differ.
    """
    first_names = doubles(scheme)
    found = {_renamed(name, CONTEXT): value for name, value in state.items()}
    for name in [name for name in found if name in first_names]:
        first, value = first_names[name], found.pop(name)
        if not torch.equal(found.setdefault(first, value), value):
            raise CheckpointError(
                f"{source}: {name} and {first} differ, but the scheme has them as one.",
                "Give the config json that the weights were trained with as --scheme.",
            )
    return found


def published_names(state: Mapping[str, T]) -> dict[str, T]:
    """A state dict of this package with the published names, shared weights once."""
    theirs = {own: published for published, own in CONTEXT.items()}
    return {_renamed(name, theirs): value for name, value in state.items()}


def _renamed(name: str, beginnings: Mapping[str, str]) -> str:
    for beginning, other in beginnings.items():
        if name.startswith(beginning):
            return other + name.removeprefix(beginning)
    return name
