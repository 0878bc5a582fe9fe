"""``mlzoo data demo tagged-images``: a small world as preparing one's own images makes it.

The features are planted, so there are no images. How a table, a list of unseen tags and word vectors may
look is shown in ``given/``.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import UsageError
from mlzoo.files import write_json
from mlzoo_biam.labels import Labels
from mlzoo_biam.packed.packing import pack_arrays
from mlzoo_biam.packed.projection import Projection
from mlzoo_biam.packed.shards import CLASSES
from mlzoo_biam.planted import SIDE, draw_pictures, draw_world, planted_scores
from mlzoo_biam.planted_answer import PLANTED, best_values
from mlzoo_biam.tagged_images.loading import Tags, write_tags
from mlzoo_biam.word_vectors import unit_rows

SEEN, UNSEEN = 24, 6
IMAGES = {"train": 120, "test": 60}
FORGOTTEN, WRONG = 0.1, 0.01
"""Of the tags that an image shows, and of the others: what people get wrong in labels."""
GIVEN = "given"
_COLOURS = ("red", "blue", "green", "grey", "brown")
_THINGS = ("boat", "house", "bird", "door", "flower", "car")


def write_demo(root: Path, seed: int) -> Mapping[str, object]:
    """Write a world; ``tags.json``, without which it is none, comes last.

    Returns:
        What was planted: counts of tags and images, and the ceilings.

    Raises:
        UsageError: the folder holds something already.
    """
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise UsageError(f"{root} is not empty.", "Move it away, or choose another folder.")
    random = np.random.default_rng(seed)
    frequencies = np.concatenate([np.linspace(0.25, 0.05, SEEN), np.full(UNSEEN, 0.15)])
    world = draw_world(random, frequencies)
    names = [f"{colour} {thing}" for colour in _COLOURS for thing in _THINGS]
    drawn = [str(name) for name in random.permutation(names)]
    tags = Tags(tuple(drawn[:SEEN]), tuple(drawn[SEEN:]))
    rows: list[list[str]] = []
    digests, ceilings = [], {}
    for part, count in IMAGES.items():
        pictures = draw_pictures(world, count, random)
        labels = _labels(pictures.present, random)
        images = [f"{part}/photo{number:03d}.jpg" for number in range(count)]
        digests.append(_pack(root / part, images, pictures.regions, labels, tags, seed))
        for image, row in zip(images, labels, strict=True):
            own = ";".join(tags.all[column] for column in np.flatnonzero(row > 0))
            rows.append([image, own, part])
        if part == "test":
            scores = planted_scores(world, pictures.regions)
            ceilings = best_values(tags.all, len(tags.seen), scores, labels)
    _write_given(root / GIVEN, tags, world.words, rows)
    planted: dict[str, Any] = {
        "tags": {"seen": SEEN, "unseen": UNSEEN},
        "images": dict(IMAGES),
        "ceilings": ceilings,
    }
    write_json(root / PLANTED, {**planted, "digests": digests})
    write_tags(root, tags, unit_rows(world.words, tags.all, "the world"))
    return planted


def _labels(present: npt.NDArray[np.bool_], random: np.random.Generator) -> npt.NDArray[np.int8]:
    """int8 [N, C] of -1 and +1: what is shown, with the errors of people."""
    chance = random.random(present.shape)
    given = np.where(present, chance >= FORGOTTEN, chance < WRONG)
    given[np.arange(len(present)), present.argmax(axis=1)] = True  # one right tag at least
    return np.where(given, 1, -1).astype(np.int8)


def _pack(
    folder: Path,
    images: list[str],
    regions: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int8],
    tags: Tags,
    seed: int,
) -> str:
    made = pack_arrays(
        folder,
        regions,
        (SIDE, SIDE),
        Projection(regions.shape[1])(regions),
        images,
        labels=Labels.from_dense(labels),
        facts={"scene": "projection", "demo": f"seed {seed}", CLASSES: tags.digest()},
    )
    return made.digest()


def _write_given(
    folder: Path, tags: Tags, words: npt.NDArray[np.float32], rows: list[list[str]]
) -> None:
    """What a person with images would give: labels.csv, unseen.txt, vectors.npz."""
    folder.mkdir()
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([["image", "tags", "split"], *rows])
    (folder / "unseen.txt").write_text("".join(f"{tag}\n" for tag in tags.unseen))
    np.savez(folder / "vectors.npz", words=np.array(tags.all), vectors=words)
