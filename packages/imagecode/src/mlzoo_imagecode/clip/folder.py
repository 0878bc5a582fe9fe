"""Opening a CLIP: a folder as transformers saves it, a file of OpenAI's weights, or a hub name in the cache.

The network is never asked. Nothing is loaded in part: whatever is missing or does not fit is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from torch import Tensor
from transformers import CLIPConfig

from mlzoo.errors import CheckpointError, DataError, RunError
from mlzoo.files import read_json
from mlzoo_imagecode.clip.building import encoders_of
from mlzoo_imagecode.clip.encoders import PUBLISHED_ACTIVATION, ClipEncoders
from mlzoo_imagecode.clip.openai_model import openai_encoders
from mlzoo_imagecode.clip.state_files import SUFFIXES, read_file, state_dict
from mlzoo_imagecode.clip.tokens import (
    PADDING,
    UNKNOWN,
    WORD_START,
    WORD_STOP,
    ClipTokens,
    Tokenizer,
    WordTokens,
)
from mlzoo_imagecode.clip.vocabulary import EXPECTED, Vocabulary, read_vocabulary

WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""Names of a folder's weights; the first that is there is read."""

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""With which images are normalised."""

_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_BUFFERS = re.compile(
    r"\.position_ids$"
)  # numbers from 0 on, which older files hold beside weights


def open_clip(where: str, vocabulary: Path | None = None) -> tuple[ClipEncoders, Tokenizer]:
    """A CLIP's encoders, in float32, and its tokeniser.

    Args:
        where: a folder with ``config.json``, weights and a vocabulary as transformers saves them; a file with
            a state dict by OpenAI's names (``.pt``, ``.pth`` or ``.safetensors``); or a hub name, such as
            ``openai/clip-vit-base-patch16``, that is in the local cache.
        vocabulary: a folder or file of it; what lies beside the weights if omitted.

    Raises:
        DataError: there is nothing of that name, or no vocabulary, or a damaged one, or one of another model.
        CheckpointError: another architecture, or weights that are missing, damaged or do not fit.
    """
    path = Path(where).expanduser()
    if path.is_dir():
        encoders, beside = _from_folder(path), path
    elif path.is_file():
        encoders, beside = openai_encoders(_openai_state(path), source=str(path)), path.parent
    else:
        beside = _in_cache(where)
        encoders = _from_folder(beside, where)
    found = _vocabulary(beside, vocabulary)
    return encoders, _fitting(_tokenizer(found, encoders.context), encoders, found.source)


def _openai_state(path: Path) -> dict[str, Tensor]:
    state = state_dict(read_file(path), str(path))
    if any(name.startswith(("text_model.", "vision_model.")) for name in state):
        raise CheckpointError(
            f"{path} has transformers' names, of which a file alone does not tell all sizes.",
            "Give its folder, with config.json.",
        )
    return state


def _in_cache(where: str) -> Path:
    """The folder of a hub name in the local cache."""
    if not _HUB_NAME.fullmatch(where) or where.endswith(SUFFIXES):
        raise DataError(f"there is no file or folder {where}.")
    found = try_to_load_from_cache(where, "config.json")
    if not isinstance(found, str):
        raise DataError(
            f"there is no folder {where}, and the local cache has no model of this name; nothing is "
            "fetched behind your back.",
            f"Where there is a network: hf download {where} --local-dir DIR; then --clip DIR.",
        )
    return Path(found).parent


def _from_folder(folder: Path, name: str = "") -> ClipEncoders:
    source = name or str(folder)
    if not (folder / "config.json").is_file():
        raise DataError(
            f"{source} has no config.json.",
            f"Expected: config.json; {' or '.join(WEIGHTS)}; {EXPECTED}.",
        )
    config = _config(folder / "config.json")
    _require_preprocessing(folder / "preprocessor_config.json")
    file = next((folder / each for each in WEIGHTS if (folder / each).is_file()), None)
    if file is None:
        fix = f"hf download {name} --local-dir DIR; then --clip DIR." if name else ""
        raise DataError(f"{source} has no weights: expected {' or '.join(WEIGHTS)}.", fix)
    read = _read_shards(file) if file.suffix == ".json" else state_dict(read_file(file), str(file))
    state = {key: value for key, value in read.items() if not _BUFFERS.search(key)}
    return encoders_of(config, state, str(file), _remarks(config, source))


def _config(file: Path) -> CLIPConfig:
    found = _json(file)
    kind, names = found.get("model_type"), found.get("architectures") or ["CLIPModel"]
    if kind != "clip" or "CLIPModel" not in names:
        raise CheckpointError(
            f"{file.parent} holds {_called(kind, names)}, not a CLIP of both encoders "
            "(model_type clip, architecture CLIPModel).",
            "Give a CLIP such as openai/clip-vit-base-patch16.",
        )
    try:
        return CLIPConfig.from_dict(found)
    except Exception as error:  # whatever the library finds wrong, in classes of its own
        raise CheckpointError(f"{file} is no configuration of a CLIP: {_first(error)}.") from error


def _called(kind: object, names: object) -> str:
    listed = ", ".join(map(str, names)) if isinstance(names, list) else str(names)
    return f"a model of type {kind!r}" if kind != "clip" else listed


def _remarks(config: CLIPConfig, source: str) -> list[str]:
    parts: dict[str, Any] = {"text": config.text_config, "images": config.vision_config}
    other = {
        name: part.hidden_act
        for name, part in parts.items()
        if part.hidden_act != PUBLISHED_ACTIVATION
    }
    if not other:
        return []
    told = ", ".join(f"{act} for {name}" for name, act in other.items())
    return [
        f"{source} computes {told}, as its config.json says; OpenAI's weights need {PUBLISHED_ACTIVATION}."
    ]


def _require_preprocessing(file: Path) -> None:
    """Images are normalised in CLIP's way alone."""
    if not file.is_file():
        return
    found = _json(file)
    for key, expected in (("image_mean", MEAN), ("image_std", STD)):
        told = found.get(key, expected)
        try:
            same = len(told) == 3 and all(
                abs(a - b) < 1e-4 for a, b in zip(told, expected, strict=True)
            )
        except TypeError:
            same = False
        if not same:
            raise CheckpointError(
                f"{file}: {key} is {told}; images are normalised with CLIP's, {list(expected)}, alone."
            )


