"""``mlzoo data demo youcook2``: a small world in the published pickles of YouCook2, with word vectors."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo_multisk.benchmark.demo import (
    TOPICS,
    draw_clip,
    planted_world,
    write_answer,
    write_published,
)
from mlzoo_multisk.planted import PlantedWorld
from mlzoo_multisk.youcook2.files import TEST_PICKLE, TRAIN_PICKLE
from mlzoo_multisk.youcook2.loading import ID_LENGTH

TRAIN, TEST, COMPLETE = 480, TOPICS, 100
STEPS = 4
"""Clips of a video."""
_LETTERS = np.array([*string.ascii_letters, *string.digits])


def write_demo(root: Path, seed: int) -> Mapping[str, object]:
    """Write 480 clips to learn from and 100 test clips, of which four have no 2D features and do not count.

    Returns:
        What was planted: counts and ceilings.

    Raises:
        RunError: a file cannot be written.
    """
    world = planted_world(seed)
    random = np.random.RandomState(seed)
    names = _names(random, TRAIN + COMPLETE)
    topics = random.permutation(np.arange(TRAIN) % TOPICS)
    train = _items(world, topics, names[:TRAIN], random, training=True)
    of_test = random.permutation(COMPLETE) % TOPICS
    test = _items(world, of_test, names[TRAIN:], random, training=False)
    for item in test[TEST:]:
        del item["2d_full"]
    write_published(root / TRAIN_PICKLE, train)
    keys = [item["id"] for item in test[:TEST]]
    planted = write_answer(root, world, keys, of_test[:TEST].tolist(), COMPLETE)
    write_published(root / TEST_PICKLE, test)
    return {**planted, "training clips": TRAIN}


def _names(random: np.random.RandomState, count: int) -> list[str]:
    """Ids of clips: their video's, and which step of it."""
    letters = random.choice(_LETTERS, (-(-count // STEPS), ID_LENGTH))
    videos = ["".join(row) for row in letters]
    return [f"{videos[number // STEPS]}_{number % STEPS}" for number in range(count)]


def _items(
    world: PlantedWorld,
    topics: np.ndarray[Any, np.dtype[np.int64]],
    names: Sequence[str],
    random: np.random.RandomState,
    *,
    training: bool,
) -> list[dict[str, Any]]:
    keys = {"2d": "2d_full", "3d": "3d_full", "audio": "audio"}
    items: list[dict[str, Any]] = []
    for number, (topic, name) in enumerate(zip(topics, names, strict=True)):
        clip = draw_clip(world, int(topic), number, random, training=training)
        caption = world.sentence(int(topic), random)
        items.append(
            {"id": name, **{keys[kind]: array for kind, array in clip.items()}, "caption": caption}
        )
    return items
