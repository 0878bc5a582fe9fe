"""A CLIP's folder as transformers saves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save

from mlzoo.errors import RunError
from mlzoo.files import atomic_write, write_json
from mlzoo_imagecode.clip.encoders import ClipEncoders
from mlzoo_imagecode.clip.folder import MEAN, STD
from mlzoo_imagecode.clip.tokens import UNKNOWN, ClipTokens, Tokenizer, WordTokens
from mlzoo_imagecode.clip.vocabulary import END, START

_BICUBIC = 3  # PIL's number for it


def write_clip(folder: Path, encoders: ClipEncoders, tokenizer: Tokenizer) -> None:
    """Write ``config.json``, ``model.safetensors``, ``preprocessor_config.json`` and the vocabulary.

    The vocabulary of :class:`ClipTokens` becomes ``vocab.json`` and ``merges.txt``, that of
    :class:`WordTokens` a word-level ``tokenizer.json``.

    Args:
        folder: made if it is not there; files of these names are replaced.

    Raises:
        RunError: a file cannot be written, or the tokeniser is of another kind.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make {folder}: {error.strerror or error}.") from error
    config = encoders.clip.config.to_dict()
    write_json(
        folder / "config.json", {**config, "architectures": ["CLIPModel"], "dtype": "float32"}
    )
    state = encoders.clip.state_dict()
    weights = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    with atomic_write(folder / "model.safetensors") as file:
        file.write(save(weights, metadata={"format": "pt"}))
    write_json(folder / "preprocessor_config.json", _preprocessing(encoders.image_size))
    _write_vocabulary(folder, tokenizer)


def _preprocessing(size: int) -> dict[str, Any]:
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": size},
        "resample": _BICUBIC,
        "do_center_crop": True,
        "crop_size": {"height": size, "width": size},
        "do_convert_rgb": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(MEAN),
        "image_std": list(STD),
    }


def _write_vocabulary(folder: Path, tokenizer: Tokenizer) -> None:
    if isinstance(tokenizer, ClipTokens):
        merges = "\n".join(f"{one} {other}" for one, other in tokenizer.vocabulary.merges)
        texts = {
            "vocab.json": json.dumps(dict(tokenizer.vocabulary.ids), ensure_ascii=False),
            "merges.txt": f"#version: 0.2\n{merges}\n",
        }
        settings = {
            "tokenizer_class": "CLIPTokenizer",
            "bos_token": START,
            "eos_token": END,
            "pad_token": END,
            "unk_token": END,
            "model_max_length": tokenizer.context,
        }
    elif isinstance(tokenizer, WordTokens):
        texts = {"tokenizer.json": _word_level(tokenizer)}
        settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": UNKNOWN}
    else:
        raise RunError(f"{type(tokenizer).__name__} has no vocabulary that can be written.")
    for name, text in texts.items():
        with atomic_write(folder / name) as file:
            file.write(text.encode())
    write_json(folder / "tokenizer_config.json", settings)


def _word_level(tokenizer: WordTokens) -> str:
    from tokenizers import Tokenizer as Library
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import Whitespace

    library = Library(WordLevel(tokenizer.table(), unk_token=UNKNOWN))
    library.normalizer = Lowercase()
    library.pre_tokenizer = Whitespace()
    return str(library.to_str(pretty=True))
