"""What mlzoo-tfvaegan brings: the model, the task ``zero-shot`` and its datasets. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from mlzoo import DataFile, DatasetSpec, EvaluatorSpec, ModelSpec, Paper, hookimpl
from mlzoo_tfvaegan.metrics import IDENTITIES, METRICS
from mlzoo_tfvaegan.presets import presets
from mlzoo_tfvaegan.published import published

TASK = "zero-shot"

PAPER = Paper(
    title="Latent Embedding Feedback and Discriminative Features for Zero-Shot Classification",
    authors="Sanath Narayan, Akshita Gupta, Fahad Shahbaz Khan, Cees G. M. Snoek, Ling Shao",
    venue="ECCV",
    year=2020,
    url="https://arxiv.org/abs/2003.07833",
    bibtex="""@inproceedings{narayan2020latent,
  title     = {Latent Embedding Feedback and Discriminative Features for Zero-Shot Classification},
  author    = {Narayan, Sanath and Gupta, Akshita and Khan, Fahad Shahbaz and
               Snoek, Cees G. M. and Shao, Ling},
  booktitle = {European Conference on Computer Vision (ECCV)},
  year      = {2020}
}""",
    official_code="https://github.com/akshitac8/tfvaegan",
)
BENCHMARK = Paper(
    title="Zero-Shot Learning: A Comprehensive Evaluation of the Good, the Bad and the Ugly",
    authors="Yongqin Xian, Christoph H. Lampert, Bernt Schiele, Zeynep Akata",
    venue="IEEE TPAMI",
    year=2019,
    url="https://arxiv.org/abs/1707.00600",
    bibtex="""@article{xian2019zero,
  title   = {Zero-Shot Learning: A Comprehensive Evaluation of the Good, the Bad and the Ugly},
  author  = {Xian, Yongqin and Lampert, Christoph H. and Schiele, Bernt and Akata, Zeynep},
  journal = {IEEE Transactions on Pattern Analysis and Machine Intelligence},
  year    = {2019}
}""",
)

_BENCHMARK = (
    "search for xlsa17, the benchmark of Xian et al. ('Zero-shot learning, the good, the bad and the "
    "ugly'), and copy the dataset's two files; or make them of your own features: mlzoo data prepare "
    "custom --help"
)
_ACTIONS = (
    "search for gzsl-od, which shares I3D features and 30 splits; folders split_1 to split_30 lie beside "
    "the features"
)
_OWN = "make it of images or arrays: mlzoo data prepare custom --help"

IMAGES = {
    "cub": "200 bird species, 312 attributes",
    "awa2": "50 animals, 85 attributes",
    "sun": "717 scenes, 102 attributes",
    "flo": "102 flowers, embeddings of their descriptions",
}
# By name: summary, options, and the file that a split cannot do without (the loader asks for more).
ACTIONS = {
    "ucf101": ("101 human actions in video, 30 random splits", "UCF101Options", "att_splits.mat"),
    "hmdb51": (
        "51 human actions in video, 30 random splits",
        "ActionsOptions",
        "{embedding}_splits.mat",
    ),
}


@hookimpl
def mlzoo_models() -> Iterator[ModelSpec]:
    """TF-VAEGAN, for images and for actions."""
    yield ModelSpec(
        name="tfvaegan",
        summary="TF-VAEGAN: synthesises features of unseen classes, with feedback",
        task=TASK,
        paper=PAPER,
        config="mlzoo_tfvaegan.config:TFVAEGANConfig",
        factory="mlzoo_tfvaegan.model:TFVAEGAN",
        default_dataset="digits",
        presets=presets(),
        published=tuple(published()),
        figures={
            name: f"mlzoo_tfvaegan.figures:{name}"
            for name in ("training", "seen_unseen", "per_class", "features")
        },
        predict="mlzoo_tfvaegan.predict:predict",
        onnx="mlzoo_tfvaegan.onnx:network",
        budget="preset digits: about 90 s and 0.5 GB a seed on two CPU cores",
    )


@hookimpl
def mlzoo_datasets() -> Iterator[DatasetSpec]:
    """Digits, the benchmark's image datasets, the actions, and one's own."""
    yield DatasetSpec(
        name="digits",
        summary="two-digit numbers of handwritten digits, 80 seen and 20 unseen, 14 segment attributes",
        task=TASK,
        load="mlzoo_tfvaegan.digits:load_digits_world",
        config="mlzoo_tfvaegan.digits_config:DigitsOptions",
        embedded=True,
    )
    for name, what in IMAGES.items():
        yield DatasetSpec(
            name=name,
            summary=f"{what}, ResNet-101 features",
            task=TASK,
            load=f"mlzoo_tfvaegan.loading:load_{name}",
            doctor=f"mlzoo_tfvaegan.doctor:{name}",
            config="mlzoo_tfvaegan.dataset_config:ImagesOptions",
            demo=f"mlzoo_tfvaegan.demo:write_{name}_demo",
            files=_pair(_BENCHMARK),
            versions=("v1", "v2"),
            paper=BENCHMARK,
        )
    for name, (what, options, split_file) in ACTIONS.items():
        yield DatasetSpec(
            name=name,
            summary=f"{what}, I3D features",
            task=TASK,
            load=f"mlzoo_tfvaegan.loading:load_{name}",
            doctor=f"mlzoo_tfvaegan.doctor:{name}",
            config=f"mlzoo_tfvaegan.dataset_config:{options}",
            demo=f"mlzoo_tfvaegan.demo:write_{name}_demo",
            files=_of_one_split(split_file),
            repeats="split",
        )
    yield DatasetSpec(
        name="custom",
        summary="your own: features or images, class embeddings and a split",
        task=TASK,
        load="mlzoo_tfvaegan.loading:load_custom",
        doctor="mlzoo_tfvaegan.doctor:custom",
        config="mlzoo_tfvaegan.dataset_config:ImagesOptions",
        demo="mlzoo_tfvaegan.demo:write_custom_demo",
        files=_pair(_OWN),
        prepare="mlzoo_tfvaegan.prepare:prepare",
        prepare_config="mlzoo_tfvaegan.prepare_config:PrepareOptions",
    )


@hookimpl
def mlzoo_evaluators() -> Iterator[EvaluatorSpec]:
    """Accuracies per class, alone among unseen classes and among all."""
    yield EvaluatorSpec(
        name="zero-shot",
        summary="per-class accuracy of unseen classes (ZSL), of all (GZSL), calibrated stacking",
        task=TASK,
        score="mlzoo_tfvaegan.evaluators:score",
        metrics=METRICS,
        tables={"per-class": "mlzoo_tfvaegan.evaluators:per_class"},
        paired="mlzoo_tfvaegan.paired:paired",
        identities=IDENTITIES,
    )


def _pair(how: str) -> tuple[DataFile, DataFile]:
    return (
        DataFile(path="res101.mat", template="{features}.mat", how_to_get=how),
        DataFile(path="att_splits.mat", template="{embedding}_splits.mat", how_to_get=how),
    )


def _of_one_split(split_file: str) -> tuple[DataFile, DataFile]:
    return (
        DataFile(path="i3d.mat", template="{features}.mat", how_to_get=_ACTIONS),
        DataFile(
            path="split_1/att_splits.mat",
            template=f"split_{{split}}/{split_file}",
            how_to_get=_ACTIONS,
        ),
    )
