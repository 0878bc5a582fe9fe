"""Files of weights, read without running anything that is in them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mlzoo.checkpoints import load_checkpoint
from mlzoo.data.checks import existing
from mlzoo.errors import CheckpointError

NESTED = ("model_state_dict", "state_dict")
"""Where a checkpoint keeps the weights beside other things."""

PARALLEL = "module."
"""What DataParallel puts before every name."""

SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")


def read_file(path: Path) -> dict[str, Any]:
    """What a ``.safetensors`` file or a file of ``torch.save`` holds.

    Raises:
        DataError: there is no such file, or it is empty.
        CheckpointError: damaged, a TorchScript archive, or holding more than tensors and plain values.
    """
    existing(path)
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path))
        except (SafetensorError, OSError, ValueError, TypeError) as error:
            raise CheckpointError(f"{path} is damaged or no safetensors file: {error}.") from error
    _refuse_program(path)
    return load_checkpoint(path)


def state_dict(found: Mapping[str, Any], source: str) -> dict[str, Tensor]:
    """The weights of what :func:`read_file` gives, without DataParallel's prefix.

    Raises:
        CheckpointError: it holds none, or something that is no tensor.
    """
    for key in NESTED:
        if isinstance(found.get(key), Mapping):
            found = found[key]
            break
    if not found:
        raise CheckpointError(f"{source} holds no weights.")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"{source} is no state dict: {str(name)[:60]!r} is a {type(value).__name__}, "
                "expected tensors alone."
            )
    while found and all(name.startswith(PARALLEL) for name in found):
        found = {name.removeprefix(PARALLEL): value for name, value in found.items()}
    return dict(found)


def _refuse_program(path: Path) -> None:
    """OpenAI's own downloads are TorchScript archives: programs beside weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return  # whatever it is, the reader of checkpoints says so
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        raise CheckpointError(
            f"{path} is a TorchScript archive, which is a program, and is not run.",
            "If you trust it, convert it: python -c \"import torch; torch.save(torch.jit.load('"
            f"{path.name}', map_location='cpu').state_dict(), '{path.stem}-weights.pt')\"",
        )
