"""The cards of the baselines, from chance to images without the text. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlzoo import ModelSpec, Paper

_SINGLE_MODALITY = Paper(
    title="Shifting the Baseline: Single Modality Performance on Visual Navigation & QA",
    authors="Jesse Thomason, Daniel Gordon, Yonatan Bisk",
    venue="NAACL",
    year=2019,
    url="https://arxiv.org/abs/1811.00613",
    bibtex="""@inproceedings{thomason2019shifting,
  title     = {Shifting the Baseline: Single Modality Performance on Visual Navigation \\& {QA}},
  author    = {Thomason, Jesse and Gordon, Daniel and Bisk, Yonatan},
  booktitle = {Conference of the North American Chapter of the Association for Computational
               Linguistics (NAACL)},
  year      = {2019}
}""",
)
"""Of what can be answered without one of two modalities."""

_PRIORS = Paper(
    title="Making the V in VQA Matter: Elevating the Role of Image Understanding in Visual Question "
    "Answering",
    authors="Yash Goyal, Tejas Khot, Douglas Summers-Stay, Dhruv Batra, Devi Parikh",
    venue="CVPR",
    year=2017,
    url="https://arxiv.org/abs/1612.00837",
    bibtex="""@inproceedings{goyal2017making,
  title     = {Making the {V} in {VQA} Matter: Elevating the Role of Image Understanding in
               Visual Question Answering},
  author    = {Goyal, Yash and Khot, Tejas and Summers-Stay, Douglas and Batra, Dhruv and
               Parikh, Devi},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2017}
}""",
)
"""Of answers that are right because they are frequent."""

_FIGURES = {
    "distances": "mlzoo_imagecode.figures:distances",
    "phenomena": "mlzoo_imagecode.figures:phenomena",
    "strips": "mlzoo_imagecode.figures:strips",
}


def _smoke(options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """To be tried in seconds."""
    return {"*/smoke": options, "digit-strips/smoke": {**options, "strips": 40}}


def baselines(task: str) -> Iterator[ModelSpec]:
    """The ladder of baselines of a task."""
    yield ModelSpec(
        name="random-choice",
        summary="a random score for every image",
        task=task,
        paper=_SINGLE_MODALITY,
        config="mlzoo_imagecode.baselines.config:RandomChoiceConfig",
        factory="mlzoo_imagecode.baselines.random_choice:RandomChoice",
        default_dataset="digit-strips",
        presets=_smoke({"limit": 40, "draws": 2}),
        figures=_FIGURES,
    )
    yield ModelSpec(
        name="position-prior",
        summary="how often the image at a position is described in training, whatever images and text",
        task=task,
        paper=_PRIORS,
        config="mlzoo_imagecode.baselines.config:PositionPriorConfig",
        factory="mlzoo_imagecode.baselines.position_prior:PositionPrior",
        default_dataset="digit-strips",
        presets=_smoke({"limit": 40, "counts": ("all", "kind")}),
        figures=_FIGURES,
        deterministic=True,
    )
    yield ModelSpec(
        name="image-only",
        summary="a linear model of thumbnails and positions that never reads the text",
        task=task,
        paper=_SINGLE_MODALITY,
        config="mlzoo_imagecode.baselines.config:ImageOnlyConfig",
        factory="mlzoo_imagecode.baselines.image_only:ImageOnly",
        default_dataset="digit-strips",
        presets=_smoke({"limit": 40, "penalties": (0.01, 0.1), "iterations": 20}),
        figures=_FIGURES,
        deterministic=True,
    )
