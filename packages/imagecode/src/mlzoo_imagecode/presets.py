"""Settings by dataset and variant. Imports nothing."""

from __future__ import annotations

from typing import Any

ZERO_SHOT: dict[str, Any] = {
    "variant": "zero-shot",
    "epochs": 0,
    "clip_epochs": 0,
    "select": "last",
}

NOCONTRA: dict[str, Any] = {"variant": "nocontra", "clip_epochs": 0}
"""What is not named is the default of the option: they are those of the published commands."""

CONTRA: dict[str, Any] = {"variant": "contra", "clip_epochs": 0}
"""As in the paper: Adam with L2 decay of 0.2, gradients of 36 descriptions added up."""

CONTRA_LATER: dict[str, Any] = {
    **CONTRA,
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "reduction": "mean",
}
"""The program's later settings."""

CONTEXTUAL: dict[str, Any] = {"variant": "contextual", "temporal": False}
TEMPORAL: dict[str, Any] = {"variant": "contextual", "temporal": True}

PROGRAM: dict[str, Any] = {
    "group_sets": False,
    "leftover": "carry",
    "evaluate_last": False,
}
"""What the published programs do and should not."""

_SMALL: dict[str, Any] = {
    "patch": 16,
    "depth": 1,
    "learning_rate": 6e-4,
    "head_learning_rate": 1e-3,
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "reduction": "mean",
    "head_feed_forward": 128,
    "head_scale": 60.0,
}
"""Of encoders from scratch."""

_DIGITS: dict[str, Any] = {**_SMALL, "clip_epochs": 6, "epochs": 15}
"""The best on val among a handful of settings, with seed 0."""

_TRY: dict[str, Any] = {
    **_SMALL,
    "width": 16,
    "depth": 1,
    "embedding": 16,
    "head_feed_forward": 16,
    "clip_epochs": 1,
    "epochs": 1,
    "batch_size": 12,
    "limit": 36,
}


_VARIANTS: dict[str, dict[str, Any]] = {
    "zero-shot": ZERO_SHOT,
    "nocontra": NOCONTRA,
    "contra": CONTRA,
    "contra-later": CONTRA_LATER,
    "contextual": CONTEXTUAL,
    "temporal": TEMPORAL,
    "nocontra-compat": {**NOCONTRA, **PROGRAM},
    "contra-compat": {**CONTRA, **PROGRAM},
    "contra-later-compat": {
        **CONTRA_LATER,
        "group_sets": False,
        "accumulation_first": True,
        "evaluate_last": False,
    },
    "contextual-compat": {**CONTEXTUAL, **PROGRAM, "dropout_in_evaluation": True},
    "temporal-compat": {**TEMPORAL, **PROGRAM, "dropout_in_evaluation": True},
}

_RATES = {"contextual": 2e-6}
"""Of CLIP, by variant; 4e-6 in the others. Encoders from scratch keep the rate of their dataset's preset."""


def _published(dataset: str) -> dict[str, dict[str, Any]]:
    """Every variant with the published rate of CLIP."""
    return {
        f"{dataset}/{name}": {**values, "learning_rate": _RATES.get(values["variant"], 4e-6)}
        for name, values in _VARIANTS.items()
    }


def _small(dataset: str, base: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Variants of encoders from scratch on demo data."""
    names = ("zero-shot", "nocontra", "contra", "contextual", "temporal")
    return {f"{dataset}/demo-{name}": {**base, **_VARIANTS[name]} for name in names}


def imagecode_presets() -> dict[str, dict[str, Any]]:
    """By ``dataset``, ``dataset/variant`` or, for all of them, ``*/variant``."""
    return {
        "digit-strips": _DIGITS,
        "imagecode": {**TEMPORAL, "learning_rate": 2e-6},
        **_published("imagecode"),
        "imagecode/demo": _DIGITS,
        **_small("imagecode", _DIGITS),
        "imagecode-simple": CONTRA,
        **_published("imagecode-simple"),
        "imagecode-simple/demo": {**_SMALL, "variant": "contra", "epochs": 15},
        **_small("imagecode-simple", _DIGITS),
        **{f"*/{name}": values for name, values in _VARIANTS.items()},
        "*/smoke": _TRY,
        "digit-strips/smoke": {**_TRY, "strips": 40},
        "imagecode-simple/smoke": {**_TRY, "variant": "contra", "clip_epochs": 0, "epochs": 2},
    }
