"""NUS-WIDE from its packed folder: 925 tags of Flickr users are seen, 81 annotated concepts unseen.

The folder holds ``TagList1k.txt``, ``Concepts81.txt`` and the word vectors as published, and the
packed folders ``train`` and ``test``, each with ``labels.npz`` of all tags. How many tags and images
there are follows from the files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.errors import DataError
from mlzoo_biam.dataset_config import NusWideOptions
from mlzoo_biam.multilabel import Images, MultiLabelData
from mlzoo_biam.nus_wide.benchmark import other_part, other_words
from mlzoo_biam.nus_wide.files import (
    VECTORS,
    Vocabulary,
    read_raw_vectors,
    read_vocabulary,
    read_word_vectors,
)
from mlzoo_biam.packed.label_file import read_labels
from mlzoo_biam.packed.store import LABELS, PackedFeatures
from mlzoo_biam.planted_answer import ceilings
from mlzoo_biam.splitting import split_rows


def load(root: Path, options: NusWideOptions) -> MultiLabelData:
    """The data of NUS-WIDE; nothing of the features is read but their sizes.

    Args:
        root: made by ``mlzoo data prepare nus-wide`` or ``mlzoo data demo nus-wide``.
        options: which images are held out for validation.

    Raises:
        DataError: a file is missing, damaged or does not fit the others.
    """
    words = read_vocabulary(root)
    vectors = read_word_vectors(root / VECTORS, words)
    train, test = (read_part(root / name, words) for name in ("train", "test"))
    if same := sorted(set(train.names) & set(test.names)):
        raise DataError(
            f"{root}: {len(same)} images are in train and in test, such as {same[0]!r}."
        )
    rows, held_out = split_rows(len(train), options)
    return MultiLabelData(
        tags=words.all_tags,
        seen_count=words.seen_count,
        vectors=vectors,
        train=train.only(rows),
        val=None if held_out is None else train.only(held_out),
        test=test,
        facts={"validation": options.validation, **_facts(train, test)},
        ceilings=ceilings(root, [train.features.digest(), test.features.digest()]),
        incomparable=_incomparable(root, words, train, test),
    )


def read_part(folder: Path, words: Vocabulary) -> Images:
    """All images of a packed folder with their labels; raises DataError as :func:`load`."""
    features = PackedFeatures(folder)
    labels = read_labels(folder / LABELS, len(words.all_tags), len(features), words.seen_count)
    return Images(features, labels, features.names, np.arange(len(features), dtype=np.int64))


def _facts(*parts: Images) -> dict[str, Any]:
    """What was told when the parts were made."""
    names = ("train", "test")
    facts = {name: _packed(part).facts for name, part in zip(names, parts, strict=True)}
    return {"made of": facts} if any(facts.values()) else {}


def _incomparable(root: Path, words: Vocabulary, train: Images, test: Images) -> str:
    of_tags, of_concepts = read_raw_vectors(root / VECTORS, words)
    if reason := other_words(words, of_tags, of_concepts):
        return reason
    for name, part in (("train", train), ("test", test)):
        if reason := other_part(name, _packed(part), part.labels, words.seen_count):
            return reason
    return ""


def _packed(part: Images) -> PackedFeatures:
    assert isinstance(part.features, PackedFeatures)
    return part.features