def _read_shards(index: Path) -> dict[str, Tensor]:
    """Weights that lie in several files."""
    names = _json(index).get("weight_map")
    files = set(names.values()) if isinstance(names, Mapping) else set()
    if not files or not all(isinstance(name, str) and Path(name).name == name for name in files):
        raise CheckpointError(f"{index} has no weight_map of files beside it.")
    state: dict[str, Tensor] = {}
    for name in sorted(files):
        if not (index.parent / name).is_file():
            raise DataError(f"{index} lists {name}, which is not there.", "Fetch the folder again.")
        state |= state_dict(read_file(index.parent / name), str(index.parent / name))
    return state


def _vocabulary(beside: Path, given: Path | None) -> Vocabulary:
    if given is not None:
        return read_vocabulary(given.expanduser())
    try:
        return read_vocabulary(beside)
    except DataError as error:
        raise DataError(
            error.message, error.fix or "Put it there, or say where it is: --vocabulary PATH."
        ) from error


def _tokenizer(found: Vocabulary, context: int) -> Tokenizer:
    if not found.words:
        return ClipTokens(found, context)
    names = sorted(found.ids, key=lambda token: found.ids[token])
    if (names[:2], names[-2:]) != ([PADDING, UNKNOWN], [WORD_START, WORD_STOP]):
        raise DataError(f"{found.source} is no vocabulary of words that mlzoo wrote.")
    return WordTokens(names[2:-2], context)


def _fitting(tokenizer: Tokenizer, encoders: ClipEncoders, source: str) -> Tokenizer:
    """The vocabulary must be the model's: by its size, and by the token that ends a text."""
    if tokenizer.size != encoders.vocabulary:
        raise DataError(
            f"{source} has {tokenizer.size} tokens, the encoders' vocabulary has {encoders.vocabulary}.",
            "Give the vocabulary that belongs to the weights: --vocabulary PATH.",
        )
    end = tokenizer.size - 1 if encoders.end_id is None else encoders.end_id
    if tokenizer.end != end:
        raise DataError(
            f"{source} ends texts with token {tokenizer.end}, the encoders look for {end}.",
            "Give the vocabulary that belongs to the weights: --vocabulary PATH.",
        )
    return tokenizer


def _json(file: Path) -> dict[str, Any]:
    try:
        return read_json(file)
    except RunError as error:
        raise CheckpointError(error.message, error.fix) from error


def _first(error: Exception) -> str:
    """The text of an error as one short line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
