"""Weights from files: of the published programs, and of runs of this package.

The published checkpoints hold ``model_state_dict`` beside an epoch and an optimiser's state. Those of
fine-tuned CLIPs have OpenAI's names; those with a contextual module have the same after ``clip.``, and the
module's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from mlzoo.errors import CheckpointError
from mlzoo.progress import Progress
from mlzoo_imagecode.clip.building import require_fit
from mlzoo_imagecode.clip.encoders import PUBLISHED_ACTIVATION, ClipEncoders
from mlzoo_imagecode.clip.openai_model import SIZES
from mlzoo_imagecode.clip.openai_names import depth, to_openai, to_transformers
from mlzoo_imagecode.clip.state_files import NESTED, read_file, state_dict

CLIP = "clip."
"""What a contextual checkpoint puts before CLIP's names."""

ENCODERS, HEAD = "encoders", "head"
"""Parts of a model, and of the names in its runs."""


class HasEncoders(Protocol):
    """A model of this package; ``head`` is None where there is no contextual module."""

    encoders: ClipEncoders
    head: nn.Module | None


@dataclass(frozen=True)
class _Weights:
    """What a file holds, by its own names: CLIP's or ``encoders``', and the head's."""

    encoders: Mapping[str, Tensor]
    head: Mapping[str, Tensor]
    official: bool
    epoch: int | None


def import_weights(
    file: Path, model: HasEncoders, data: object, progress: Progress
) -> dict[str, Any]:
    """Load a checkpoint of the published programs into a model, whose device stays.

    Args:
        file: of nocontra, contra or the contextual program.
        model: with encoders of the same sizes and, for a contextual checkpoint, the module; built with the
            options that the weights were trained with.
        data: not looked at.
        progress: is told what the file cannot tell.

    Returns:
        ``arrays`` (how many were loaded), ``parts``, and ``epoch`` if the file has it.

    Raises:
        DataError: there is no such file.
        CheckpointError: it cannot be read safely, or names, shapes or values do not fit. The model is then
            left as it was.
    """
    found = _read(file)
    if not found.official:
        raise CheckpointError(
            f"{file} is a checkpoint of a run, not of the published programs.",
            "Score it with mlzoo eval, or start from it: --initial-weights.",
        )
    if found.head and model.head is None:
        raise CheckpointError(
            f"{file} has a contextual module, the model has none.",
            "Build the model that it belongs to: --preset temporal, or contextual.",
        )
    if model.head is not None and not found.head:
        raise CheckpointError(
            f"{file} holds a CLIP alone, the model has a contextual module.",
            "Import it with --preset contra or nocontra, or train from it: --initial-weights.",
        )
    parts = _load(found, model.encoders, model.head, str(file))
    if model.head is not None:
        progress.message(
            f"{file.name} does not tell its module's scale, attention heads and whether its input is "
            "added; they are the options'."
        )
    told = {} if found.epoch is None else {"epoch": found.epoch}
    return {"arrays": len(found.encoders) + len(found.head), "parts": parts, **told}


def start_from(path: Path, encoders: ClipEncoders, head: nn.Module | None) -> dict[str, Any]:
    """Take the weights, and nothing else, of a run or of a published checkpoint; ``initial_weights``.

    Args:
        path: a run's folder (its ``best.pt``, else its ``last.pt``), one of these files, or a file of the
            published programs.
        encoders: loaded if the file has any; a run that left its encoders alone has none.
        head: loaded if it is there and the file has one.

    Returns:
        ``file`` and ``parts``: which of ``encoders`` and ``head`` were loaded.

    Raises:
        DataError: there is no such file.
        CheckpointError: it cannot be read safely, or names, shapes or values do not fit. Encoders and head
            are then left as they were.
    """
    file = _checkpoint_of(path)
    found = _read(file)
    if not found.encoders and head is None:
        raise CheckpointError(
            f"{file} holds a contextual module alone: its run left the encoders as they were.",
            "Start from the run that trained them, or from a CLIP: --clip.",
        )
    return {"file": file.name, "parts": _load(found, encoders, head, str(file))}


