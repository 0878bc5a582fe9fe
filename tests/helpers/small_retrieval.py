"""A small world of the task ``multimodal-retrieval`` in memory: a few dozen clips whose text, video and audio
show one planted point each, through maps of their own and noise."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlzoo_multisk.clips import DROPPED, FRAMES_PER_TOKEN, MEL_BANDS, ClipBatch, Index, Shape
from mlzoo_multisk.draws import random_of
from mlzoo_multisk.retrieval import RetrievalData
from mlzoo_multisk.views.text import WordTable

POINT = 6
"""Numbers of what is planted."""
WORDS = 2
"""Known words of every caption; the rest of a text is padding, whose numbers must not count."""
SHAPE = Shape(words=4, word_width=10, video_tokens=3, video_width=12, audio_frames=FRAMES_PER_TOKEN)


@dataclass(frozen=True, eq=False)
class PlantedClips:
    """Clips that are scored and clips to learn from alike.

    Attributes:
        points: float32 [n, 6], what is planted.
        name: of the part, for ids.
        noise: of every view.
        lacks: by modality, int64 rows that lack it.
        cuts: of each clip in an evaluation; of more than one, the last does not count.
    """

    points: np.ndarray
    name: str
    noise: float = 0.1
    lacks: Any = ()
    cuts: int = 1

    @property
    def ids(self) -> list[str]:
        return [f"{self.name} {row:03d}" for row in range(len(self))]

    @property
    def captions(self) -> list[str]:
        return [f"caption {row} of {self.name}" for row in range(len(self))]

    def __len__(self) -> int:
        return len(self.points)

    def batch(self, rows: Index) -> ClipBatch:
        return self._clips(np.repeat(rows, self.cuts), random_of(7, len(self)))

    def order(self, seed: int, number: int) -> Index:
        return random_of(seed, number).permutation(len(self))

    def draw(self, rows: Index, seed: int, number: int) -> ClipBatch:
        return replace(self, cuts=1)._clips(rows, random_of(seed, number))

    def _clips(self, rows: Index, random: np.random.RandomState) -> ClipBatch:
        shape, count = SHAPE, len(rows)
        drawn = random.standard_normal((len(self), self.cuts, 200)).astype(np.float32)
        cut = np.arange(count) % self.cuts
        noise = self.noise * drawn[rows, cut]  # [b, 200]: follows from the row alone
        maps = np.random.RandomState(11).standard_normal((3, POINT, MEL_BANDS)).astype(np.float32)
        text, video, audio = (
            self.points[rows] @ each[:, :width] + noise[:, width : 2 * width]
            for each, width in zip(
                maps, (shape.word_width, shape.video_width, MEL_BANDS), strict=True
            )
        )
        there = {
            name: ~np.isin(rows, dict(self.lacks).get(name, ()))
            for name in ("text", "video", "audio")
        }
        masks = {
            "text": np.ones((count, shape.words)),
            "video": np.ones((count, shape.video_tokens)),
            "audio": np.ones((count, shape.audio_frames)),
        }
        masks["text"][:, WORDS:] = 0
        words = np.full((count, shape.words, shape.word_width), 5, np.float32)  # of padding
        words[:, :WORDS] = text[:, None]
        counts = cut < max(1, self.cuts - 1)
        return ClipBatch(
            text=words,
            video=np.repeat(video[:, None], shape.video_tokens, axis=1),
            audio=np.repeat(audio[:, :, None], shape.audio_frames, axis=2),
            audio_frames=np.where(there["audio"], shape.audio_frames, 0),
            ids=tuple(
                self.ids[row] if fits else DROPPED for row, fits in zip(rows, counts, strict=True)
            ),
            captions=tuple(self.captions[row] for row in rows),
            **{
                f"{name}_mask": (mask * there[name][:, None]).astype(np.float32)
                for name, mask in masks.items()
            },
        )

    def digest(self) -> str:
        facts = f"{self.name} {self.noise} {self.lacks} {self.cuts}"
        return hashlib.sha256(self.points.tobytes() + facts.encode()).hexdigest()


def small_retrieval(
    *,
    train: int = 96,
    val: int = 24,
    test: int = 32,
    cuts: int = 1,
    lacks: Any = (),
    **options: Any,
) -> RetrievalData:
    """The world; ``lacks`` is of the training clips, ``options`` are fields of ``RetrievalData``."""
    random = np.random.RandomState(5)
    made = {
        name: PlantedClips(
            random.standard_normal((count, POINT)).astype(np.float32),
            name,
            lacks=lacks if name == "train" else (),
            cuts=1 if name == "train" else cuts,
        )
        for name, count in (("train", train), ("val", val), ("test", test))
    }
    parts = {name: made[name] for name in ("val", "test")}
    given = {
        "shape": SHAPE,
        "words": WordTable({"caption": 0}, np.ones((1, SHAPE.word_width), np.float32)),
        "parts": parts,
        "complete": {name: len(clips) for name, clips in parts.items()},
        "train": made["train"],
        "audio_tokens": SHAPE.audio_tokens,
    }
    return RetrievalData(**{**given, **options})
