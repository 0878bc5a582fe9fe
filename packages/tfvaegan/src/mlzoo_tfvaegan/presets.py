"""The published run scripts' settings, by dataset and variant. Imports nothing."""

from __future__ import annotations

from typing import Any

_SCRIPTS: dict[str, dict[str, Any]] = {
    "cub": {
        "epochs": 300,
        "synthetic_samples": 300,
    },
    "awa2": {
        "epochs": 120,
        "synthetic_samples": 1800,
        "learning_rate": 1e-5,
        "feedback_learning_rate": 1e-4,
        "reconstruction_weight": 0.1,
        "feedback_strength": 0.01,
        "synthesis_strength": 0.01,
        "freeze_decoder": True,
    },
    "flo": {
        "epochs": 500,
        "synthetic_samples": 1200,
        "feedback_strength": 0.5,
        "synthesis_strength": 0.5,
        "encoded_noise": False,
    },
    "sun": {
        "epochs": 400,
        "synthetic_samples": 400,
        "critic_weight": 1.0,
        "generator_weight": 1.0,
        "learning_rate": 1e-3,
        "feedback_learning_rate": 1e-4,
        "classifier_learning_rate": 5e-4,
        "feedback_strength": 0.1,
        "synthesis_strength": 0.01,
    },
    "ucf101": {
        "epochs": 200,
        "synthetic_samples": 600,
        "reconstruction_weight": 0.1,
        "attribute_loss": "bce",
        "classifier": "detector",
        "embedding": "manual",
    },
    "hmdb51": {
        "epochs": 200,
        "synthetic_samples": 1200,
        "feedback_learning_rate": 1e-4,
        "reconstruction_weight": 0.1,
        "attribute_loss": "bce",
        "classifier": "detector",
    },
}
"""What is not named is the default of the option."""

_SELDOM = {"evaluate_every": 5}
"""Scores cost as much as a fifth of an epoch, and change no training."""

_HABITS: dict[str, Any] = {"select": "test", "best_classifier_epoch": True, "evaluate_every": 1}
"""Of both published programs: the best of all epochs on test data."""

_DEPARTURES = {
    "softmax": {"feedback_source": "reconstruction"},
    "detector": {"threshold": "published"},
}
"""Where the images and the actions program do not do what the paper says."""

_ABLATIONS: dict[str, dict[str, Any]] = {
    "no-feedback": {"feedback": False},
    "no-transform": {"transform": False},
    "f-vaegan": {"feedback": False, "transform": False, "reconstruction_weight": 0.0},
}
_TRY = {
    "epochs": 2,
    "hidden": 32,
    "critic_hidden": 32,
    "synthetic_samples": 20,
    "classifier_epochs": 3,
    "detector_epochs": 3,
    "detector_hidden": 16,
}

_DIGITS: dict[str, Any] = {
    "epochs": 30,
    "evaluate_every": 5,
    "batch_size": 128,
    "hidden": 512,
    "critic_hidden": 512,
    "learning_rate": 1e-3,
    "feedback_learning_rate": 1e-4,
    "decoder_learning_rate": 1e-3,
    "critic_weight": 1.0,
    "generator_weight": 1.0,
    "synthetic_samples": 200,
}
"""The best H on the validation classes among a dozen settings, with seed 0."""


def presets() -> dict[str, dict[str, Any]]:
    """Every preset by ``dataset``, ``dataset/variant`` or, for all of them, ``*/variant``."""
    found: dict[str, dict[str, Any]] = {"digits": _DIGITS, "custom": _SELDOM}
    for dataset, values in _SCRIPTS.items():
        kind = values.get("classifier", "softmax")
        found[dataset] = {**_SELDOM, **values}
        found[f"{dataset}/published"] = {**_HABITS, **_DEPARTURES[kind]}
    return found | {f"*/{name}": values for name, values in {"smoke": _TRY, **_ABLATIONS}.items()}
