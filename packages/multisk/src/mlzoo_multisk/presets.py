"""Settings by dataset and variant. Imports nothing."""

from __future__ import annotations

from typing import Any

PRETRAINING: dict[str, Any] = {"select": "last"}
"""What is not named is the default of the option: they are those of the published configuration."""

PROGRAM: dict[str, Any] = {"misaligned": "always", "plan": "clamped"}
"""What the published program does and should not."""

_EQUAL: dict[str, Any] = {"weight_ta": 1.0, "weight_va": 1.0, "freeze_batch_norm": True}
_EQUAL_PAIRS: dict[str, Any] = {
    **_EQUAL,
    "weight_t_va": 1.0,
    "weight_v_ta": 1.0,
    "weight_a_tv": 1.0,
}
"""Fine-tuning counts every pair of modalities alike and leaves batch statistics as they were."""

_MSRVTT: dict[str, Any] = {"learning_rate": 5e-5, "epochs": 25, "batch_size": 128}
_YOUCOOK2: dict[str, Any] = {"learning_rate": 1e-5, "epochs": 5, "batch_size": 256}

_ZERO_SHOT: dict[str, Any] = {"epochs": 0, "select": "last", "validation": 0}
"""The initial weights (``--initial-weights``) are scored as they are."""

_SMALL: dict[str, Any] = {
    "width": 64,
    "projection": 96,
    "heads": 4,
    "audio_widths": (16, 16, 16, 32, 32, 64, 64),
    "audio_blocks": (1, 1, 1, 1, 1, 1),
    "batch_size": 64,
    "learning_rate": 1e-3,
    "ema_decay": 0.99,
}

_DIGITS: dict[str, Any] = {**_SMALL, "width": 128, "projection": 192, "epochs": 12}
"""The best text to video on val among a handful of settings, with seed 0."""

_DEMO: dict[str, Any] = {**_SMALL, "epochs": 12, "freeze_batch_norm": False}
_DEMOS: dict[str, dict[str, Any]] = {
    "msrvtt/demo": {**_DEMO, "tokens": 12},
    "youcook2/demo": {**_DEMO, "tokens": 12},
    "howto100m/demo": {**_DEMO, "batch_size": 8},
    "videos/demo": {**_DEMO, "tokens": 12, "batch_size": 8},
}
"""Demo clips are short and few."""
_DEMO_ANCHORS: dict[str, Any] = {"anchor_queue": 128, "anchors": 32}

_TRY: dict[str, Any] = {
    **_SMALL,
    "width": 16,
    "projection": 24,
    "audio_widths": (8,) * 7,
    "batch_size": 12,
    "epochs": 2,
    "limit": 48,
}
_TRY_ANCHORS: dict[str, Any] = {"anchors": 8, "anchor_queue": 60}
"""The queue is full in the second epoch: what resumes after the first, resumes half full."""


def multisk_presets() -> dict[str, dict[str, Any]]:
    """Of Multi-SK, by ``dataset``, ``dataset/variant`` or, for all of them, ``*/variant``."""
    return {
        "spoken-digits": {**_DIGITS, "anchor_queue": 512, "anchors": 32},
        "howto100m": PRETRAINING,
        "howto100m/compat": PROGRAM,
        "msrvtt": {**_EQUAL, **_MSRVTT},
        "msrvtt/zero-shot": _ZERO_SHOT,
        "youcook2": {**_EQUAL, **_YOUCOOK2},
        "youcook2/zero-shot": _ZERO_SHOT,
        "videos": {**_EQUAL, **_MSRVTT},
        "videos/zero-shot": _ZERO_SHOT,
        **{key: {**demo, **_DEMO_ANCHORS} for key, demo in _DEMOS.items()},
        "*/smoke": {**_TRY, **_TRY_ANCHORS},
    }


def everything_at_once_presets() -> dict[str, dict[str, Any]]:
    """Of Everything at Once, the same way."""
    return {
        "spoken-digits": _DIGITS,
        "howto100m": PRETRAINING,
        "howto100m/compat": {"misaligned": "always"},
        "msrvtt": {**_EQUAL_PAIRS, **_MSRVTT},
        "msrvtt/zero-shot": _ZERO_SHOT,
        "youcook2": {**_EQUAL_PAIRS, **_YOUCOOK2},
        "youcook2/zero-shot": _ZERO_SHOT,
        "videos": {**_EQUAL_PAIRS, **_MSRVTT},
        "videos/zero-shot": _ZERO_SHOT,
        **_DEMOS,
        "*/smoke": _TRY,
    }
