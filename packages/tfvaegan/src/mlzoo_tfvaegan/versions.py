"""The benchmark's own data, recognised by content: which split version, and whether published rows apply.

Version 2.0 of a split is version 1 with train_loc and val_loc freed of the samples of test_seen;
the other lists and the embeddings are the same. Names of files and folders say nothing about either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlzoo.data.fingerprint import fingerprint
from mlzoo_tfvaegan.mat_files import FeatureFile, SplitFile
from mlzoo_tfvaegan.zero_shot import Index, Split

OTHER_SPLIT = "not known"


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What published rows of one dataset speak of. Empty digests stand for content that is not known.

    Attributes:
        features, width: names of the features files, R.
        samples: N.
        classes: how many are seen and unseen.
        embedding, embedding_width: name of the class embedding, A.
        random_splits: how many splits there are; of several, only one is known by content.
        split: digest of the three lists.
        v1, v2: digests of train_loc and val_loc.
        label: digest of the labels of all samples, in the order of the file.
        attributes: digest of the class embeddings.
    """

    features: tuple[str, ...] = ("res101", "finetuned")
    width: int = 2048
    samples: int
    classes: tuple[int, int]
    embedding: str = "att"
    embedding_width: int
    random_splits: int = 1
    split: str = ""
    v1: str = ""
    v2: str = ""
    label: str = ""
    attributes: str = ""


BENCHMARKS = {
    "cub": Benchmark(
        samples=11788,
        classes=(150, 50),
        embedding_width=312,
        split="f44106c7823436b56bf06a74986b7247b5655821c3d9cfa641b36771fb426498",
        v1="961184ec28feb607e5cbe5657fb6ade8809e97b4cb96b37c4667fb539d7edddd",
        v2="5d39543c924e4ed56ae80d8aa2f851bb09aea16bb1fac6425964dc925fcbb618",
        label="7b4a5af2f34d1360a9b61bb40478a32d29cbebcd3d140e2d23c191e0164c3554",
        attributes="9caf22a3bbe614405ca9f5a79cb997c02be3469a24942a0e58515abbc9e66684",
    ),
    "awa2": Benchmark(
        samples=37322,
        classes=(40, 10),
        embedding_width=85,
        split="fa79651190fe2378a9bf30d763dc087d03f8cc12c4db50ab91e201230bde73b1",
        v1="ac29607f8afc77a7cc210ad4ddb8a258daf410e3c03735317d65cd68e155db34",
        v2="c6785453ba732e7f41a79a89038f94dc9e1a3843802b807ab7014d406328088d",
        label="8d372fcf5eaf428354114cc1e43628be130cfaae213ec6667913b1520fabcab2",
        attributes="5ee7a1989daa8e513f05bd05bef6e7f3c86095795dfed6cf68b85457f8064567",
    ),
    "sun": Benchmark(
        samples=14340,
        classes=(645, 72),
        embedding_width=102,
        split="4bd55a91da23e2e68965595bc737fc60a7e9cc7388c30af3348116fdb794916e",
        v1="37ab12e77aa2d4c8d8076357efae80bb8e551a72acc85ca5c7b266bf82e4fd3e",
        v2="c84fd08fe765920797773c7fa62a1604fe0801b897b7a67a431021738bc58b70",
        label="20b62985ab66b42765fbdb5e26565cc4a98dc2fe6feda898d57289c3445bd1a0",
        attributes="f61602ce37d5c8d764c52a5beb2f5ac100bf913cdd09dd7872231ad6aa2360fa",
    ),
    "flo": Benchmark(
        samples=8189,
        classes=(82, 20),
        embedding_width=1024,
        split="2a43381574733e8146dddf7327b258e899004b8ffb871855948f04d8b6188742",
        v1="ed4290ab06eac04116d7bcdd725ebc7bdd71a6d4a5931fb1da00b92a27ba005c",
        v2="3ab2bf9823d6b095433ba19ce72ca5da49b54857ce91cf0c194a8dd3eba0b3f9",
        label="3913cbd469b0af8c7dfc2c567ce974c1cb78d99c8b2a5f95e7b5098410dafde1",
        attributes="e22a8e7e759b6907cf545e475245f334139ad5caba308e8de9c186684f5f32f2",
    ),
    "ucf101": Benchmark(
        features=("i3d",),
        width=8192,
        samples=13320,
        classes=(51, 50),
        embedding="manual",
        embedding_width=115,
        random_splits=30,
        split="2f0ffa96046fdb80857e931ea54646641cff804b1297ada5ed34c39626d94044",
        v1="08b92878a30ccce579f9e1d13d296496085ddaea5fffa64a8d48124400a36dc0",
        v2="ee909fa00008c727680ea8e8492979cdab9c59d0ad95aace3d849ed1f60ffb00",
    ),
    "hmdb51": Benchmark(
        features=("i3d",),
        width=8192,
        samples=6766,
        classes=(26, 25),
        embedding_width=300,
        random_splits=30,
    ),
}


