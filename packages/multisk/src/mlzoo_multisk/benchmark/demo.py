"""What the demos of MSR-VTT and YouCook2 have in common: clips of a planted world in published files."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.files import atomic_write
from mlzoo_multisk.benchmark.marker import Planted, write_marker
from mlzoo_multisk.planted import PlantedWorld

TOPICS = 96
SECONDS = (3.0, 6.0)
"""Shortest and longest clip."""
WORD_VECTORS = "word_vectors.txt"
LACKING = 12
"""One clip in so many has no audio; the one after it, of those to learn from, no 3D rows."""


def planted_world(seed: int) -> PlantedWorld:
    """Topics of two words each; features are narrow, so that the files are small."""
    return PlantedWorld(seed, TOPICS)


def draw_clip(
    world: PlantedWorld, topic: int, number: int, random: np.random.RandomState, *, training: bool
) -> dict[str, Any]:
    """Of one clip: ``2d``, ``3d`` and ``audio``, some of which may be missing, and ``seconds``."""
    seconds = random.uniform(*SECONDS)
    rows_2d, rows_3d = world.video_rows(topic, seconds, random)
    clip = {"2d": rows_2d, "3d": rows_3d, "audio": world.spectrogram(topic, seconds, random)}
    if number % LACKING == 1:
        del clip["audio"]
    elif number % LACKING == 2 and training:
        del clip["3d"]
    return clip


def write_published(path: Path, items: Sequence[Mapping[str, Any]]) -> None:
    """A pickle of protocol 3, arrays by the name that numpy had before version 2."""
    data = pickle.dumps([dict(item) for item in items], protocol=3)
    with atomic_write(path) as file:
        file.write(data.replace(b"cnumpy._core.", b"cnumpy.core."))


def write_answer(
    root: Path, world: PlantedWorld, keys: Sequence[str], topics: Sequence[int], complete: int
) -> Mapping[str, object]:
    """Write the word vectors and what was planted.

    Args:
        root: the dataset's folder.
        world: what the clips are of.
        keys: ids of the test clips.
        topics: of each of them.
        complete: test clips, those that lack included.

    Returns:
        What was planted, with the ceilings.
    """
    found = ceilings(world, topics, complete)
    world.write_word_vectors(root / WORD_VECTORS)
    facts = {**world.facts(), "clips": {"test": len(keys), "of": complete}}
    write_marker(root, keys, Planted(complete, found), facts)
    told = {name: found[name] for name in found if name.startswith("t2v_")}
    return {
        **facts,
        "seconds": f"{SECONDS[0]:g} to {SECONDS[1]:g}, so that --tokens 12 is enough and fast",
        "ceilings": {name: round(value, 1) for name, value in told.items()},
    }


def ceilings(world: PlantedWorld, topics: Sequence[int], complete: int) -> dict[str, float]:
    """Best values by metric. Recall counts clips that lack altogether as not found; of directions in which
    audio stands alone there is none, as some clips have no audio."""
    share = len(topics) / complete
    return {
        name: value if name.endswith("_rank") else value * share
        for name, value in world.ceilings(topics).items()
        if "a" not in name.split("_")[0].split("2")
    }
