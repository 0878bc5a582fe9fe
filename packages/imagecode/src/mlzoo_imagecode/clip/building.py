"""A ``CLIPModel`` from a configuration and weights: all of them fit, or nothing is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel
from transformers.utils import logging

from mlzoo.errors import CheckpointError
from mlzoo_imagecode.clip.encoders import ClipEncoders
from mlzoo_imagecode.clip.openai_names import depth, listed

_LAYERS = {
    "text_config": "text_model.encoder.layers.",
    "vision_config": "vision_model.encoder.layers.",
}


def encoders_of(
    config: CLIPConfig, state: Mapping[str, Tensor], source: str, remarks: Sequence[str] = ()
) -> ClipEncoders:
    """Encoders with weights in float32; no random number is drawn.

    Args:
        config: sizes and activation.
        state: by transformers' names.
        source: what errors call it.
        remarks: of :class:`ClipEncoders`.

    Raises:
        CheckpointError: a tensor is missing, unknown, mis-shaped or not finite; names it.
    """
    for part, prefix in _LAYERS.items():  # before anything is made: a layer takes time and memory
        told, found = getattr(config, part).num_hidden_layers, depth(state, prefix)
        if told != found:
            raise CheckpointError(
                f"{source} has {found} layers {prefix}*, its configuration {told}."
            )
    with torch.device("meta"), _quiet():
        expected = {name: value.shape for name, value in CLIPModel(config).state_dict().items()}
    require_fit(expected, state, source)
    # Copies: training changes weights in place, and those of a file may be mapped from the disk.
    weights = {k: value.detach().to(torch.float32, copy=True) for k, value in state.items()}
    with _quiet():
        loaded: Any = CLIPModel.from_pretrained(
            None, config=config, state_dict=weights, dtype=torch.float32, output_loading_info=True
        )
    clip, report = loaded
    problems = {kind: names for kind, names in report.items() if names}
    if problems:  # a version of transformers with other names
        raise CheckpointError(f"{source} could not be loaded: {problems}.")
    return ClipEncoders(clip, remarks)


def require_fit(
    expected: Mapping[str, torch.Size], state: Mapping[str, Any], source: str, fix: str = ""
) -> None:
    """Same names, same shapes, finite floats.

    Raises:
        CheckpointError: names the first tensors that do not fit.
    """
    missing, unknown = expected.keys() - state.keys(), state.keys() - expected.keys()
    parts = [f"it lacks {listed(missing)}"] if missing else []
    parts += [f"it has {listed(unknown)}, which the model has not"] if unknown else []
    if parts:
        raise CheckpointError(f"{source} does not fit: {'; '.join(parts)}.", fix)
    for name, shape in expected.items():
        value = state[name]
        if not isinstance(value, Tensor) or value.layout != torch.strided:
            raise CheckpointError(f"{source}: {name} is no dense tensor.")
        if value.shape != shape:
            raise CheckpointError(
                f"{source}: {name} is {list(value.shape)}, the model's is {list(shape)}.", fix
            )
        if not value.is_floating_point():
            raise CheckpointError(f"{source}: {name} is {value.dtype}, expected floats.")
        if not bool(value.isfinite().all()):
            raise CheckpointError(f"{source}: {name} has values that are not finite.")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' bars, reports and warnings: what matters is raised."""
    said: Any = logging  # untyped
    verbosity, bars = said.get_verbosity(), said.is_progress_bar_enabled()
    said.set_verbosity_error()
    said.disable_progress_bar()
    try:
        yield
    finally:
        said.set_verbosity(verbosity)
        if bars:
            said.enable_progress_bar()
