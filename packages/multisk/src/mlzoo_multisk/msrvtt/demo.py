"""``mlzoo data demo msrvtt``: a small world in the published pickles of MSR-VTT, with word vectors."""

from __future__ import annotations

from collections.abc import Mapping
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
from mlzoo_multisk.msrvtt.files import TEST_PICKLE, TRAIN_PICKLE

TRAIN, TEST, COMPLETE = 480, TOPICS, 100
CAPTIONS = 5
"""Of a training video."""


def write_demo(root: Path, seed: int) -> Mapping[str, object]:
    """Write 480 videos to learn from and 96 of 100 test clips, one of each topic.

    Returns:
        What was planted: counts and ceilings.

    Raises:
        RunError: a file cannot be written.
    """
    world = planted_world(seed)
    random = np.random.RandomState(seed)
    names = [f"video{number}" for number in random.permutation(10_000)[: TRAIN + COMPLETE]]
    topics = random.permutation(np.arange(TRAIN) % TOPICS)
    train: list[dict[str, Any]] = []
    for number, topic in enumerate(topics):
        captions = [world.sentence(int(topic), random) for _ in range(CAPTIONS)]
        clip = draw_clip(world, int(topic), number, random, training=True)
        train.append({"id": names[number], **clip, "caption": captions})
    test: list[dict[str, Any]] = []
    of_test = random.permutation(TEST)
    for number, topic in enumerate(of_test):
        clip = draw_clip(world, int(topic), number, random, training=False)
        caption = world.sentence(int(topic), random)
        test.append({"id": names[TRAIN + number], **clip, "eval_caption": caption})
    write_published(root / TRAIN_PICKLE, train)
    keys = [item["id"] for item in test]
    planted = write_answer(root, world, keys, of_test.tolist(), COMPLETE)
    write_published(root / TEST_PICKLE, test)
    return {**planted, "training videos": TRAIN}
