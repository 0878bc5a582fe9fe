"""Published weights: read safely, and refused unless they are exactly a network's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mlzoo.backbones.registry import BACKBONES, CLIP_BACKBONES, Backbone, backbone
from mlzoo.checkpoints import load_checkpoint, load_strict
from mlzoo.data.checks import existing
from mlzoo.errors import CheckpointError, DataError

PARALLEL = "module."  # before every name of a network that was trained on several GPUs at once
COUNTER = "num_batches_tracked"  # of no use in evaluation; files older than torch 0.4.1 lack it


def load_weights(path: Path, name: str) -> nn.Module:
    """A backbone with the weights of a file, in evaluation mode.

    The file is a state dict as torchvision publishes it (``resnet101-63fe2227.pth``), in torch's
    archive format or the pickle format before it; both are read with ``weights_only``. The number
    of classes is the file's, so weights tuned on other classes will do. Of networks over clips it may
    also be the checkpoint that they were published as, with ``state_dict`` and names in ``module.``.

    Args:
        path: the file.
        name: which backbone it must be, a key of :data:`mlzoo.backbones.BACKBONES` or
            :data:`mlzoo.backbones.CLIP_BACKBONES`.

    Raises:
        DataError: missing, damaged, holding anything but tensors, of another network, of another
            shape, or with values that are not finite.
        UsageError: no such backbone.
    """
    return read_weights(path, CLIP_BACKBONES.get(name) or backbone(name))


def read_weights(path: Path, chosen: Backbone) -> nn.Module:
    """The same of a backbone that need not have a name in :data:`mlzoo.backbones.BACKBONES`."""
    existing(path)
    try:
        state = load_checkpoint(path)
        if chosen.wrapped:
            state = _unwrapped(state)
        _check_tensors(state, path)
        if not _fits(state, chosen):
            _refuse_another(state, chosen.name, path)
        network = chosen.build(_classes(state, chosen))
        counters = {key: t for key, t in network.state_dict().items() if key.endswith(COUNTER)}
        load_strict(network, {**counters, **state}, str(path))
    except CheckpointError as error:
        raise DataError(error.message, error.fix) from error
    return network.eval()


def _unwrapped(state: dict[str, Any]) -> dict[str, Any]:
    """What a training checkpoint holds of the network, by the network's own names."""
    inner = state.get("state_dict")
    if isinstance(inner, Mapping):
        state = dict(inner)
    if state and all(str(key).startswith(PARALLEL) for key in state):
        state = {str(key).removeprefix(PARALLEL): value for key, value in state.items()}
    return state


def _check_tensors(state: Mapping[str, Any], path: Path) -> None:
    if not state:
        raise DataError(f"{path} is no state dict: it is empty.")
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise DataError(
                f"{path} is no state dict: {str(key)[:60]!r} is a {type(value).__name__}, "
                "expected tensors alone.",
                "Save the network's own state dict: torch.save(network.state_dict(), FILE).",
            )
        if str(key).endswith(COUNTER):
            continue
        if value.layout != torch.strided or not value.is_floating_point():
            raise DataError(f"{path}: {key} is {value.dtype}, expected dense floats.")
        if not value.isfinite().all():
            raise DataError(f"{path}: {key} has values that are not finite (NaN or infinity).")
        if str(key).endswith("running_var") and (value < 0).any():
            raise DataError(f"{path}: {key} has negative values, which no variance has.")


def _refuse_another(state: Mapping[str, Tensor], name: str, path: Path) -> None:
    for other, candidate in {**BACKBONES, **CLIP_BACKBONES}.items():
        if other != name and _fits(state, candidate):
            raise DataError(
                f"{path} holds the weights of {other}, expected {name}.",
                f"Name the backbone {other}, or another file.",
            )


def _fits(state: Mapping[str, Tensor], candidate: Backbone) -> bool:
    """Whether names and shapes are those of a backbone; nothing is allocated to find out."""
    with torch.device("meta"):
        own = candidate.build(_classes(state, candidate)).state_dict()
    return _shapes(own) == _shapes(state)


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {key: t.shape for key, t in state.items() if not str(key).endswith(COUNTER)}


def _classes(state: Mapping[str, Tensor], candidate: Backbone) -> int:
    head = state.get(f"{candidate.head}.weight")
    return len(head) if head is not None and head.ndim == 2 else 1000
