"""What mlzoo-imagecode brings: ImageCoDe with CLIP, ViLBERT, UNITER and baselines, the task
``contextual-retrieval`` and its datasets. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from mlzoo import DatasetSpec, EvaluatorSpec, ModelSpec, Paper, hookimpl
from mlzoo_imagecode.baselines.cards import baselines
from mlzoo_imagecode.cross.cards import cross_encoders
from mlzoo_imagecode.imagecode.spec import imagecode, imagecode_simple
from mlzoo_imagecode.metric_specs import IDENTITIES, METRICS, MTEB, PHENOMENA_METRICS
from mlzoo_imagecode.presets import imagecode_presets
from mlzoo_imagecode.published import published

TASK = "contextual-retrieval"

IMAGECODE = Paper(
    title="Image Retrieval from Contextual Descriptions",
    authors="Benno Krojer, Vaibhav Adlakha, Vibhav Vineet, Yash Goyal, Edoardo Ponti, Siva Reddy",
    venue="ACL",
    year=2022,
    url="https://arxiv.org/abs/2203.15867",
    bibtex="""@inproceedings{krojer2022image,
  title     = {Image Retrieval from Contextual Descriptions},
  author    = {Krojer, Benno and Adlakha, Vaibhav and Vineet, Vibhav and Goyal, Yash and
               Ponti, Edoardo and Reddy, Siva},
  booktitle = {Annual Meeting of the Association for Computational Linguistics (ACL)},
  year      = {2022}
}""",
    official_code="https://github.com/McGill-NLP/imagecode",
)


_FIGURES = {
    name: f"mlzoo_imagecode.figures:{name}"
    for name in ("training", "strips", "phenomena", "distances")
}


@hookimpl
def mlzoo_models() -> Iterator[ModelSpec]:
    """CLIP in all variants, two cross-encoders in the same variants, and the baselines below them."""
    yield ModelSpec(
        name="imagecode",
        summary="CLIP on ImageCoDe: zero-shot, fine-tuned, with the set as context and the order of frames",
        task=TASK,
        paper=IMAGECODE,
        config="mlzoo_imagecode.config:ImageCoDeConfig",
        factory="mlzoo_imagecode.model:ImageCoDeModel",
        default_dataset="digit-strips",
        presets=imagecode_presets(),
        published=published(),
        figures=_FIGURES,
        predict="mlzoo_imagecode.predict:predict",
        predict_config="mlzoo_imagecode.predict_config:PredictOptions",
        predict_without_inputs=True,
        weights="mlzoo_imagecode.weights:import_weights",
        onnx="mlzoo_imagecode.onnx:network",
    )
    yield from cross_encoders(TASK, IMAGECODE, _FIGURES)
    yield from baselines(TASK)


@hookimpl
def mlzoo_datasets() -> Iterator[DatasetSpec]:
    """Digit strips, ImageCoDe and its two-image variant."""
    yield DatasetSpec(
        name="digit-strips",
        summary="strips of ten pictures of a digit that differ in one property each, and descriptions",
        task=TASK,
        load="mlzoo_imagecode.digit_strips:load",
        config="mlzoo_imagecode.dataset_config:DigitStripsOptions",
        embedded=True,
    )
    yield imagecode(TASK, IMAGECODE)
    yield imagecode_simple(TASK, IMAGECODE)


@hookimpl
def mlzoo_evaluators() -> Iterator[EvaluatorSpec]:
    """How often the described image is chosen, of whom and where."""
    yield EvaluatorSpec(
        name="matching",
        summary="accuracy over all, video and static sets, and how far off errors are",
        task=TASK,
        score="mlzoo_imagecode.evaluators:score",
        metrics=METRICS,
        tables={
            "rank-histogram": "mlzoo_imagecode.tables:rank_histogram",
            "frame-distance": "mlzoo_imagecode.tables:frame_distance",
            "frame-gap": "mlzoo_imagecode.tables:frame_gap",
            "positions": "mlzoo_imagecode.tables:positions",
            "image-distance": "mlzoo_imagecode.tables:image_distance",
            "examples": "mlzoo_imagecode.tables:examples",
        },
        paired="mlzoo_imagecode.scores.mcnemar:paired",
        identities=IDENTITIES,
        mteb=(MTEB,),
    )
    yield EvaluatorSpec(
        name="phenomena",
        summary="accuracy by annotated phenomenon, and by whether the annotator was seen in training",
        task=TASK,
        score="mlzoo_imagecode.evaluators:score_phenomena",
        metrics=PHENOMENA_METRICS,
        tables={"phenomena": "mlzoo_imagecode.tables:phenomena_table"},
    )
