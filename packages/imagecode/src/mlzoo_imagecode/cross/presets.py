"""Settings of ViLBERT and UNITER by dataset and variant: those of the published commands. Imports nothing."""

from __future__ import annotations

from typing import Any

ZERO_SHOT: dict[str, Any] = {"variant": "zero-shot", "epochs": 0, "select": "last"}

PAIRS: dict[str, Any] = {"variant": "nocontra", "epochs": 10, "batch_size": 128}
SETS: dict[str, Any] = {"variant": "contra", "epochs": 25, "batch_size": 15}
CONTEXT: dict[str, Any] = {
    "variant": "contextual",
    "epochs": 25,
    "batch_size": 15,
    "add_input": True,
    "positions": "all",
}

_PUBLISHED: dict[str, dict[str, dict[str, Any]]] = {
    "uniter": {
        "nocontra": {**PAIRS, "learning_rate": 8e-6},
        "contra": {**SETS, "learning_rate": 7e-6},
        "contextual": {**CONTEXT, "learning_rate": 6e-6, "head_layers": 5, "temporal": False},
        "temporal": {**CONTEXT, "learning_rate": 6e-6, "head_layers": 5, "temporal": True},
    },
    "vilbert": {
        "nocontra": {**PAIRS, "learning_rate": 5e-6},
        "contra": {**SETS, "learning_rate": 4e-5},
        "contextual": {**CONTEXT, "learning_rate": 2e-5, "head_layers": 4, "temporal": False},
        "temporal": {**CONTEXT, "learning_rate": 2e-5, "head_layers": 4, "temporal": True},
    },
}

_SMALL: dict[str, Any] = {
    "small": True,
    "width": 32,
    "feed_forward": 64,
    "v_width": 32,
    "v_feed_forward": 64,
    "text_layers": 1,
    "layers": 1,
    "head_layers": 1,
    "max_tokens": 40,
    "dropout": 0.0,
    "learning_rate": 2.5e-3,
    "batch_size": 15,
    "pairs_at_once": 150,
}
"""Of a network from scratch; the best on val among a handful of settings that take two minutes."""

_SMALL_OF: dict[str, dict[str, Any]] = {
    "uniter": {**_SMALL, "epochs": 8},
    "vilbert": {**_SMALL, "epochs": 5},
}
"""A layer of ViLBERT takes as long as two of UNITER."""

_SMALL_VARIANTS: dict[str, dict[str, Any]] = {
    "zero-shot": ZERO_SHOT,
    "nocontra": {"variant": "nocontra", "batch_size": 150},
    "contra": {"variant": "contra"},
    "contextual": {"variant": "contextual", "temporal": False},
    "temporal": {"variant": "contextual", "temporal": True},
}

_TRY: dict[str, Any] = {
    **_SMALL,
    "width": 16,
    "heads": 2,
    "feed_forward": 16,
    "v_width": 16,
    "v_heads": 2,
    "v_feed_forward": 16,
    "layers": 1,
    "pooled": 16,
    "epochs": 2,
    "batch_size": 12,
    "limit": 24,
}


def cross_presets(model: str) -> dict[str, dict[str, Any]]:
    """By ``dataset``, ``dataset/variant`` or, for all of them, ``*/variant``.

    Args:
        model: ``uniter`` or ``vilbert``.
    """
    published, own = _PUBLISHED[model], _SMALL_OF[model]
    demo = {**own, "epochs": 20}
    return {
        "digit-strips": own,
        **_variants("digit-strips/", {}),
        "imagecode": published["temporal"],
        "imagecode/demo": {**demo, **_SMALL_VARIANTS["temporal"]},
        **_variants("imagecode/demo-", demo),
        "imagecode-simple": published["contra"],
        "imagecode-simple/demo": {**demo, **_SMALL_VARIANTS["contra"]},
        **_variants("imagecode-simple/demo-", demo),
        "*/zero-shot": ZERO_SHOT,
        **{f"*/{name}": values for name, values in published.items()},
        "digit-strips/smoke": _TRY,
    }


def _variants(key: str, base: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Of a small network, by the key and their names."""
    return {f"{key}{name}": {**base, **values} for name, values in _SMALL_VARIANTS.items()}
