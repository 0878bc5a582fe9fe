"""A description and a folder of images: ``mlzoo predict RUN --images DIR --text "the last one before dark"``.

The same command writes the answers of the hidden test set for the leaderboard, and looks at such a file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo import Model
from mlzoo.errors import DataError, UsageError
from mlzoo.progress import Progress
from mlzoo_imagecode.contextual import HIDDEN, ContextualData, Part
from mlzoo_imagecode.features import features_of
from mlzoo_imagecode.images.folder import JpgImages
from mlzoo_imagecode.model import ImageCoDeModel
from mlzoo_imagecode.predict_config import PredictOptions

ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
THUMBNAIL = 160
"""Side of the images in a picture."""


def predict(
    model: ImageCoDeModel,
    data: ContextualData,
    inputs: Sequence[Path],
    progress: Progress,
    options: PredictOptions,
) -> dict[str, Sequence[Any]]:
    """The images of a folder for a description, the likeliest first; or the answers of test.

    Returns:
        A row for each image: ``rank`` from 1, ``image`` (its file), ``position`` in the folder from 0,
        ``score`` and ``probability``, its softmax over the images. Of test: ``set``, ``text``, ``chosen``.

    Raises:
        UsageError: it is not said what to predict, or the figure is no picture.
        DataError: the folder has not as many images as the run chose among, or a damaged one.
    """
    if inputs:
        raise UsageError(
            f"{inputs[0]}: there are no inputs here.", "Give --images DIR --text '...'."
        )
    if options.check_submission is not None or options.submission is not None:
        return answers(model, data, progress, options)
    if options.images is None or options.text is None or not options.text.strip():
        raise UsageError("nothing to predict.", "Give --images DIR and --text '...'.")
    part = part_of(options.images, options.text, data.choices, video=options.kind == "video")
    features = features_of(
        part, model.encoders, model.tokens, model.config, keep=False, progress=progress
    )
    scores = model.scores(part, features)[0]  # [k]
    order = np.argsort(-scores, kind="stable")
    exponentials = np.exp(scores - scores.max(), dtype=np.float64)
    probability = exponentials / exponentials.sum()
    if options.figure is not None:
        _draw(options.figure, part, scores, int(order[0]))
        progress.message(f"picture: {options.figure}")
    return {
        "rank": list(range(1, len(order) + 1)),
        "image": [part.images.names[i] for i in order],
        "position": order.tolist(),
        "score": scores[order].tolist(),
        "probability": probability[order].tolist(),
    }


def part_of(folder: Path, text: str, choices: int, *, video: bool) -> Part:
    """One description and the images of a folder, in the order of the numbers in their names.

    Raises:
        DataError: there is no such folder, or it has not ``choices`` images.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder.", "Name the folder that holds the images.")
    files = sorted((f for f in folder.iterdir() if f.suffix.lower() in ENDINGS), key=_natural)
    if len(files) != choices:
        raise DataError(
            f"{folder} has {len(files)} images; this run chooses among {choices}.",
            f"Leave exactly {choices} files {', '.join(ENDINGS)} in it.",
        )
    rows = np.arange(choices)
    return Part(
        images=JpgImages(folder, [file.name for file in files]),
        sets=(folder.name,),
        set_of_image=np.zeros(choices, dtype=np.int64),
        position=rows,
        frame=rows,
        video=np.array([video]),
        candidates=rows[None],
        target=np.array([HIDDEN]),
        texts=(text,),
    )


def _natural(file: Path) -> list[tuple[bool, int, str]]:
    """img2 before img10."""
    parts = re.findall(r"\d+|\D+", file.name)
    return [(not p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in parts]


def answers(
    model: Model, data: ContextualData, progress: Progress, options: PredictOptions
) -> dict[str, Sequence[Any]]:
    """What is chosen on test: ``set``, ``text``, ``chosen``. As the options ask it is also written as a file
    for the leaderboard, or such a file is looked at first.

    Raises:
        MlzooError: a file exists, cannot be written, or does not fit.
    """
    from mlzoo_imagecode.submission import check_submission, require_new, write_submission

    part = data.part("test")
    if options.submission is not None:
        require_new(options.submission)
    if options.check_submission is not None:
        check_submission(options.check_submission, part)
        progress.message(f"{options.check_submission}: right, {len(part)} descriptions")
    predictions = model.predict("test")
    if options.submission is not None:
        write_submission(options.submission, predictions)
        check_submission(options.submission, part)
        progress.message(f"submission: {options.submission}")
    chosen = predictions["scores"].argmax(axis=1)
    return {
        "set": predictions["set"].tolist(),
        "text": predictions["text"].tolist(),
        "chosen": chosen.tolist(),
    }


def _draw(path: Path, part: Part, scores: np.ndarray[Any, Any], chosen: int) -> None:
    from matplotlib.figure import Figure

    from mlzoo.files import atomic_write
    from mlzoo_imagecode.strip_figure import strip_figure

    ending = path.suffix.removeprefix(".").lower()
    if ending not in Figure().canvas.get_supported_filetypes():
        raise UsageError(f"--figure: {path.name} is no kind of picture.", "Use .png or .svg.")
    crops = part.images.crops(np.arange(len(scores)), THUMBNAIL)
    figure = strip_figure(crops, scores, part.texts[0], chosen)
    with atomic_write(path) as file:
        figure.savefig(file, format=ending, dpi=150)
