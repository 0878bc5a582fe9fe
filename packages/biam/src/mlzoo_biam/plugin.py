"""What mlzoo-biam brings: the model and its baselines, the task ``multilabel-zero-shot`` and its datasets.
Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from mlzoo import DataFile, DatasetSpec, EvaluatorSpec, ModelSpec, Paper, hookimpl
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
NUS_WIDE = Paper(
    title="NUS-WIDE: A Real-World Web Image Database from National University of Singapore",
    authors="Tat-Seng Chua, Jinhui Tang, Richang Hong, Haojie Li, Zhiping Luo, Yantao Zheng",
    venue="CIVR",
    year=2009,
    url="https://doi.org/10.1145/1646396.1646452",
    bibtex="""@inproceedings{chua2009nus,
  title     = {{NUS-WIDE}: A Real-World Web Image Database from {N}ational {U}niversity of {S}ingapore},
  author    = {Chua, Tat-Seng and Tang, Jinhui and Hong, Richang and Li, Haojie and Luo, Zhiping and
               Zheng, Yantao},
  booktitle = {ACM International Conference on Image and Video Retrieval (CIVR)},
  year      = {2009}
}""",
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
    yield _nus_wide()


@hookimpl
def mlzoo_evaluators() -> Iterator[EvaluatorSpec]:
    """Precision and recall of the first K tags, average precision, over seen and unseen tags."""
    yield from ()


def _nus_wide() -> DatasetSpec:
    packed = ("regions.npy", "scene.npy", "made.json", "store.json", "names.txt", "labels.npz")
    words = (
        ("TagList1k.txt", "comes with the official archive of NUS-WIDE"),
        ("Concepts81.txt", "comes with the official archive of NUS-WIDE"),
        (
            "NUS_WIDE_pretrained_w2v_glove-wiki-gigaword-300",
            "comes with BiAM's repository, in the folder wiki_contexts",
        ),
    )
    how = "make it of h5 files or of images: mlzoo data prepare nus-wide --help"
    return DatasetSpec(
        name="nus-wide",
        summary="Flickr images, 925 tags of users seen and 81 annotated concepts unseen, VGG-19 features",
        task=TASK,
        load="mlzoo_biam.nus_wide:load",
        config="mlzoo_biam.dataset_config:NusWideOptions",
        files=(
            *(DataFile(path=path, how_to_get=source) for path, source in words),
            *(
                DataFile(path=f"{part}/{name}", how_to_get=how)
                for part in ("train", "test")
                for name in packed
            ),
        ),
        prepare="mlzoo_biam.prepare_nus:prepare",
        prepare_config="mlzoo_biam.prepare_nus_config:PrepareNusWideOptions",
        doctor="mlzoo_biam.nus_doctor:examine",
        demo="mlzoo_biam.nus_demo:write_demo",
        paper=NUS_WIDE,
    )
