"""``mlzoo data demo howto100m``: the published layout, a small world in it.

In every video the topic changes every ten to twenty seconds, and somebody speaks of the present topic in
captions of three to six seconds; a few captions say nothing of it. Some videos lack their spectrogram.
"""

from __future__ import annotations

import csv
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.errors import UsageError
from mlzoo.files import atomic_write, write_arrays, write_json
from mlzoo_multisk.clips import Index
from mlzoo_multisk.howto100m.files import AUDIO, CAPTIONS, COLUMN, FEATURES, VIDEOS
from mlzoo_multisk.planted import FRAMES, ROWS_2D, ROWS_3D, PlantedWorld

COUNT = 60
TOPICS = 96
SECONDS = (60, 100)
WITHOUT_AUDIO = 0.1
SILENT = 0.1
"""Of the captions, those that name no topic."""
PLANTED = "planted.json"
_CATEGORIES = ("Food_and_Entertaining", "Home_and_Garden")


def write_demo(root: Path, seed: int) -> Mapping[str, object]:
    """Write the files; ``videos.csv``, without which there is nothing, comes last.

    Returns:
        What was planted.

    Raises:
        UsageError: the folder holds something already.
    """
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise UsageError(f"{root} is not empty.", "Move it away, or choose another folder.")
    world = PlantedWorld(seed, TOPICS)
    world.write_word_vectors(root / "word_vectors.txt")
    random = np.random.RandomState(seed)
    without = set(random.permutation(COUNT)[: round(WITHOUT_AUDIO * COUNT)].tolist())
    captions, paths, topics = {}, [], {}
    for number in range(COUNT):
        name = f"demo-{seed}_{number:04d}"
        path = f"{_CATEGORIES[number % 2]}/video_{number % 10}/{name}"
        changes, own = _timeline(random)
        _write_arrays(root, path, name, changes, own, world, random, number not in without)
        captions[name] = _captions(changes, own, world, random)
        topics[name] = [
            [float(t), world.names[topic]] for t, topic in zip(changes[:-1], own, strict=True)
        ]
        paths.append(f"None/{path}" if number % 3 == 0 else path)
    with atomic_write(root / CAPTIONS) as file:
        pickle.dump(captions, file, protocol=4)
    planted: dict[str, Any] = {
        "videos": COUNT,
        "without audio": len(without),
        "captions": sum(len(each["text"]) for each in captions.values()),
        **world.facts(),
    }
    write_json(root / PLANTED, {**planted, "seed": seed, "begins": topics})
    with (root / VIDEOS).open("w", newline="", encoding="utf-8") as file_of_paths:
        csv.writer(file_of_paths, lineterminator="\n").writerows(
            [("video_id", COLUMN), *((path.rpartition("/")[2], path) for path in paths)]
        )
    return planted


def _timeline(random: np.random.RandomState) -> tuple[Index, Index]:
    """int64 [n + 1], when topics change, in seconds, and int64 [n], which they are."""
    seconds = random.randint(*SECONDS)
    changes = [0]
    while changes[-1] < seconds:
        changes.append(changes[-1] + random.randint(10, 21))
    changes[-1] = seconds
    if changes[-1] - changes[-2] < 5 and len(changes) > 2:
        del changes[-2]
    topics = np.resize(random.permutation(TOPICS), len(changes) - 1)
    return np.array(changes, np.int64), topics.astype(np.int64)


def _write_arrays(
    root: Path,
    path: str,
    name: str,
    changes: Index,
    topics: Index,
    world: PlantedWorld,
    random: np.random.RandomState,
    with_audio: bool,
) -> None:
    """Files in both of the layouts that are published: a folder for each video, or none."""

    def at(rate: float) -> Index:
        times = np.arange(int(changes[-1] * rate)) / rate
        return np.asarray(topics[np.searchsorted(changes, times, side="right") - 1])

    own_folder = random.random_sample() < 0.5
    where = {folder: root / folder / path for folder in (FEATURES, AUDIO)}
    where = {n: folder if own_folder else folder.parent for n, folder in where.items()}
    for folder in where.values():
        folder.mkdir(parents=True, exist_ok=True)
    video_2d, video_3d = world.rows_2d(at(ROWS_2D), random), world.rows_3d(at(ROWS_3D), random)
    sound = world.frames(at(FRAMES), random)  # drawn in any case: the rest stays what it is
    write_arrays(where[FEATURES] / f"{name}_2d.npz", {"features": video_2d})
    ending = "_3d" if own_folder else ""
    write_arrays(where[FEATURES] / f"{name}{ending}.npz", {"features": video_3d})
    if with_audio:
        write_arrays(where[AUDIO] / f"{name}_spec.npz", {"arr_0": sound})


def _captions(
    changes: Index, topics: Index, world: PlantedWorld, random: np.random.RandomState
) -> dict[str, Any]:
    """Of one video; half of them as lists and half as arrays, as both are published."""
    starts, ends, texts = [], [], []
    time = float(np.round(random.uniform(0, 2), 2))
    while time < changes[-1] - 3:
        end = min(float(np.round(time + random.uniform(3, 6), 2)), float(changes[-1]))
        topic = topics[np.searchsorted(changes, (time + end) / 2, side="right") - 1]
        said = world.sentence(int(topic), random)
        texts.append("um it is the" if random.random_sample() < SILENT else said)
        starts.append(time)
        ends.append(end)
        time = float(np.round(end + random.uniform(0, 1.5), 2))
    found: dict[str, Any] = {"start": starts, "end": ends, "text": texts}
    if random.random_sample() < 0.5:
        return found
    return {"start": np.array(starts), "end": np.array(ends), "text": texts}
