"""Weights from files: of the published programs, and of runs of this package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo.checkpoints import load_checkpoint, load_strict
from mlzoo.data.checks import existing
from mlzoo.errors import CheckpointError
from mlzoo.progress import Progress
from mlzoo_multisk.networks import TokenNetwork
from mlzoo_multisk.official_names import (
    TEXT_TWICE,
    anchor_names,
    in_their_names,
    is_unused,
    network_names,
    unused,
)

PARALLEL = "module."
"""What DataParallel, and a moving average of it, put before every name."""

POSITIONS = "_pos_embed"

SHOWN = 5
"""Names that an error lists."""


class HasNetwork(Protocol):
    """A model of this package; that of Multi-SK has ``anchors``, too."""

    @property
    def network(self) -> TokenNetwork: ...


class _Ignored:
    """Stands for an object that a file keeps beside the weights. It takes anything and does nothing."""

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


_BESIDE = (
    "parse_config.ConfigParser",
    "parse_config_dist_multi.ConfigParser",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "numpy.dtypes.Float64DType",
)
"""Classes of ``config`` and ``monitor_best`` in the programs' files. Their objects are read as
:class:`_Ignored`; nothing of the classes themselves is imported or called."""


def load_official(
    state: Mapping[str, Any],
    network: TokenNetwork,
    anchors: nn.Module | None = None,
    source: str = "the checkpoint",
) -> list[str]:
    """Load a state dict of the published programs; nothing is loaded unless all of it fits.

    Args:
        state: with or without DataParallel's prefix.
        network: of the same widths.
        anchors: their parameters are loaded, too; None leaves the file's out.
        source: what errors call it.

    Returns:
        Names that the file has and the programs never use, which are left out.

    Raises:
        CheckpointError: names are missing or unknown, shapes differ or values are not finite; names them.
    """
    found = _state_dict(state, source)
    names, of_anchors = network_names(network), anchor_names(anchors)
    expected = {names[name]: value for name, value in network.state_dict().items()}
    if anchors is not None:
        expected |= {of_anchors[name]: value for name, value in anchors.named_parameters()}
    left_out = [name for name in found if name not in expected]
    left_out = [
        name for name in left_out if is_unused(name, network, anchors) or _again(name, found)
    ]
    _require_fit(expected, {k: v for k, v in found.items() if k not in left_out}, source)
    load_strict(network, {name: found[theirs] for name, theirs in names.items()}, source)
    if anchors is not None:
        _load_parameters(anchors, {name: found[theirs] for name, theirs in of_anchors.items()})
    return sorted(left_out)


def official_state(network: TokenNetwork, anchors: nn.Module | None = None) -> dict[str, Tensor]:
    """The weights with the published programs' names, and with all that these hold beside."""
    state, names = network.state_dict(), network_names(network)
    found = {names[name]: value for name, value in state.items()} | unused(network, anchors)
    if anchors is not None:
        of_anchors = anchor_names(anchors)
        found |= {of_anchors[name]: value.detach() for name, value in anchors.named_parameters()}
    alias, text = TEXT_TWICE
    twice = {
        alias + name.removeprefix(text): x for name, x in found.items() if name.startswith(text)
    }
    return found | twice


def read_official(file: Path) -> dict[str, Any]:
    """A file ``latest_model.pth`` or ``ema_latest_model.pth`` of the published programs.

    The options that it keeps as an object of the program (``config``) and a best value that is a numpy
    number (``monitor_best``) are not looked at; no code of the file runs.

    Raises:
        CheckpointError: missing, damaged, or holding objects of any other kind.
    """
    with _beside_ignored():
        return load_checkpoint(file)


def import_weights(
    file: Path, model: HasNetwork, data: object, progress: Progress
) -> dict[str, Any]:
    """Load a checkpoint of the published programs into a model, whose device stays.

    Args:
        file: with the keys arch, epoch, step, state_dict, optimizer, monitor_best and config, or a state
            dict alone.
        model: built with the options that the weights were trained with, on data of their widths.
        data: not looked at; the model knows its widths.
        progress: is told what the file cannot tell.

    Returns:
        ``arrays`` (how many were loaded), ``unused`` (names that were not), and ``arch`` and ``epoch`` if
        the file has them.

    Raises:
        CheckpointError: as :func:`read_official` and :func:`load_official`. The model is then left as it
            was.
        DataError: there is no such file.
    """
    found = read_official(existing(file))
    state = _state_dict(found, str(file))
    left_out = load_official(state, model.network, getattr(model, "anchors", None), str(file))
    told = {name: found[name] for name in ("arch", "epoch") if type(found.get(name)) in (str, int)}
    progress.message(
        f"{file.name} does not tell its number of attention heads; here they are "
        f"{model.network.heads}."
    )
    return {"arrays": len(state) - len(left_out), "unused": left_out, **told}


