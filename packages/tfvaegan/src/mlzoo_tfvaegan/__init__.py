"""TF-VAEGAN (ECCV 2020) and zero-shot classification. Names are imported on first use; listing imports
no torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlzoo_tfvaegan.calibration import seen_unseen_curve
    from mlzoo_tfvaegan.classifier import train_classifier
    from mlzoo_tfvaegan.detector import train_detector
    from mlzoo_tfvaegan.evaluators import per_class_accuracy, score
    from mlzoo_tfvaegan.fast_step import FastStep
    from mlzoo_tfvaegan.model import TFVAEGAN
    from mlzoo_tfvaegan.networks import Networks
    from mlzoo_tfvaegan.plain_step import PlainStep
    from mlzoo_tfvaegan.step import Draws, StepOptions, TrainingSet
    from mlzoo_tfvaegan.synthesis import synthesise
    from mlzoo_tfvaegan.zero_shot import Samples, Split, ZeroShotData

__version__ = "0.1.0"

_HOMES = {
    "Draws": "mlzoo_tfvaegan.step",
    "FastStep": "mlzoo_tfvaegan.fast_step",
    "Networks": "mlzoo_tfvaegan.networks",
    "PlainStep": "mlzoo_tfvaegan.plain_step",
    "Samples": "mlzoo_tfvaegan.zero_shot",
    "Split": "mlzoo_tfvaegan.zero_shot",
    "StepOptions": "mlzoo_tfvaegan.step",
    "TFVAEGAN": "mlzoo_tfvaegan.model",
    "TrainingSet": "mlzoo_tfvaegan.step",
    "ZeroShotData": "mlzoo_tfvaegan.zero_shot",
    "per_class_accuracy": "mlzoo_tfvaegan.evaluators",
    "score": "mlzoo_tfvaegan.evaluators",
    "seen_unseen_curve": "mlzoo_tfvaegan.calibration",
    "synthesise": "mlzoo_tfvaegan.synthesis",
    "train_classifier": "mlzoo_tfvaegan.classifier",
    "train_detector": "mlzoo_tfvaegan.detector",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mlzoo_tfvaegan' has no attribute {name!r}")


__all__ = [
    "TFVAEGAN",
    "Draws",
    "FastStep",
    "Networks",
    "PlainStep",
    "Samples",
    "Split",
    "StepOptions",
    "TrainingSet",
    "ZeroShotData",
    "per_class_accuracy",
    "score",
    "seen_unseen_curve",
    "synthesise",
    "train_classifier",
    "train_detector",
]
