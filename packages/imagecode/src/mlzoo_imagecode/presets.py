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

CONTEXTUAL: dict[str, Any] = {"variant": "contextual", "learning_rate": 2e-6, "temporal": False}
TEMPORAL: dict[str, Any] = {"variant": "contextual", "learning_rate": 2e-6}

PROGRAM: dict[str, Any] = {
    "group_sets": False,
    "leftover": "carry",
    "evaluate_last": False,
}
"""What the published programs do and should not."""

_SMALL: dict[str, Any] = {
    "learning_rate": 1e-3,
    "head_learning_rate": 1e-3,
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "reduction": "mean",
    "head_feed_forward": 128,
    "head_scale": 20.0,
}
"""Of encoders from scratch."""

_DIGITS: dict[str, Any] = {**_SMALL, "clip_epochs": 12, "epochs": 12}

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


def imagecode_presets() -> dict[str, dict[str, Any]]:
    """By ``dataset``, ``dataset/variant`` or, for all of them, ``*/variant``."""
    return {
        "digit-strips": _DIGITS,
        "digit-strips/contextual": {"temporal": False},
        "digit-strips/temporal": {},
        "imagecode": TEMPORAL,
        "imagecode/demo": _DIGITS,
        "imagecode-simple": CONTRA,
        "imagecode-simple/demo": {**_SMALL, "variant": "contra", "epochs": 12},
        "*/zero-shot": ZERO_SHOT,
        "*/nocontra": NOCONTRA,
        "*/contra": CONTRA,
        "*/contra-later": CONTRA_LATER,
        "*/contextual": CONTEXTUAL,
        "*/temporal": TEMPORAL,
        "*/nocontra-compat": {**NOCONTRA, **PROGRAM},
        "*/contra-compat": {**CONTRA, **PROGRAM},
        "*/contra-later-compat": {
            **CONTRA_LATER,
            "group_sets": False,
            "accumulation_first": True,
            "evaluate_last": False,
        },
        "*/contextual-compat": {
            **CONTEXTUAL,
            **PROGRAM,
            "dropout_in_evaluation": True,
        },
        "*/temporal-compat": {**TEMPORAL, **PROGRAM, "dropout_in_evaluation": True},
        "*/smoke": _TRY,
        "imagecode-simple/smoke": {**_TRY, "variant": "contra", "clip_epochs": 0, "epochs": 2},
    }
