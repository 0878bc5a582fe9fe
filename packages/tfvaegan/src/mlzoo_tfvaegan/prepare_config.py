"""Options of ``mlzoo data prepare custom``: from images, or from arrays, to the two MATLAB files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from mlzoo.config import Config
from mlzoo_tfvaegan.dataset_config import FileName


class PrepareOptions(Config):
    """From ``images`` with ``weights``, or from ``features`` with ``labels``. With ``attributes`` and
    ``splits`` (or a benchmark's split file, which has both) both files are made; images can do without."""

    images: Path | None = Field(
        None, description="folder of images: <class>/<file>, or any with a --labels table"
    )
    backbone: Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"] = Field(
        "resnet101", description="network whose pooled features are taken"
    )
    weights: Path | None = Field(None, description="its state dict as torchvision publishes it")
    batch_size: int = Field(32, gt=0, description="images at once")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    features: Path | None = Field(
        None, description="instead of images: an array, one row a sample (.npz, .npy, .csv)"
    )
    labels: Path | None = Field(
        None,
        description="class of each sample; with --images a table with the columns file and label",
    )
    label_base: int | None = Field(
        None, ge=0, le=1, description="where numbers of classes begin, if they alone do not tell"
    )
    attributes: Path | None = Field(None, description="class embeddings, one row a class")
    class_names: Path | None = Field(
        None, description="names of the classes by number; of image folders their sorted names"
    )
    splits: Path | None = Field(
        None,
        description="rows or a column of train and test, the unseen classes, or a .mat of both",
    )
    image_files: Path | None = Field(None, description="with --features: names of the samples")
    order: Path | None = Field(
        None,
        description="names of the images or samples, in the order in which --splits counts them",
    )
    name: FileName = Field("res101", description="the features file to write, without .mat")
    embedding: FileName = Field("att", description="of the split file, <embedding>_splits.mat")
    split_seed: int = Field(
        0, ge=0, lt=2**32, description="of test_seen, where only unseen classes are named"
    )
