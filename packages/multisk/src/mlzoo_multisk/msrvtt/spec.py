"""MSR-VTT as a dataset of the task: its files, and what makes, examines and demonstrates them. Imports
nothing heavy."""

from __future__ import annotations

from mlzoo import DataFile, DatasetSpec, Paper
from mlzoo_multisk.msrvtt.files import (
    CAPTIONS_JSON,
    TEST_CSV,
    TEST_PICKLE,
    TRAIN_LIST,
    TRAIN_PICKLE,
)

MSRVTT = Paper(
    title="MSR-VTT: A Large Video Description Dataset for Bridging Video and Language",
    authors="Jun Xu, Tao Mei, Ting Yao, Yong Rui",
    venue="CVPR",
    year=2016,
    url="https://doi.org/10.1109/CVPR.2016.571",
    bibtex="""@inproceedings{xu2016msrvtt,
  title     = {{MSR-VTT}: A Large Video Description Dataset for Bridging Video and Language},
  author    = {Xu, Jun and Mei, Tao and Yao, Ting and Rui, Yong},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2016}
}""",
)


def msrvtt(task: str) -> DatasetSpec:
    """MSR-VTT: published pickles, or csv lists with a folder of features, or shards made of either."""
    features = "with the features of AVLnet and Everything at Once; give it this name"
    lists = "with the data of the 1k-A split; features/ beside it has <video>_2d.npz, _3d.npz, _spec.npz"
    how = "make it of the pickles or of the csv lists and features: mlzoo data prepare msrvtt"
    return DatasetSpec(
        name="msrvtt",
        summary="10,000 web videos of some 15 s with 20 captions each; 1000 of them are the test set",
        task=task,
        load="mlzoo_multisk.msrvtt.loading:load",
        config="mlzoo_multisk.dataset_config:MsrvttOptions",
        files=(
            DataFile(path=TEST_PICKLE, layout="pickle", how_to_get=features),
            DataFile(path=TRAIN_PICKLE, layout="pickle", role="optional", how_to_get=features),
            DataFile(path=TEST_CSV, layout="csv", how_to_get=lists),
            DataFile(
                path=TRAIN_LIST.format(train_list="9k"),
                template=TRAIN_LIST,
                layout="csv",
                role="optional",
                how_to_get=lists,
            ),
            DataFile(
                path=CAPTIONS_JSON,
                layout="csv",
                role="optional",
                how_to_get="the benchmark's own captions",
            ),
            DataFile(path="shards/test/index.json", layout="shards", role="made", how_to_get=how),
            DataFile(
                path="shards/train/index.json", layout="shards", role="optional", how_to_get=how
            ),
        ),
        prepare="mlzoo_multisk.msrvtt.prepare:prepare",
        prepare_config="mlzoo_multisk.benchmark.prepare_config:PrepareMsrvttOptions",
        doctor="mlzoo_multisk.msrvtt.doctor:examine",
        demo="mlzoo_multisk.msrvtt.demo:write_demo",
        paper=MSRVTT,
    )
