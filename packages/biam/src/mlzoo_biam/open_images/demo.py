"""``mlzoo data demo open-images``: a small world in exactly the files of Open Images and of BiAM's program.

Beside the packed folders lie the class lists, word vectors, annotations and h5 files that they could be
made of: ``mlzoo data prepare open-images --h5 DIR --scene projection`` makes the same folders.
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.files import write_json
from mlzoo_biam.labels import Labels
from mlzoo_biam.open_images.classes import CHOSEN, DESCRIPTIONS, OTHERS, SEEN, Classes, read_classes
from mlzoo_biam.open_images.spec import annotations_of
from mlzoo_biam.open_images.vectors import PICKLE
from mlzoo_biam.packed.packing import pack_arrays
from mlzoo_biam.packed.projection import Projection
from mlzoo_biam.packed.shards import CLASSES, write_record
from mlzoo_biam.planted import SIDE, World, draw_pictures, draw_world, planted_scores
from mlzoo_biam.planted_answer import PLANTED, best_values, move_into_place

Floats = npt.NDArray[np.float32]
Dense = npt.NDArray[np.int8]

SEEN_COUNT, OTHER_COUNT, UNSEEN_COUNT = 32, 12, 8
SHARDS, SHARD_SIZE = 4, 40
IMAGES = {"train": SHARDS * SHARD_SIZE, "validation": 40, "test": 60}
LOOKED_AT = {1: 0.9, -1: 0.3}
"""Share of the present and of the absent classes of an image that somebody annotated."""
WRONG = 0.03
"""Of the annotations."""
H5 = "features"
H5_NAMES = {
    "train": "CHUNK_{}_CONV5_4_NO_CENTERCROP.h5",
    "validation": "OPENIMAGES_VAL_CONV5_4_NO_CENTERCROP.h5",
    "test": "OPENIMAGES_TEST_CONV5_4_LESA_VGG_NO_CENTERCROP.h5",
}
_SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]


@dataclass(frozen=True, eq=False)
class Part:
    """Images of one part.

    Attributes:
        ids: sorted within each shard.
        regions: float32 [N, 512, 196].
        labels: int8 [N, C]; those of unseen classes are annotated everywhere, but only test's are read.
    """

    ids: list[str]
    regions: Floats
    labels: Dense


def write_demo(root: Path, seed: int) -> Mapping[str, object]:
    """Write a world; everything is moved into place once it is whole.

    Returns:
        What was planted: counts of classes and images, and the ceilings.

    Raises:
        UsageError: one of its files is there already; it might be somebody's data.
    """
    random = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=root, prefix=".demo."))
    try:
        world = draw_world(random, _frequencies())
        classes = _write_classes(work, world, random)
        ids = _ids(random)
        digests, ceilings = {}, {}
        for part in IMAGES:
            images = _draw(world, part, ids[part], random)
            _write_annotations(work, part, images, classes, random)
            _write_h5(work, part, images, classes)
            digests[part] = _pack(work, part, images, classes, seed)
            if part == "test":
                scores = planted_scores(world, images.regions)
                ceilings = best_values(
                    classes.tags, len(classes.seen), scores, images.labels, default=0
                )
        planted: dict[str, Any] = {
            "classes": {"seen": len(classes.seen), "unseen": len(classes.unseen)},
            "images": dict(IMAGES),
            "shards": SHARDS,
            "ceilings": ceilings,
        }
        write_json(
            work / PLANTED, {**planted, "digests": [digests[name] for name in ("train", "test")]}
        )
        move_into_place(work, root)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return planted


def _frequencies() -> npt.NDArray[np.float64]:
    seen = 0.3 * (np.arange(SEEN_COUNT) + 2.0) ** -0.5
    return np.concatenate([seen, np.full(UNSEEN_COUNT, 0.15)])


def _write_classes(folder: Path, world: World, random: np.random.Generator) -> Classes:
    """The four lists and the word vectors, in the formats of the published ones."""
    count = SEEN_COUNT + OTHER_COUNT
    numbers = random.choice(16**5, size=count, replace=False)
    ids = [f"/m/0{number:05x}" for number in numbers]
    seen, others = ids[:SEEN_COUNT], sorted(ids[SEEN_COUNT:])
    chosen = random.permutation(OTHER_COUNT)[:UNSEEN_COUNT]
    (folder / SEEN).write_text("".join(f"{each}\n" for each in seen))
    (folder / OTHERS).write_bytes(_published(np.array(others, dtype=object), 2))
    (folder / CHOSEN).write_bytes(b"\xef\xbb\xbf" + "\r\n".join(map(str, chosen)).encode())
    words = _words(random, count)
    words[1], words[-1] = (
        f'"{words[1]}, {words[0]}"',
        words[2],
    )  # a comma, and a name that two share
    lines = sorted(f"{each},{word}\n" for each, word in zip([*seen, *others], words, strict=True))
    (folder / DESCRIPTIONS).write_text("".join(lines))
    of_others = random.standard_normal((OTHER_COUNT, world.words.shape[1])).astype(np.float32)
    of_others[chosen] = world.words[SEEN_COUNT:]
    both = [world.words[:SEEN_COUNT], of_others]
    (folder / PICKLE).write_bytes(_published(both, 3))
    return read_classes(folder)


def _published(content: object, protocol: int) -> bytes:
    """A pickle with arrays by the name that numpy had before version 2."""
    return pickle.dumps(content, protocol=protocol).replace(b"cnumpy._core.", b"cnumpy.core.")


def _words(random: np.random.Generator, count: int) -> list[str]:
    drawn = random.choice(len(_SYLLABLES) ** 2, size=count, replace=False)
    pairs = [divmod(int(each), len(_SYLLABLES)) for each in drawn]
    return [(_SYLLABLES[first] + _SYLLABLES[second]).capitalize() for first, second in pairs]


def _ids(random: np.random.Generator) -> dict[str, list[str]]:
    """Sixteen hexadecimal digits for each image, sorted within shards and parts."""
    numbers = random.choice(2**48, size=sum(IMAGES.values()), replace=False)
    ids = [f"{number:016x}" for number in numbers]
    found, start = {}, 0
    for part, count in IMAGES.items():
        own, start = ids[start : start + count], start + count
        size = SHARD_SIZE if part == "train" else count
        pieces = [sorted(own[first : first + size]) for first in range(0, count, size)]
        found[part] = [each for piece in pieces for each in piece]
    return found


def _draw(world: World, part: str, ids: list[str], random: np.random.Generator) -> Part:
    pictures = draw_pictures(world, len(ids), random)
    truth = np.where(pictures.present, 1, -1).astype(np.int8)
    chance = np.where(pictures.present, LOOKED_AT[1], LOOKED_AT[-1])
    labels = np.where(random.random(truth.shape) < chance, truth, 0).astype(np.int8)
    labels[random.random(labels.shape) < WRONG] *= -1
    labels[np.arange(len(ids)), pictures.present.argmax(axis=1)] = 1  # one at least, and right
    return Part(ids, pictures.regions, labels)


def _own_labels(part: str, images: Part) -> Dense:
    """Without those of unseen classes, except in test."""
    labels = images.labels.copy()
    if part != "test":
        labels[:, SEEN_COUNT:] = 0
    return labels


def _write_annotations(
    folder: Path, part: str, images: Part, classes: Classes, random: np.random.Generator
) -> None:
    """Rows by image, as people verified them; a few are of classes that nobody asks for."""
    unused = [each for each in classes.others if each not in classes.unseen]
    with (folder / annotations_of(part)).open("w") as file:
        file.write("ImageID,Source,LabelName,Confidence\n")
        for each, row in zip(images.ids, images.labels, strict=True):
            for column in np.flatnonzero(row):
                file.write(f"{each},verification,{classes.ids[column]},{int(row[column] > 0)}\n")
            if random.random() < 0.2:
                file.write(f"{each},crowdsource-verification,{random.choice(unused)},0\n")


def _write_h5(folder: Path, part: str, images: Part, classes: Classes) -> None:
    """The files of BiAM's program: one for each shard of train, one for the other parts."""
    import h5py

    (folder / H5).mkdir(exist_ok=True)
    labels = _own_labels(part, images)
    size = SHARD_SIZE if part == "train" else len(images.ids)
    for number, start in enumerate(range(0, len(images.ids), size)):
        path = folder / H5 / H5_NAMES[part].format(number)
        with h5py.File(path, "w") as file:
            for row in range(start, start + size):
                name = f"{images.ids[row]}.jpg"
                arrays = {
                    "features": images.regions[row],
                    "seenlabels": labels[row, :SEEN_COUNT],
                }
                if part == "test":
                    others = np.zeros(OTHER_COUNT, dtype=np.int8)
                    others[classes.chosen] = labels[row, SEEN_COUNT:]
                    arrays["unseenlabels"] = others
                for ending, array in arrays.items():
                    file.create_dataset(
                        f"{name}-{ending}", data=array, compression="gzip", compression_opts=1
                    )


def _pack(folder: Path, part: str, images: Part, classes: Classes, seed: int) -> str:
    """The packed folders, as preparing from the h5 files makes them; their digest."""
    from mlzoo_biam.packed.shards import open_shards

    scene = Projection(images.regions.shape[1])
    labels = Labels.from_dense(_own_labels(part, images), 0)
    facts = {"scene": "projection", "demo": f"seed {seed}", CLASSES: classes.digest()}
    names = [f"{each}.jpg" for each in images.ids]

    def packed(target: Path, rows: slice) -> str:
        regions = images.regions[rows]
        made = pack_arrays(
            target,
            regions,
            (SIDE, SIDE),
            scene(regions),
            names[rows],
            labels=labels.subset(rows),
            facts=facts,
        )
        return made.digest()

    if part != "train":
        return packed(folder / part, slice(0, len(names)))
    target = folder / part
    target.mkdir()
    shards = [str(number) for number in range(SHARDS)]
    for number, shard in enumerate(shards):
        packed(target / shard, slice(number * SHARD_SIZE, (number + 1) * SHARD_SIZE))
    write_record(target, shards, made_of="demo")
    return open_shards(target, classes.digest(), len(classes.ids))[0].features.digest()
