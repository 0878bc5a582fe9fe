"""One's own images with tags, of which some are unseen, from their packed folders.

tags.json           the seen and the unseen tags, in their order
word_vectors.npz    their vectors
train/, test/       packed features with labels.npz
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlzoo.data.readers import ArraySpec, read_npz
from mlzoo.data.word_vectors import Vectors
from mlzoo.errors import DataError, MlzooError
from mlzoo.files import read_json, write_arrays, write_json
from mlzoo_biam.dataset_config import TaggedImagesOptions
from mlzoo_biam.multilabel import MultiLabelData
from mlzoo_biam.packed.shards import open_packed
from mlzoo_biam.packed.store import AGAIN
from mlzoo_biam.planted_answer import ceilings
from mlzoo_biam.splitting import split_rows
from mlzoo_biam.word_vectors import unit_rows

RECORD, VECTORS = "tags.json", "word_vectors.npz"
OWN = "these are your own images; no published number is of them"


@dataclass(frozen=True, eq=False)
class Tags:
    """Attributes:
    seen: names of the seen tags.
    unseen: names of the others.
    """

    seen: tuple[str, ...]
    unseen: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Seen, then unseen: the columns of labels and scores."""
        return self.seen + self.unseen

    def digest(self) -> str:
        """SHA-256 of the tags in their order and how many are seen."""
        text = "\n".join([str(len(self.seen)), *self.all])
        return hashlib.sha256(text.encode()).hexdigest()


def load(root: Path, options: TaggedImagesOptions) -> MultiLabelData:
    """One's own data; nothing of the features is read but their sizes.

    Args:
        root: made by ``mlzoo data prepare tagged-images`` or ``mlzoo data demo tagged-images``.
        options: which images are held out for validation.

    Raises:
        DataError: a file is missing, damaged or does not fit the others.
    """
    tags = read_record(root / RECORD)
    vectors = _read_vectors(root / VECTORS, tags)
    train, test = (
        open_packed(root / part, tags.digest(), len(tags.all)) for part in ("train", "test")
    )
    if same := sorted(set(train.names) & set(test.names)):
        raise DataError(
            f"{root}: {len(same)} images are in train and in test, such as {same[0]!r}."
        )
    rows, held_out = split_rows(len(train), options)
    return MultiLabelData(
        tags=tags.all,
        seen_count=len(tags.seen),
        vectors=vectors,
        train=train.only(rows),
        val=None if held_out is None else train.only(held_out),
        test=test,
        facts={"validation": options.validation},
        ceilings=ceilings(root, [train.features.digest(), test.features.digest()]),
        incomparable=OWN,
    )


def write_tags(root: Path, tags: Tags, vectors: Vectors) -> None:
    """Write ``word_vectors.npz``, then ``tags.json``, which says that all is there."""
    write_arrays(root / VECTORS, {"vectors": vectors, "tags": np.array(tags.all)})
    write_json(root / RECORD, {"seen": list(tags.seen), "unseen": list(tags.unseen)})


def read_record(path: Path) -> Tags:
    """The tags; raises DataError if the file is missing or damaged."""
    if not path.is_file():
        raise DataError(f"{path} does not exist.", "Make it: mlzoo data prepare tagged-images.")
    try:
        kept = read_json(path)
        seen, unseen = (kept[kind] for kind in ("seen", "unseen"))
    except (MlzooError, KeyError) as error:
        raise DataError(f"{path} is damaged.", AGAIN) from error
    for names in (seen, unseen):
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(f"{path} is damaged: expected lists of tags.", AGAIN)
    return Tags(tuple(seen), tuple(unseen))


def _read_vectors(path: Path, tags: Tags) -> Vectors:
    specs = {"vectors": ArraySpec(ndim=2, kinds="f"), "tags": ArraySpec(ndim=1, kinds="U")}
    arrays = read_npz(path, specs)
    if arrays["tags"].tolist() != list(tags.all) or len(arrays["vectors"]) != len(tags.all):
        raise DataError(f"{path} is of other tags than {RECORD}, or of another order.", AGAIN)
    return unit_rows(arrays["vectors"], tags.all, str(path))
