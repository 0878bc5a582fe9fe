"""What a features file is, told from its content alone; see :mod:`mlzoo_tfvaegan.doctor`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from mlzoo import Finding
from mlzoo_tfvaegan.mat_files import FeatureFile
from mlzoo_tfvaegan.versions import BENCHMARKS, label_digest
from mlzoo_tfvaegan.zero_shot import Split

KINDS = {
    2048: "as pool features of a ResNet-101",
    1000: "as the logits of a classifier of 1000 classes",
    8192: "as I3D features, RGB and flow",
}


def check_features(dataset: str, features: FeatureFile) -> Iterator[Finding]:
    """Kind, range, constant features, rows of zeros, labels and sizes of one features file."""
    subject, (count, width) = features.path.name, features.features.shape
    yield Finding("ok", subject, f"{count} samples, {width}-d {KINDS.get(width, '')}".rstrip())
    benchmark = BENCHMARKS.get(dataset)
    classes = len(np.unique(features.label))
    yield Finding("ok", subject, f"labels of {classes} classes, 1 to {features.label.max() + 1}")
    if classes <= features.label.max():
        gaps = int(features.label.max()) + 1 - classes
        yield Finding("warning", subject, f"{gaps} classes below the largest label have no sample")
    if benchmark is not None:
        expected = (benchmark.samples, sum(benchmark.classes), benchmark.width)
        found = (count, classes, width)
        for what, is_, should in zip(
            ("samples", "classes", "features"), found, expected, strict=True
        ):
            if is_ != should:
                yield Finding("warning", subject, f"{is_} {what}, the benchmark has {should}")
        if count == benchmark.samples and benchmark.label:
            yield _order(label_digest(features.label) == benchmark.label, subject)
    yield from _values(features, subject)


def _order(same: bool, subject: str) -> Finding:
    if same:
        return Finding("ok", subject, "labels are the benchmark's, in its order of samples")
    text = "labels or the order of samples are not the benchmark's"
    fix = "The benchmark's split would name other samples: keep both files of one source."
    return Finding("warning", subject, text, fix)


def _values(features: FeatureFile, subject: str) -> Iterator[Finding]:
    values = features.features
    low, high = values.min(axis=0), values.max(axis=0)
    least, largest = float(low.min()), float(high.max())
    yield Finding("ok", subject, f"values from {least:.4g} to {largest:.4g}")
    width = values.shape[1]
    if least < 0 and width in (2048, 8192):
        text = "negative values: pooled features end in a ReLU and have none"
        yield Finding("warning", subject, text, "Were they centred, or taken from another layer?")
    elif least < 0:
        yield Finding("note", subject, "negative values", "Keep --scaling minmax.")
    elif least == 0 and abs(largest - 1) < 1e-6:
        text = "already scaled to [0, 1]"
        yield Finding("warning", subject, text, "If test samples took part in it, they leak.")
    if constant := int((low == high).sum()):
        yield Finding("note", subject, f"{constant} features are the same in all samples")
    if zeros := int((~values.any(axis=1)).sum()):
        fix = "Extract the features of these samples again."
        yield Finding("warning", subject, f"{zeros} samples are all zeros", fix)


def check_duplicates(features: FeatureFile, split: Split) -> Iterator[Finding]:
    """Samples that stand in training and in a test part with the very same features.

    Args:
        features: the file.
        split: rows of it.
    """
    digests = [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in features.features]
    rows = split.arrays()
    train = {digests[row] for row in rows.pop("train")}
    for name, tested in rows.items():
        same = [int(row) for row in tested if digests[row] in train]
        if same:
            text = f"{len(same)} samples of {name} equal one of train (sample {same[0] + 1})"
            fix = "Results on them are too good: remove the copies."
            yield Finding("warning", features.path.name, text, fix)
    if len(set(digests)) < len(digests):
        copies = len(digests) - len(set(digests))
        yield Finding("note", features.path.name, f"{copies} samples are copies of another")
    else:
        yield Finding("ok", features.path.name, "no sample stands twice")