def start_from(path: Path, model: HasNetwork) -> dict[str, Any]:
    """Take the weights, and nothing else, of a run or of a checkpoint; the option ``initial_weights``.

    Args:
        path: a run's folder (its ``best.pt``, else its ``last.pt``), one of these files, or a file of the
            published programs.
        model: its network and its anchors are loaded. Position embeddings of another number of tokens are
            brought to the model's by linear interpolation.

    Returns:
        ``file``, and what was done beside: ``interpolated`` and ``unused`` names.

    Raises:
        CheckpointError: there is no checkpoint, it cannot be read safely, or it does not fit. The model is
            then left as it was.
    """
    file = _checkpoint_of(path)
    network, anchors = model.network, getattr(model, "anchors", None)
    found = read_official(file)
    own = _of_a_run(found)
    state = _state_dict(found, str(file)) if own is None else in_their_names(own, network, anchors)
    positions = _positions(state, network)
    left_out = load_official(state | positions, network, anchors, str(file))
    return {"file": file.name, "interpolated": sorted(positions), "unused": left_out}


def _checkpoint_of(path: Path) -> Path:
    """The file, or that of a run's folder."""
    if not path.is_dir():
        return path
    for name in ("best.pt", "last.pt"):
        if (path / "checkpoints" / name).is_file():
            return path / "checkpoints" / name
    raise CheckpointError(
        f"{path} has no checkpoints/best.pt or last.pt.",
        "initial_weights is a run's folder, a checkpoint of one, or a published file.",
    )


def _of_a_run(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The weights, if this is ``best.pt``, or ``last.pt`` of a model's loop."""
    resumed = found.get("state")
    state = (resumed if isinstance(resumed, Mapping) else found).get("model")
    return state if isinstance(state, Mapping) else None


def _state_dict(found: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The state dict of a published file, or the file itself, without DataParallel's prefixes."""
    state = found.get("state_dict", found)
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise CheckpointError(f"{source}: state_dict is no dict of names.")
    while state and all(name.startswith(PARALLEL) for name in state):
        state = {name.removeprefix(PARALLEL): value for name, value in state.items()}
    return dict(state)


def _positions(state: Mapping[str, Any], network: TokenNetwork) -> dict[str, Tensor]:
    """Position embeddings [1, n, C] of another number of tokens than the network's, brought to it."""
    own, found = network.state_dict(), {}
    for name, theirs in network_names(network).items():
        table = state.get(theirs)
        if not theirs.endswith(POSITIONS) or not isinstance(table, Tensor) or table.dim() != 3:
            continue
        count = own[name].shape[1]  # [1, n, C]
        if table.shape[1] != count:
            across = functional.interpolate(table.transpose(1, 2), count, mode="linear")
            found[theirs] = across.transpose(1, 2)  # [1, n, C]
    return found


def _again(name: str, found: Mapping[str, Any]) -> bool:
    """Whether it is the second name under which Multi-SK's files have the transformer of text."""
    alias, text = TEXT_TWICE
    value, same = found[name], found.get(text + name.removeprefix(alias))
    if not name.startswith(alias) or not isinstance(value, Tensor) or not isinstance(same, Tensor):
        return False
    return torch.equal(value, same)


def _require_fit(expected: Mapping[str, Tensor], found: Mapping[str, Any], source: str) -> None:
    """Same names, same shapes, finite values."""
    missing, unknown = expected.keys() - found.keys(), found.keys() - expected.keys()
    parts = [f"it lacks {_listed(missing)}"] if missing else []
    parts += [f"it has {_listed(unknown)}, which the network has not"] if unknown else []
    if parts:
        raise CheckpointError(f"{source} does not fit: {'; '.join(parts)}.", "Nothing was loaded.")
    for name, own in expected.items():
        value = found[name]
        if not isinstance(value, Tensor) or value.layout != torch.strided:
            raise CheckpointError(f"{source}: {name} is no dense tensor.")
        if value.shape != own.shape:
            raise CheckpointError(
                f"{source}: {name} is {list(value.shape)}, the model's is {list(own.shape)}.",
                "Build the model with the options that the weights were trained with.",
            )
        if value.is_floating_point() != own.is_floating_point():
            raise CheckpointError(f"{source}: {name} is {value.dtype}, expected {own.dtype}.")
        if not value.isfinite().all() or (name.endswith("running_var") and (value < 0).any()):
            raise CheckpointError(f"{source}: {name} has values that no weights have.")


@torch.no_grad()
def _load_parameters(module: nn.Module, values: Mapping[str, Tensor]) -> None:
    for name, parameter in module.named_parameters():
        parameter.copy_(values[name])


def _beside_ignored() -> AbstractContextManager[None]:
    """What the programs' files hold beside weights is read as :class:`_Ignored`."""
    kinds: list[Any] = []
    for path in _BESIDE:
        module, _, name = path.rpartition(".")
        kinds.append(type(name, (_Ignored,), {"__module__": module}))
    return torch.serialization.safe_globals(kinds)


def _listed(names: Iterable[str]) -> str:
    names = sorted(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(name[:60] for name in names[:SHOWN]) + more
