"""What mlzoo-mdn brings: the model, its task's datasets and evaluators. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from mlzoo import DataFile, DatasetSpec, EvaluatorSpec, ModelSpec, Paper, hookimpl
from mlzoo_mdn.metrics import IDENTITIES, METRICS

TASK = "confounded-classification"

PAPER = Paper(
    title="Metadata Normalization",
    authors="Mandy Lu, Qingyu Zhao, Jiequan Zhang, Kilian M. Pohl, Li Fei-Fei, "
    "Juan Carlos Niebles, Ehsan Adeli",
    venue="CVPR",
    year=2021,
    url="https://arxiv.org/abs/2104.09052",
    bibtex="""@inproceedings{lu2021metadata,
  title     = {Metadata Normalization},
  author    = {Lu, Mandy and Zhao, Qingyu and Zhang, Jiequan and Pohl, Kilian M. and
               Fei-Fei, Li and Niebles, Juan Carlos and Adeli, Ehsan},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2021}
}""",
    official_code="https://github.com/mlu355/MetadataNorm",
)

RECOMMENDED = {
    "select": "last",
    "epochs": 14,
    "batch_size": 200,
    "learning_rate": 5e-4,
    "schedule": "cosine",
    "patience": 0,
    "estimator": "global",
    "statistics": "exact",
}
PUBLISHED = {
    "select": "last",
    "epochs": 500,
    "batch_size": 200,
    "learning_rate": 1e-4,
    "schedule": "plateau",
    "patience": 200,
    "estimator": "global",
    "momentum": 0.1,
    "statistics": "running",
}
# What the other methods' authors trained with, as far as this loop has it.
AUTHORS = {
    "recursive": {"method": "recursive", "batch_size": 128, "weight_decay": 1e-3},
    "penalty": {
        "method": "penalty",
        "epochs": 100,
        "learning_rate": 1e-5,
        "schedule": "constant",
    },
    "adversary": {"method": "adversary", "batch_size": 96, "learning_rate": 2e-4},
}


@hookimpl
def mlzoo_models() -> Iterator[ModelSpec]:
    """Metadata Normalization in its three published networks, and its family."""
    yield ModelSpec(
        name="mdn",
        summary="Metadata Normalization: features without the effect of a confounder",
        task=TASK,
        paper=PAPER,
        config="mlzoo_mdn.config:MDNConfig",
        factory="mlzoo_mdn.model:MDN",
        default_dataset="synthetic",
        presets={
            "synthetic": {**RECOMMENDED, "group_size": 1000},
            "synthetic/published": PUBLISHED,
            "synthetic/smoke": {"epochs": 4, "batch_size": 40, "group_size": 60},
            **{f"synthetic/{method}": values for method, values in AUTHORS.items()},
            "images": RECOMMENDED,
            "images/smoke": {"epochs": 2, "batch_size": 40},
        },
        # No table of the paper could be checked, so no number is given.
        published=(),
        figures={
            "samples": "mlzoo_mdn.figures:samples",
            "curves": "mlzoo_mdn.figures:curves",
            "features": "mlzoo_mdn.figures:features",
            "comparison": "mlzoo_mdn.figures:comparison",
        },
        predict="mlzoo_mdn.predict:predict",
        onnx="mlzoo_mdn.onnx:network",
        budget="preset synthetic: about 20 s and 0.7 GB a seed on two CPU cores",
    )


@hookimpl
def mlzoo_datasets() -> Iterator[DatasetSpec]:
    """The paper's synthetic experiment, and a folder of one's own images."""
    yield DatasetSpec(
        name="synthetic",
        summary="Gaussian blobs whose brightness follows the label and a confounder",
        task=TASK,
        load="mlzoo_mdn.data:load_synthetic",
        config="mlzoo_mdn.dataset_config:SyntheticOptions",
        embedded=True,
        versions=("published", "independent"),
        paper=PAPER,
    )
    yield DatasetSpec(
        name="images",
        summary="your own images, labels and metadata: image files with a csv, or npz files",
        task=TASK,
        load="mlzoo_mdn.data:load_images",
        config="mlzoo_mdn.dataset_config:ImagesOptions",
        demo="mlzoo_mdn.images_demo:write_images_demo",
        files=(
            DataFile(
                path="images.csv",
                layout="table",
                how_to_get="write a csv with the columns file, label, split (optional) and "
                "metadata, beside the image files it names",
            ),
            *(
                DataFile(
                    path=f"{split}.npz",
                    layout="arrays",
                    how_to_get="write it with numpy.savez: images [N, C, H, W], label [N], "
                    "metadata [N, k]",
                )
                for split in ("train", "test")
            ),
        ),
    )


@hookimpl
def mlzoo_evaluators() -> Iterator[EvaluatorSpec]:
    """Accuracy, and what the features still tell about the metadata."""
    yield EvaluatorSpec(
        name="confounded-classification",
        summary="accuracy, gaps between groups, dependence of the features on the metadata",
        task=TASK,
        score="mlzoo_mdn.evaluators:score",
        metrics=METRICS,
        paired="mlzoo_mdn.paired:paired",
        identities=IDENTITIES,
        version="1",
    )
