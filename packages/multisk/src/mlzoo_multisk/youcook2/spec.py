"""YouCook2 as a dataset of the task: its files, and what makes, examines and demonstrates them. Imports
nothing heavy."""

from __future__ import annotations

from mlzoo import DataFile, DatasetSpec, Paper
from mlzoo_multisk.youcook2.files import TEST_CSV, TEST_PICKLE, TRAIN_CSV, TRAIN_PICKLE

YOUCOOK2 = Paper(
    title="Towards Automatic Learning of Procedures From Web Instructional Videos",
    authors="Luowei Zhou, Chenliang Xu, Jason J. Corso",
    venue="AAAI",
    year=2018,
    url="https://doi.org/10.1609/aaai.v32i1.12342",
    bibtex="""@inproceedings{zhou2018towards,
  title     = {Towards Automatic Learning of Procedures From Web Instructional Videos},
  author    = {Zhou, Luowei and Xu, Chenliang and Corso, Jason J.},
  booktitle = {AAAI Conference on Artificial Intelligence},
  year      = {2018}
}""",
)


def youcook2(task: str) -> DatasetSpec:
    """YouCook2: published pickles, or csv lists with a folder of features, or shards made of either."""
    features = "with the features of AVLnet and Everything at Once; give it this name"
    lists = (
        "with the data of HowTo100M (columns end, start, text, video_id); features/ beside it has "
        "<video>_2d.npz, _3d.npz, _spec.npz of whole videos"
    )
    how = "make it of the pickles or of the csv lists and features: mlzoo data prepare youcook2"
    return DatasetSpec(
        name="youcook2",
        summary="steps of cooking videos, each with a sentence; 3,350 clips of 436 videos are the test set",
        task=task,
        load="mlzoo_multisk.youcook2.loading:load",
        config="mlzoo_multisk.dataset_config:YouCook2Options",
        files=(
            DataFile(path=TEST_PICKLE, layout="pickle", how_to_get=features),
            DataFile(path=TRAIN_PICKLE, layout="pickle", role="optional", how_to_get=features),
            DataFile(path=TEST_CSV, layout="csv", how_to_get=lists),
            DataFile(path=TRAIN_CSV, layout="csv", role="optional", how_to_get=lists),
            DataFile(path="shards/test/index.json", layout="shards", role="made", how_to_get=how),
            DataFile(
                path="shards/train/index.json", layout="shards", role="optional", how_to_get=how
            ),
        ),
        prepare="mlzoo_multisk.youcook2.prepare:prepare",
        prepare_config="mlzoo_multisk.benchmark.prepare_config:PrepareYouCook2Options",
        doctor="mlzoo_multisk.youcook2.doctor:examine",
        demo="mlzoo_multisk.youcook2.demo:write_demo",
        paper=YOUCOOK2,
    )
