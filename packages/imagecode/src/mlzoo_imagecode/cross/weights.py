"""Weights of cross-encoders from files: of the published programs, and of runs of this package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from mlzoo.checkpoints import load_strict
from mlzoo.errors import CheckpointError
from mlzoo.progress import Progress
from mlzoo.runs import BEST, LAST
from mlzoo_imagecode.clip.state_files import read_file, state_dict
from mlzoo_imagecode.cross.names import MASKED_REGIONS, our_names
from mlzoo_imagecode.cross.network import CrossNetwork

HEADS = ("cls.", "clfs_dict.", "context.")
"""How the names of heads begin; all others are the encoder's."""

NETWORK = "network."
"""What a run's checkpoint may put before every name."""


OF_ITS_OWN = "Score it with the --variant that it is of, or train on it: --initial-weights."


class HasNetwork(Protocol):
    """A model of this package."""

    @property
    def network(self) -> CrossNetwork: ...


def import_weights(
    file: Path, model: HasNetwork, data: object, progress: Progress
) -> dict[str, Any]:
    """Load a published state dict into a model; for ``mlzoo weights import``.

    Args:
        file: the state dict of a pre-trained or fine-tuned network, alone or beside others.
        model: of the same scheme and variant.
        data: not looked at.
        progress: is told what the file cannot tell.

    Returns:
        ``arrays`` (how many were loaded) and ``unused`` (names that were not: heads of other variants).

    Raises:
        CheckpointError: it cannot be read safely, or it does not fit; names what. The model stays as it was.
        DataError: there is no such file.
    """
    found = read_file(file)
    done = load_published(state_dict(found, str(file)), model.network, str(file))
    progress.message(
        f"{file.name} does not tell its number of attention heads; here they are those of the scheme."
    )
    told = {name: found[name] for name in ("epoch",) if type(found.get(name)) is int}
    return {**done, **told}


def load_published(
    state: Mapping[str, Tensor], network: CrossNetwork, source: str, *, heads: bool = True
) -> dict[str, Any]:
    """Load a state dict with published names or ours; nothing is loaded unless all fits.

    Args:
        state: the weights. Heads that the network has not are left out.
        network: of the same scheme.
        source: what errors call it.
        heads: whether the network's head must be among the weights; if not, and none of it is, it stays as it
            is.

    Returns:
        ``arrays`` and ``unused``, as :func:`import_weights`.

    Raises:
        CheckpointError: names are missing or unknown, shapes or kinds differ, weights that are shared differ,
            or values are not finite.
    """
    own = network.state_dict()
    found = our_names(state, network.bert.scheme, source)
    kinds = tuple(kind for kind in HEADS if any(name.startswith(kind) for name in own))
    others = tuple(kind for kind in HEADS if kind not in kinds)
    unused = [name for name in found if name.startswith((*others, MASKED_REGIONS))]
    found = {name: value for name, value in found.items() if name not in set(unused)}
    count = len(found)
    if not any(name.startswith(kinds) for name in found):
        if heads:
            raise CheckpointError(
                f"{source} has no head of the variant {network.variant} ({', '.join(kinds)}…).",
                OF_ITS_OWN,
            )
        found |= {name: value for name, value in own.items() if name.startswith(kinds)}
    _require_values(found, source)
    load_strict(network, found, source)
    return {"arrays": count, "unused": sorted(unused)}


def start_from(path: Path, network: CrossNetwork) -> dict[str, Any]:
    """Take the weights of a run or a published file to train on: the encoder's, and the head's if it is of
    the same variant, as it must be where nothing is trained (``zero-shot``); the option ``initial_weights``.

    Args:
        path: a run's folder (its ``best.pt``, else its ``last.pt``), one of these files, or a published one.
        network: of the same scheme.

    Returns:
        ``file``, ``arrays``, ``unused``, and ``head``, whether the head's weights were there.

    Raises:
        CheckpointError: as :func:`load_published`, or there is no checkpoint. The network stays as it was.
        DataError: there is no such file.
    """
    file = _checkpoint_of(path)
    found = read_file(file)
    own = _of_a_run(found)
    state = state_dict(found, str(file)) if own is None else state_dict(own, str(file))
    done = load_published(state, network, str(file), heads=network.variant == "zero-shot")
    return {"file": file.name, **done, "head": done["arrays"] == len(network.state_dict())}


def _checkpoint_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    for name in (BEST, LAST):
        if (path / "checkpoints" / name).is_file():
            return path / "checkpoints" / name
    raise CheckpointError(
        f"{path} has no checkpoints/{BEST} or {LAST}.",
        "initial_weights is a run's folder, a checkpoint of one, or a published file.",
    )


def _of_a_run(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The network's weights, if this is a run's ``best.pt`` or ``last.pt``."""
    resumed = found.get("state")
    state = (resumed if isinstance(resumed, Mapping) else found).get("model")
    if not isinstance(state, Mapping):
        return None
    weights = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if weights and all(str(name).startswith(NETWORK) for name in weights):
        return {str(name).removeprefix(NETWORK): value for name, value in weights.items()}
    return weights


def _require_values(state: Mapping[str, Tensor], source: str) -> None:
    for name, value in state.items():
        if value.layout != torch.strided or not value.is_floating_point():
            raise CheckpointError(f"{source}: {name} is no dense tensor of fractions.")
        if not value.isfinite().all():
            raise CheckpointError(f"{source}: {name} has values that are not finite.")