def _load(
    found: _Weights, encoders: ClipEncoders, head: nn.Module | None, source: str
) -> list[str]:
    """All parts that both have; none of them unless all fit."""
    parts: dict[str, tuple[nn.Module, Mapping[str, Tensor]]] = {}
    if found.encoders:
        clip: nn.Module = encoders.clip if found.official else encoders
        parts[ENCODERS] = (clip, _of_encoders(found, encoders, source))
    if found.head and head is not None:
        shapes = {name: value.shape for name, value in head.state_dict().items()}
        require_fit(shapes, found.head, f"{source} ({HEAD})", _option_of(found.head, head))
        parts[HEAD] = (head, found.head)
    for module, state in parts.values():
        module.load_state_dict(state, strict=True)
    return list(parts)


def _of_encoders(found: _Weights, encoders: ClipEncoders, source: str) -> Mapping[str, Tensor]:
    """Checked by the names that the file has."""
    fix = "Give the CLIP that it was trained from, or one of its sizes: --clip."
    if not found.official:
        shapes = {name: value.shape for name, value in encoders.state_dict().items()}
        require_fit(shapes, found.encoders, f"{source} ({ENCODERS})", fix)
        return found.encoders
    if encoders.activations != {PUBLISHED_ACTIVATION}:
        raise CheckpointError(
            f"{source} has OpenAI's weights, which need {PUBLISHED_ACTIVATION}; the model computes "
            f"{', '.join(sorted(encoders.activations))}.",
            "Give one of OpenAI's CLIPs: --clip.",
        )
    own = to_openai(encoders.clip.state_dict())
    require_fit({name: value.shape for name, value in own.items()}, found.encoders, source, fix)
    return to_transformers(found.encoders, source)


def _read(file: Path) -> _Weights:
    found = read_file(file)
    own = _of_a_run(found)
    if own is not None:
        return _Weights(
            _below(own, ENCODERS + ".", file), _below(own, HEAD + ".", file), False, None
        )
    state = state_dict(found, str(file))
    epoch = found.get("epoch") if any(key in found for key in NESTED) else None
    prefix = CLIP if any(name.startswith(CLIP) for name in state) else ""
    clip = {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }
    head = {name: value for name, value in state.items() if not name.startswith(prefix)}
    clip = {name: value for name, value in clip.items() if name not in SIZES}
    return _Weights(clip, head, True, epoch if type(epoch) is int else None)


def _of_a_run(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The weights, if this is ``best.pt``, or ``last.pt`` of a model's loop."""
    resumed = found.get("state")
    state = (resumed if isinstance(resumed, Mapping) else found).get("model")
    return state if isinstance(state, Mapping) else None


def _below(own: Mapping[str, Any], prefix: str, file: Path) -> dict[str, Tensor]:
    """The tensors of one part, without its name."""
    if not any(str(name).startswith((ENCODERS + ".", HEAD + ".")) for name in own):
        raise CheckpointError(f"{file} is of a run of another model: it has no encoders or head.")
    return {
        name.removeprefix(prefix): value for name, value in own.items() if name.startswith(prefix)
    }


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


def _option_of(found: Mapping[str, Tensor], head: nn.Module) -> str:
    """Which option makes the module that a file has."""
    own = head.state_dict()
    places, layers = "positional_emb.weight", "transformer."
    if (places in found) != (places in own):
        return f"Build the model with --{'' if places in found else 'no-'}temporal."
    if depth(found, layers) != depth(own, layers):
        return f"Build the model with --head-layers {depth(found, layers)}."
    output, hidden = "prediction_layer.weight", "transformer.0.intermediate.dense.weight"
    if _length(found.get(output), 1) == 2 * _length(own.get(output), 1) > 0:
        return "Build the model with --fusion concat."
    if 2 * _length(found.get(output), 1) == _length(own.get(output), 1) > 0:
        return "Build the model with --fusion mult."
    if 0 < _length(found.get(hidden), 0) != _length(own.get(hidden), 0):
        return f"Build the model with --head-feed-forward {_length(found.get(hidden), 0)}."
    return ""


def _length(value: object, axis: int) -> int:
    """Of a matrix's axis; 0 of anything else."""
    return value.shape[axis] if isinstance(value, Tensor) and value.dim() == 2 else 0