def split_digest(split: Split) -> str:
    """Of the three lists, whatever the order in each."""
    return fingerprint({name: np.sort(rows) for name, rows in split.arrays().items()})


def lists_digest(train: Index, val: Index) -> str:
    """Of train_loc and val_loc, whatever the order in each."""
    return fingerprint({"train_loc": np.sort(train), "val_loc": np.sort(val)})


def label_digest(label: Index) -> str:
    """Of class ids from 0, in the order of the file."""
    return fingerprint({"label": label})


def attributes_digest(attributes: npt.NDArray[np.float64]) -> str:
    """Of class embeddings as on file, to the precision they are used in."""
    return fingerprint({"attributes": attributes.astype(np.float32)})


def split_version(benchmark: Benchmark, split: SplitFile) -> str:
    """``v1``, ``v2``, ``v1 or v2`` (train_loc and val_loc missing or unknown), or ``not known``."""
    if split_digest(split.split) != benchmark.split:
        return OTHER_SPLIT
    if split.train is not None and split.val is not None:
        found = lists_digest(split.train, split.val)
        for version, digest in (("v1", benchmark.v1), ("v2", benchmark.v2)):
            if found == digest:
                return version
    return "v1 or v2"


def incomparable(
    benchmark: Benchmark,
    features: FeatureFile,
    split: SplitFile,
    attributes: npt.NDArray[np.float64],
    embedding: str,
) -> str:
    """Why published rows do not speak of this data; empty if they do, as far as can be told.

    Of the random splits of the actions only one is known by content; the others are held against
    the benchmark by their counts alone.

    Args:
        attributes, embedding: the class embeddings in use, as on file, and their name.
    """
    return (
        _other_split(benchmark, features, split)
        or _other_features(benchmark, features)
        or _other_embedding(benchmark, attributes, embedding)
    )


def _other_split(benchmark: Benchmark, features: FeatureFile, split: SplitFile) -> str:
    label, parts = features.label, split.split
    classes = (len(np.unique(label[parts.train])), len(np.unique(label[parts.test_unseen])))
    if len(label) != benchmark.samples:
        return f"{len(label)} samples, published rows use {benchmark.samples}"
    if classes != benchmark.classes:
        seen, unseen = benchmark.classes
        return f"{classes[0]} seen and {classes[1]} unseen classes, published rows use {seen} and {unseen}"
    version = split_version(benchmark, split)
    if version == OTHER_SPLIT and benchmark.random_splits == 1:
        return "the split is not the benchmark's"
    if version == "v2":
        return "split version v2, published rows use v1"
    if benchmark.label and label_digest(label) != benchmark.label:
        return "the labels or the order of the samples are not the benchmark's"
    return ""


def _other_features(benchmark: Benchmark, features: FeatureFile) -> str:
    width, name = features.features.shape[1], features.path.stem
    if width != benchmark.width:
        return f"features are {width}-d, published rows use {benchmark.width}-d"
    if name not in benchmark.features:
        return f"features {name!r}, published rows use {' or '.join(map(repr, benchmark.features))}"
    return ""


def _other_embedding(
    benchmark: Benchmark, attributes: npt.NDArray[np.float64], embedding: str
) -> str:
    width = attributes.shape[1]
    if (embedding, width) != (benchmark.embedding, benchmark.embedding_width):
        return (
            f"class embedding {embedding!r} is {width}-d, published rows use "
            f"{benchmark.embedding!r}, {benchmark.embedding_width}-d"
        )
    if benchmark.attributes and attributes_digest(attributes) != benchmark.attributes:
        return f"class embedding {embedding!r} is not the benchmark's"
    return ""
