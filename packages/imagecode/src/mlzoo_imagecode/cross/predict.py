"""``mlzoo predict RUN`` of the cross-encoders: the answers of the hidden test set for the leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlzoo.errors import UsageError
from mlzoo.progress import Progress
from mlzoo_imagecode.contextual import ContextualData
from mlzoo_imagecode.cross.model import CrossModel
from mlzoo_imagecode.predict import answers
from mlzoo_imagecode.predict_config import PredictOptions


def predict(
    model: CrossModel,
    data: ContextualData,
    inputs: Sequence[Path],
    progress: Progress,
    options: PredictOptions,
) -> dict[str, Sequence[Any]]:
    """What is chosen on test; see :func:`mlzoo_imagecode.predict.answers`.

    Raises:
        UsageError: a folder of images is given, whose regions nobody here can find; or nothing is asked for.
    """
    if inputs or options.images is not None or options.text is not None:
        raise UsageError(
            "regions of new images come from a detector, which is no part of this package.",
            "Give --submission FILE for the answers of test; a run of imagecode (CLIP) reads images.",
        )
    if options.submission is None and options.check_submission is None:
        raise UsageError(
            "nothing to predict.", "Give --submission FILE or --check-submission FILE."
        )
    return answers(model, data, progress, options)
