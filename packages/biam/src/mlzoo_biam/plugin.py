"""What mlzoo-biam brings: the model and its baselines, the task ``multilabel-zero-shot`` and its datasets.
Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from mlzoo import DatasetSpec, EvaluatorSpec, ModelSpec, Paper, hookimpl
from mlzoo_biam.baselines.cards import baselines
from mlzoo_biam.metric_specs import IDENTITIES, METRICS, POOLED_METRICS
from mlzoo_biam.nus_wide.spec import nus_wide
from mlzoo_biam.open_images.spec import open_images
from mlzoo_biam.presets import presets
from mlzoo_biam.published import published
from mlzoo_biam.tagged_images.spec import tagged_images

TASK = "multilabel-zero-shot"

PAPER = Paper(
    title="Discriminative Region-based Multi-Label Zero-Shot Learning",
    authors="Sanath Narayan, Akshita Gupta, Salman Khan, Fahad Shahbaz Khan, Ling Shao, Mubarak Shah",
    venue="ICCV",
    year=2021,
    url="https://arxiv.org/abs/2108.09301",
    bibtex="""@inproceedings{narayan2021discriminative,
  title     = {Discriminative Region-based Multi-Label Zero-Shot Learning},
  author    = {Narayan, Sanath and Gupta, Akshita and Khan, Salman and Khan, Fahad Shahbaz and
               Shao, Ling and Shah, Mubarak},
  booktitle = {IEEE/CVF International Conference on Computer Vision (ICCV)},
  year      = {2021}
}""",
    official_code="https://github.com/akshitac8/BiAM",
)


@hookimpl
def mlzoo_models() -> Iterator[ModelSpec]:
    """BiAM, and the baselines below it."""
    yield ModelSpec(
        name="biam",
        summary="BiAM: region and scene attention, tags scored by their word vectors",
        task=TASK,
        paper=PAPER,
        config="mlzoo_biam.config:BiAMConfig",
        factory="mlzoo_biam.model:BiAMModel",
        default_dataset="digit-mosaics",
        presets=presets(),
        published=tuple(published()),
        figures={
            name: f"mlzoo_biam.figures:{name}"
            for name in ("training", "precision_recall", "region_maps")
        },
        predict="mlzoo_biam.predict:predict",
        predict_config="mlzoo_biam.predict_config:PredictOptions",
        weights="mlzoo_biam.weights:import_weights",
        onnx="mlzoo_biam.onnx:network",
    )
    yield from baselines(TASK)


@hookimpl
def mlzoo_datasets() -> Iterator[DatasetSpec]:
    """Mosaics of digits, NUS-WIDE, Open Images, and one's own."""
    yield DatasetSpec(
        name="digit-mosaics",
        summary="mosaics of handwritten digits in four styles: 32 seen and 8 unseen tags",
        task=TASK,
        load="mlzoo_biam.digit_mosaics:load",
        config="mlzoo_biam.dataset_config:MosaicOptions",
        embedded=True,
    )
    yield nus_wide(TASK)
    yield open_images(TASK)
    yield tagged_images(TASK)


@hookimpl
def mlzoo_evaluators() -> Iterator[EvaluatorSpec]:
    """Precision and recall of the first K tags, average precision, over seen and unseen tags."""
    yield EvaluatorSpec(
        name="multilabel",
        summary="average precision by tag and F1 of the K highest scores; unseen tags, all, and seen",
        task=TASK,
        score="mlzoo_biam.evaluators:score",
        metrics=METRICS,
        tables={
            "per-tag": "mlzoo_biam.evaluators:per_tag",
            "at-k": "mlzoo_biam.evaluators:at_k_table",
        },
        paired="mlzoo_biam.paired:paired",
        identities=IDENTITIES,
    )
    yield EvaluatorSpec(
        name="pooled",
        summary="the published AP of partly annotated tags: one over all pairs of a tag's images",
        task=TASK,
        score="mlzoo_biam.evaluators:score_pooled",
        metrics=POOLED_METRICS,
    )
