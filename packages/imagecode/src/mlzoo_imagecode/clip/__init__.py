"""CLIP: encoders, tokenisers and their files. Names are imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlzoo_imagecode.clip.encoders import ClipEncoders
    from mlzoo_imagecode.clip.folder import open_clip
    from mlzoo_imagecode.clip.openai_model import openai_encoders
    from mlzoo_imagecode.clip.openai_names import to_openai, to_transformers
    from mlzoo_imagecode.clip.scratch import small_clip
    from mlzoo_imagecode.clip.tiny import tiny_clip_folder
    from mlzoo_imagecode.clip.tokens import ClipTokens, Tokenizer, WordTokens
    from mlzoo_imagecode.clip.writing import write_clip

_HOMES = {
    "ClipEncoders": "encoders",
    "ClipTokens": "tokens",
    "Tokenizer": "tokens",
    "WordTokens": "tokens",
    "open_clip": "folder",
    "openai_encoders": "openai_model",
    "small_clip": "scratch",
    "tiny_clip_folder": "tiny",
    "to_openai": "openai_names",
    "to_transformers": "openai_names",
    "write_clip": "writing",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ClipEncoders",
    "ClipTokens",
    "Tokenizer",
    "WordTokens",
    "open_clip",
    "openai_encoders",
    "small_clip",
    "tiny_clip_folder",
    "to_openai",
    "to_transformers",
    "write_clip",
]
