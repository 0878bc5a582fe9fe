"""Official checkpoints: the published program's state dicts, read safely and refused unless they fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from mlzoo.checkpoints import load_checkpoint, load_strict
from mlzoo.data.checks import existing
from mlzoo.errors import CheckpointError, DataError
from mlzoo.progress import Progress
from mlzoo_biam.networks import BiAM

NESTED = ("state_dict", "model_state_dict", "model", "network", "net")
"""Where a file may keep the state dict beside other things."""

PARALLEL = "module."
"""What DataParallel puts before every name."""

COUNTER = "num_batches_tracked"
"""Of no use with a fixed momentum; files older than torch 0.4.1 lack it."""

EARLIER = ("conv_layer1.", "self_attn1.", "ff1.", "linear1.", "conv_layer2.", "W1.")
"""Modules of the earlier program that the published Open Images results come from."""

SHOWN = 8
"""Names that an error lists."""


class HasNetwork(Protocol):
    """A model of this package."""

    @property
    def network(self) -> BiAM: ...


def import_weights(
    file: Path, model: HasNetwork, data: object, progress: Progress
) -> dict[str, Any]:
    """Load a checkpoint of the published program into a model, whose device and dtype stay.

    The file holds a state dict, alone or under a key such as ``state_dict``, with or without
    DataParallel's prefix. Names and shapes must all be the network's.

    Args:
        file: the checkpoint.
        model: built with the options that the weights were trained with, on data of their widths.
        data: not looked at; the model knows its widths.
        progress: is told what the file cannot tell.

    Returns:
        How many arrays were loaded.

    Raises:
        DataError: missing, damaged, holding more than tensors and plain values, of another network, of
            another shape, or with values that are not finite. The model is then left as it was.
    """
    existing(file)
    network = model.network
    try:
        state = _state_dict(load_checkpoint(file), file)
        _refuse_earlier(state, file)
        own = network.state_dict()
        counters = {name: value for name, value in own.items() if name.endswith(COUNTER)}
        _check_names(own, {**counters, **state}, file)
        _check_shapes(own, state, file)
        _check_values(state, file)
        load_strict(network, {**counters, **state}, str(file))
    except CheckpointError as error:
        raise DataError(error.message, error.fix) from error
    heads = network.region_context_block.heads
    progress.message(
        f"{file.name} does not tell its number of attention heads; here they are {heads}."
    )
    return {"arrays": len(state)}


def _state_dict(found: Mapping[str, Any], file: Path) -> dict[str, Tensor]:
    """The innermost state dict, without DataParallel's prefix."""
    for key in NESTED * 2:
        if isinstance(found.get(key), Mapping):
            found = found[key]
    if not found:
        raise DataError(f"{file} is no state dict: it is empty.")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise DataError(
                f"{file} is no state dict: {str(name)[:60]!r} is a {type(value).__name__}, "
                "expected tensors alone.",
                "Save the network's own state dict: torch.save(network.state_dict(), FILE).",
            )
    if all(name.startswith(PARALLEL) for name in found):
        return {name.removeprefix(PARALLEL): value for name, value in found.items()}
    return dict(found)


def _refuse_earlier(state: Mapping[str, Tensor], file: Path) -> None:
    modules = sorted(
        {prefix[:-1] for prefix in EARLIER for name in state if name.startswith(prefix)}
    )
    if "self_attn1" in modules or "conv_layer1" in modules:
        raise DataError(
            f"{file} is of an earlier program (its modules are called {', '.join(modules)}), which has no "
            "channel_conv: it computes another function.",
            "Import a checkpoint of the published program; its first name is conv_3X3.body.weight.",
        )


def _check_names(own: Mapping[str, Tensor], state: Mapping[str, Tensor], file: Path) -> None:
    missing, unexpected = own.keys() - state.keys(), state.keys() - own.keys()
    parts = [f"it lacks {_listed(missing)}"] if missing else []
    parts += [f"it has {_listed(unexpected)}, which the network has not"] if unexpected else []
    if parts:
        raise DataError(
            f"{file} holds no weights of BiAM: {'; '.join(parts)}.",
            "Nothing was loaded. Import a checkpoint of the published program.",
        )


def _check_shapes(own: Mapping[str, Tensor], state: Mapping[str, Tensor], file: Path) -> None:
    wrong = {name: value for name, value in state.items() if value.shape != own[name].shape}
    if not wrong:
        return
    name, value = next(iter(wrong.items()))
    more = f", and {len(wrong) - 1} more differ" if len(wrong) > 1 else ""
    raise DataError(
        f"{file}: {name} is {list(value.shape)}, the network's is {list(own[name].shape)}{more}.",
        _why(own, state),
    )


def _why(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """Which option or which width of the data it is."""
    facts = (
        ("conv_3X3.body.weight", 0, "Build the model with --channels {}."),
        ("conv_3X3.body.weight", 1, "It was trained on features of {} channels; the data have {}."),
        (
            "scene_context_block.w_g.weight",
            1,
            "It was trained on global features of width {}, not {}.",
        ),
        ("W.weight", 1, "It was trained on word vectors of width {}, not {}."),
    )
    for name, axis, text in facts:
        theirs, ours = state[name].shape, own[name].shape
        if len(theirs) == len(ours) and theirs[axis] != ours[axis]:
            return text.format(theirs[axis], ours[axis])
    return ""


def _check_values(state: Mapping[str, Tensor], file: Path) -> None:
    for name, value in state.items():
        if name.endswith(COUNTER):
            continue
        if value.layout != torch.strided or not value.is_floating_point():
            raise DataError(f"{file}: {name} is {value.dtype}, expected dense floats.")
        if not value.isfinite().all():
            raise DataError(f"{file}: {name} has values that are not finite (NaN or infinity).")
        if name.endswith("running_var") and (value < 0).any():
            raise DataError(f"{file}: {name} has negative values, which no variance has.")


def _listed(names: Iterable[str]) -> str:
    names = sorted(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(name[:60] for name in names[:SHOWN]) + more
