"""What mlzoo-biam brings: the model and its baselines, the task ``multilabel-zero-shot`` and its datasets.
Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from mlzoo import DatasetSpec, EvaluatorSpec, ModelSpec, Paper, hookimpl
from mlzoo_biam.open_images_files import FILES
from mlzoo_biam.presets import presets
from mlzoo_biam.published import published

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
    """BiAM."""
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
    )


@hookimpl
def mlzoo_datasets() -> Iterator[DatasetSpec]:
    """Mosaics of digits, NUS-WIDE, Open Images, and one's own."""
    yield DatasetSpec(
        name="open-images",
        summary="Open Images v4 (2018_04), 7186 seen and 400 unseen classes, in shards",
        task=TASK,
        load="mlzoo_biam.open_images:load",
        config="mlzoo_biam.dataset_config:OpenImagesOptions",
        files=FILES,
        prepare="mlzoo_biam.open_images_prepare:prepare",
        prepare_config="mlzoo_biam.prepare_config:OpenImagesPrepareOptions",
        download="mlzoo_biam.open_images_download:fetch_images",
        download_config="mlzoo_biam.crawl_config:CrawlOptions",
        doctor="mlzoo_biam.open_images_doctor:examine",
        demo="mlzoo_biam.open_images_demo:write_demo",
        homepage="https://storage.googleapis.com/openimages/web/index.html",
        licence="annotations CC BY 4.0, images CC BY 2.0 as listed",
    )


@hookimpl
def mlzoo_evaluators() -> Iterator[EvaluatorSpec]:
    """Precision and recall of the first K tags, average precision, over seen and unseen tags."""
    yield from ()
