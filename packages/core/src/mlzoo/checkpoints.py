"""Checkpoints: tensors and JSON values only, written atomically, read with ``weights_only=True``."""

from __future__ import annotations

import errno
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError  # what torch raises when it refuses
from typing import IO, Any

import torch
from torch import Tensor, nn

from mlzoo.errors import CheckpointError, RunError
from mlzoo.files import atomic_write

# Before 2.6, weights_only=True could be made to run code.
SAFE_TORCH = (2, 6)

# What file systems without hard links answer.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)


def save_checkpoint(path: Path, state: Mapping[str, Any], previous: Path | None = None) -> None:
    """Write a checkpoint; the former one survives until the new one is whole.

    Args:
        path: the file.
        state: tensors and JSON values in dicts, lists and tuples.
        previous: where the former one is kept, against a disk that damages files later.

    Raises:
        CheckpointError: something in it could not be loaded again safely; names where.
        RunError: the file cannot be written.
    """
    _check(state, "")
    if previous is not None and path.exists():
        _keep(path, previous)
    with atomic_write(path) as file:
        watched = _Watched(file)
        try:
            torch.save(dict(state), watched)  # type: ignore[arg-type]
        except RuntimeError as error:  # so torch reports a full disk
            if watched.failure is not None:
                raise watched.failure from error
            reason = str(error).splitlines()[0]
            raise RunError(f"cannot write {path}: {reason}") from error


def load_checkpoint(
    path: Path, map_location: str = "cpu", needs: Iterable[str] = ()
) -> dict[str, Any]:
    """Read a checkpoint or a published weights file; code in it never runs.

    Args:
        path: the file.
        map_location: the device of the tensors.
        needs: keys it must have.

    Raises:
        CheckpointError: missing, damaged, holding anything but tensors and plain values, or without
            a key that it needs.
    """
    _require_safe_torch()
    try:
        _check_sums(path)
        state = torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}.") from error
    except UnpicklingError as error:
        raise CheckpointError(
            f"{path} was refused: it holds more than tensors and plain values, or it is damaged.",
            "Do not load it by other means unless you trust where it comes from.",
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path} is damaged or no checkpoint: {reason}") from error
    except Exception as error:  # a hostile file can make the unpickler fail in any way
        raise CheckpointError(f"{path} cannot be read: {type(error).__name__}.") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds a {type(state).__name__}, not a state dict.")
    for key in needs:
        if key not in state:
            raise CheckpointError(f"{path} holds no {key!r}: it is no checkpoint of this kind.")
    return state


def load_strict(module: nn.Module, state: Mapping[str, Any], source: str) -> None:
    """Load a state dict whose keys and shapes must all fit; nothing is loaded otherwise.

    Raises:
        CheckpointError: names ``source`` and the first keys that are missing, unknown or mis-shaped.
    """
    own = module.state_dict()
    problems = [f"lacks {key}" for key in own if key not in state]
    problems += [f"has unknown {key}" for key in state if key not in own]
    for key in own.keys() & state.keys():
        if isinstance(own[key], Tensor) and not isinstance(state[key], Tensor):
            problems.append(f"{key} is a {type(state[key]).__name__}, expected a tensor")
        elif isinstance(own[key], Tensor) and own[key].shape != state[key].shape:
            expected, found = list(own[key].shape), list(state[key].shape)
            problems.append(f"{key} is {found}, expected {expected}")
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise CheckpointError(
            f"{source} does not fit {type(module).__name__}: {'; '.join(problems[:3])}{more}."
        )
    module.load_state_dict(state, strict=True)


class _Watched:
    """A file that remembers why it could not be written; torch tells only that."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        self.file.flush()


def _check_sums(path: Path) -> None:
    """torch writes a checksum of every record, but does not look at it when it reads."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\3\4":  # so torch tells its archives from older formats
            return
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong.")


def _keep(path: Path, previous: Path) -> None:
    """Give the file that is about to be replaced a second name; no byte is copied."""
    spare = previous.with_name(f".{previous.name}.tmp")
    try:
        spare.unlink(missing_ok=True)
        try:
            os.link(path, spare)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            path.replace(previous)  # then the name moves
        else:
            spare.replace(previous)
    except OSError as error:
        raise RunError(f"cannot write {previous}: {error.strerror or error}.") from error
    finally:
        spare.unlink(missing_ok=True)


def _require_safe_torch() -> None:
    major, minor = (int(part) for part in torch.__version__.split(".")[:2])
    if (major, minor) < SAFE_TORCH:
        raise CheckpointError(
            f"torch {torch.__version__} cannot read checkpoints safely.",
            "Install torch 2.6 or newer.",
        )


def _check(value: Any, where: str) -> None:
    """Admit tensors, JSON values, and dicts, lists and tuples of them."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str | int):
                raise CheckpointError(
                    f"checkpoint key {key!r} in {where or 'the state'} is no text."
                )
            _check(item, f"{where}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _check(item, f"{where}[{number}]")
    elif type(value) not in (str, int, float, bool, type(None)) and not isinstance(value, Tensor):
        raise CheckpointError(
            f"a checkpoint cannot hold {where}: {type(value).__name__} is neither a tensor nor plain."
        )
