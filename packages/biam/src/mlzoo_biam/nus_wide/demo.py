"""``mlzoo data demo nus-wide``: a small world in exactly the files of NUS-WIDE, h5 files included.

What is written can be run as it is, and ``mlzoo data prepare nus-wide --scene projection`` makes the
same packed folders of the h5 files. ``planted.json`` has what the planted scorer reaches on test.
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.files import write_json
from mlzoo_biam.labels import Labels
from mlzoo_biam.nus_wide.files import CONCEPTS, TAGS, VECTORS, Vocabulary
from mlzoo_biam.nus_wide.h5 import CONCEPT_LABELS, FEATURES, LABELS
from mlzoo_biam.packed.packing import pack_arrays
from mlzoo_biam.packed.projection import Projection
from mlzoo_biam.planted import SIDE, Pictures, World, draw_pictures, draw_world, planted_scores
from mlzoo_biam.planted_answer import PLANTED, best_values, move_into_place

SEEN, SHARED, OWN = 40, 9, 3
"""Seen tags; concepts that are in the tag list, too, and that are not."""
IMAGES = {"train": 200, "test": 80}
FORGOTTEN, WRONG = 0.1, 0.01
"""Of the tags that an image shows, and of the others: what people get wrong in labels."""
FOLDERS = (
    "balo", "darimo", "fe-nu", "kelo", "kelo_ta", "lumi", "mi_na_so", "piro", "ruma", "sone_li", "tavu",
    "zerimo",
)  # fmt: skip
"""Where the images come from; an underline in a folder's name is no end of it."""
PARTS = ("train", "test")
_SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]


def write_demo(root: Path, seed: int) -> Mapping[str, object]:
    """Write a world; everything is moved into place once it is whole.

    Returns:
        What was planted: counts of tags and images, and the ceilings.

    Raises:
        UsageError: one of its files is there already; it might be somebody's data.
    """
    random = np.random.default_rng(seed)
    words = _vocabulary(random)
    world = draw_world(random, _frequencies())
    pictures = {part: draw_pictures(world, IMAGES[part], random) for part in PARTS}
    labels = {part: _labels(pictures[part], random) for part in PARTS}
    names = dict(zip(PARTS, _image_names(random), strict=True))
    root.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=root, prefix=".demo."))
    try:
        _write_words(work, words, world, random)
        digests = []
        for part in PARTS:
            regions = pictures[part].regions
            _write_h5(work, part, regions, labels[part], names[part], words)
            packed = pack_arrays(
                work / part,
                regions,
                (SIDE, SIDE),
                Projection(regions.shape[1])(regions),
                names[part],
                labels=Labels.from_dense(labels[part]),
                facts={"scene": "projection", "demo": f"seed {seed}"},
            )
            digests.append(packed.digest())
        scores = planted_scores(world, pictures["test"].regions)
        ceilings = best_values(words.all_tags, words.seen_count, scores, labels["test"])
        planted: dict[str, Any] = {
            "tags": {"seen": words.seen_count, "unseen": len(words.concepts)},
            "images": dict(IMAGES),
            "ceilings": ceilings,
        }
        write_json(work / PLANTED, {**planted, "digests": digests})
        move_into_place(work, root)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return planted


def _vocabulary(random: np.random.Generator) -> Vocabulary:
    """Made-up words: concepts in alphabetical order, some of them strewn among the tags."""
    count = SEEN + SHARED + OWN
    pieces = random.permutation(_SYLLABLES)
    made = [pieces[i] + pieces[-1 - i // 2] for i in range(count)]
    drawn = [str(word) for word in random.permutation(made)]
    concepts = sorted(drawn[SEEN:])
    shared = random.choice(concepts, size=SHARED, replace=False)
    tags = [*drawn[:SEEN]]
    for word in shared:
        tags.insert(int(random.integers(len(tags) + 1)), str(word))
    return Vocabulary(tuple(tags), tuple(concepts))


def _frequencies() -> npt.NDArray[np.float64]:
    """Few seen tags are frequent, many are rare; unseen ones are alike."""
    seen = 0.3 * (np.arange(SEEN) + 2.0) ** -0.6
    return np.concatenate([seen, np.full(SHARED + OWN, 0.1)])


def _labels(pictures: Pictures, random: np.random.Generator) -> npt.NDArray[np.int8]:
    """int8 [N, C] of -1 and +1: what is shown, with the errors of people."""
    shown = pictures.present
    chance = random.random(shown.shape)
    given = np.where(shown, chance >= FORGOTTEN, chance < WRONG)
    given[np.arange(len(shown)), shown.argmax(axis=1)] = True  # one right tag at least
    return np.where(given, 1, -1).astype(np.int8)


def _image_names(random: np.random.Generator) -> tuple[list[str], list[str]]:
    """Of train and of test, ordered by folder as published."""
    total = sum(IMAGES.values())
    folders = np.sort(random.integers(len(FOLDERS), size=total))
    ids = random.choice(2**31, size=total, replace=False)
    names = [
        f"{FOLDERS[f]}_{i:04d}_{id_}.jpg"
        for i, (f, id_) in enumerate(zip(folders, ids, strict=True))
    ]
    of_test = np.zeros(total, dtype=bool)
    of_test[random.permutation(total)[: IMAGES["test"]]] = True
    train, test = (
        [n for n, own in zip(names, of_test, strict=True) if own == kind] for kind in (False, True)
    )
    return train, test


def _write_words(
    folder: Path, words: Vocabulary, world: World, random: np.random.Generator
) -> None:
    """Both lists with the line ends of DOS, and the vectors as they were published."""
    for name, own in ((TAGS, words.tags), (CONCEPTS, words.concepts)):
        (folder / name).write_bytes("".join(f"{word}\r\n" for word in own).encode())
    place = {word: row for row, word in enumerate(words.all_tags)}
    arrays = [world.words[[place[word] for word in own]] for own in (words.tags, words.concepts)]
    (folder / VECTORS).write_bytes(published_pickle(arrays))


def published_pickle(content: object) -> bytes:
    """In protocol 3, arrays by the name that numpy had before version 2."""
    return pickle.dumps(content, protocol=3).replace(b"cnumpy._core.", b"cnumpy.core.")


def _write_h5(
    folder: Path,
    part: str,
    regions: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int8],
    names: Sequence[str],
    words: Vocabulary,
) -> None:
    """``features/nus_wide_<part>.h5`` and the pickled list of names."""
    import h5py

    (folder / "features").mkdir(exist_ok=True)
    width = words.seen_count if part == "train" else labels.shape[1]
    with h5py.File(folder / "features" / f"nus_wide_{part}.h5", "w") as file:
        for name, image, own in zip(names, regions, labels, strict=True):
            for ending, array in (
                (FEATURES, image),
                (LABELS, own[:width]),
                (CONCEPT_LABELS, own[words.seen_count :]),
            ):
                file.create_dataset(
                    name + ending, data=array, compression="gzip", compression_opts=1
                )
    prefix = {"train": "", "test": "test_"}[part]
    (folder / f"{prefix}img_names.pkl").write_bytes(published_pickle({"img_names": list(names)}))
