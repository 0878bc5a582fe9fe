"""Small copies of MSR-VTT and YouCook2 in their published files."""

from __future__ import annotations

import csv
import json
import os
import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo_multisk.views.text import WordTable

WIDTH_2D, WIDTH_3D, WORD_WIDTH = 6, 5, 4
_SENTENCE = "a man cooks rice and fries onions in the pan while dog runs over green grass"
WORDS = tuple(_SENTENCE.split(" "))


class Payload:
    """Pickles as a call that leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.trace}",)


def word_table() -> WordTable:
    """All of :data:`WORDS`."""
    vectors = np.random.default_rng(0).standard_normal((len(WORDS), WORD_WIDTH))
    return WordTable.of(WORDS, vectors.astype(np.float32))


def write_words(root: Path, words: Iterable[str] = WORDS) -> None:
    """``word_vectors.txt`` with a made-up vector of each word."""
    random = np.random.default_rng(1)
    lines = [f"{word} " + " ".join(f"{x:.4f}" for x in random.random(WORD_WIDTH)) for word in words]
    (root / "word_vectors.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def arrays(number: int, seconds: int = 10) -> dict[str, Any]:
    """2D rows, 3D rows and audio of some video."""
    random = np.random.default_rng(number)
    return {
        "2d": random.random((seconds, WIDTH_2D), dtype=np.float32),
        "3d": random.random((seconds * 3 // 2, WIDTH_3D), dtype=np.float32),
        "audio": random.random((40, 100 * seconds), dtype=np.float32).astype(np.float16),
    }


def msrvtt_items(count: int, *, first: int = 0, caption: str = "eval_caption") -> list[Any]:
    """As published; training items have a list of captions."""
    items = []
    for number in range(first, first + count):
        said = [f"a man cooks {WORDS[number % len(WORDS)]}", "the dog runs", f"in pan {number}"]
        own: Any = said[0] if caption == "eval_caption" else said
        items.append({"id": f"video{number}", **arrays(number), caption: own})
    return items


def youcook_items(count: int, *, first: int = 0) -> list[Any]:
    """As published: three clips of a video."""
    items = []
    for number in range(first, first + count):
        own = arrays(number)
        named = {"2d_full": own["2d"], "3d_full": own["3d"], "audio": own["audio"]}
        key = f"{number // 3:011d}_{number % 3}"
        items.append({"id": key, **named, "caption": f"fries {WORDS[number % len(WORDS)]}"})
    return items


def write_pickle(path: Path, content: Any) -> None:
    """In protocol 3, as the published ones."""
    path.write_bytes(pickle.dumps(content, protocol=3))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """With quotes where they are needed."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([columns, *rows])


def write_features(folder: Path, video: str, content: Mapping[str, Any]) -> None:
    """The npz files of a video, of what ``content`` has of ``2d``, ``3d`` and ``audio``."""
    folder.mkdir(exist_ok=True)
    names = {
        "2d": ("_2d.npz", "features"),
        "3d": ("_3d.npz", "features"),
        "audio": ("_spec.npz", "arr_0"),
    }
    for kind, array in content.items():
        ending, name = names[kind]
        np.savez(folder / f"{video}{ending}", **{name: array})


def write_msrvtt_csv(root: Path, test: int = 5, train: int = 10) -> None:
    """The csv layout, all features included."""
    numbers = range(test + train)
    rows = [[f"ret{n}", f"msr{n}", f"video{n}", f"a man cooks {n}"] for n in numbers[:test]]
    write_csv(root / "msrvtt_test.csv", ["key", "vid_key", "video_id", "sentence"], rows)
    listed = [[f"video{n}"] for n in numbers[test:]]
    write_csv(root / "MSRVTT_train.9k.csv", ["video_id"], listed)
    write_csv(root / "MSRVTT_train.7k.csv", ["video_id"], listed[: len(listed) // 2])
    said = [
        {"video_id": f"video{n}", "caption": f"{text} {n}", "sen_id": n}
        for n in numbers
        for text in ("the dog runs", "fries rice")
    ]
    (root / "MSRVTT_data.json").write_text(json.dumps({"videos": [], "sentences": said}))
    for n in numbers:
        write_features(root / "features", f"video{n}", arrays(n))
    write_words(root)
