"""The selected weights as a safetensors file: named tensors, everything else in its metadata."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from mlzoo.checkpoints import load_checkpoint
from mlzoo.errors import RunError
from mlzoo.export.provenance import FinishedRun, Made, compact, library, provenance

FILE = "model.safetensors"


def safetensors_file(run: FinishedRun) -> Made:
    """``checkpoints/best.pt``, flattened; read back and compared bit for bit.

    Names are the keys of the state joined by dots. Numbers and texts of the state are in the metadata
    ``state``; a tensor that has several names is stored under the first, and ``shared`` says which
    others it has.

    Raises:
        CheckpointError: the checkpoint is missing or damaged.
        RunError: safetensors is not installed, or what is read back differs.
    """
    writer = library("safetensors.torch")
    checkpoint = load_checkpoint(
        run.record.directory / "checkpoints" / "best.pt", needs=("model", "epoch")
    )
    tensors, values = split_state(checkpoint["model"])
    stored, shared = without_copies(tensors)
    metadata = {
        "format": "pt",
        **provenance(run),
        "epoch": str(checkpoint["epoch"]),
        "state": compact(values),
        "shared": compact(shared),
    }
    try:
        content: bytes = writer.save(stored, metadata)
    except Exception as error:  # a type of tensor that the format does not know
        reason = " ".join(str(error).split())
        raise RunError(f"safetensors cannot hold these weights: {reason}") from error
    _check(content, tensors, values, metadata)
    count = sum(tensor.numel() for tensor in stored.values())
    return Made({FILE: content}, {"tensors": len(stored), "numbers": count, "shared": shared})


def split_state(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A nested state as tensors by name, and all else by name (JSON values).

    Raises:
        RunError: two entries get one name, or a number is not finite.
    """
    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {}
    for name, value in _leaves(state, ""):
        if name in tensors or name in values:
            raise RunError(f"two entries of the weights would be called {name!r}.")
        if isinstance(value, Tensor):
            tensors[name] = value
        elif isinstance(value, float) and not math.isfinite(value):
            raise RunError(
                f"{name} of the weights is {value}, which a safetensors file cannot say."
            )
        else:
            values[name] = value
    return tensors, values


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Tensors, plain values and empty containers with their names."""
    if isinstance(value, Mapping) and value:
        pairs = list(value.items())
    elif isinstance(value, list | tuple) and value:
        pairs = list(enumerate(value))
    else:
        yield name, list(value) if isinstance(value, tuple) else value
        return
    for key, item in pairs:
        yield from _leaves(item, f"{name}.{key}" if name else str(key))


def without_copies(
    tensors: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Each tensor once, in memory of its own, and the other names of those that had several.

    Returns:
        Contiguous tensors by name; and for each name left out, the one that stands for it.
    """
    stored: dict[str, Tensor] = {}
    shared: dict[str, str] = {}
    first: dict[object, str] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage().data_ptr()
        place = (storage, tensor.storage_offset(), tensor.dtype, tensor.shape, tensor.stride())
        if tensor.numel() and place in first:
            shared[name] = first[place]
            continue
        first[place] = name
        # Another part of memory that is stored already would be refused.
        own = tensor.clone() if storage in storages else tensor
        storages.add(storage)
        stored[name] = own.contiguous()
    return stored, shared


def _check(
    content: bytes,
    tensors: Mapping[str, Tensor],
    values: Mapping[str, Any],
    metadata: Mapping[str, str],
) -> None:
    """Whatever went in comes out, bit for bit."""
    found: dict[str, Tensor] = library("safetensors.torch").load(content)
    length = int.from_bytes(content[:8], "little")
    kept = json.loads(content[8 : 8 + length])["__metadata__"]
    shared = json.loads(kept["shared"])
    names = {*found, *shared}
    wrong = sorted(names ^ set(tensors))
    wrong += [
        name
        for name in tensors
        if not wrong and not _same(tensors[name], found[shared.get(name, name)])
    ]
    if wrong:
        raise RunError(f"the safetensors file does not give back {wrong[0]} as it was.")
    if kept != dict(metadata) or json.loads(kept["state"]) != values:
        raise RunError("the safetensors file does not give back its metadata as they were.")


def _same(one: Tensor, other: Tensor) -> bool:
    """Equal bits, whatever they mean."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    bits = (each.contiguous().reshape(-1).view(torch.uint8) for each in (one, other))
    return torch.equal(*bits)
