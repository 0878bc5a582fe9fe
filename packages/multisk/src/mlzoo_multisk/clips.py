"""Clips as text, video and audio: what every model of the task ``multimodal-retrieval`` is given.

Letters of shapes: b clips, W words and E numbers of a word, V video tokens and D numbers of one, M = 40
mel bands and T frames of audio (100 a second, a multiple of 64).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Index: TypeAlias = npt.NDArray[np.int64]

Modality: TypeAlias = Literal["text", "video", "audio"]
MODALITIES: tuple[Modality, ...] = ("text", "video", "audio")
FUSED: dict[str, tuple[Modality, ...]] = {
    "tv": ("text", "video"),
    "ta": ("text", "audio"),
    "va": ("video", "audio"),
}
"""Pairs of modalities that are fused, by the names of their embeddings."""
Pooling: TypeAlias = Literal["clip", "nearest", "max_pool", "avg_pool", "none"]
"""How tokens are brought to a fixed number: cut, nearest rows, maxima, means, or as they are."""

MEL_BANDS = 40
FRAMES_PER_TOKEN = 64
"""Frames of the spectrogram that the audio network makes one token of."""
DROPPED = "-1"
"""The id of a cut that does not count, for want of audio."""


@dataclass(frozen=True)
class Shape:
    """What a batch looks like, but for its size.

    Attributes:
        words: W.
        word_width: E.
        video_tokens: V.
        video_width: D.
        audio_frames: T.
    """

    words: int
    word_width: int
    video_tokens: int
    video_width: int
    audio_frames: int

    @property
    def audio_tokens(self) -> int:
        """Tokens that the audio network makes of T frames."""
        return -(-self.audio_frames // FRAMES_PER_TOKEN)


@dataclass(frozen=True, eq=False)
class ClipBatch:
    """Some clips. A modality that a clip lacks has a mask of zeros.

    Attributes:
        text: float32 [b, W, E], vectors of known words.
        text_mask: float32 [b, W], 1 where there is a word.
        video: float32 [b, V, D].
        video_mask: float32 [b, V].
        audio: float32 [b, M, T], log-mel spectrogram, of zeros where there is none.
        audio_mask: float32 [b, T].
        audio_frames: int64 [b], frames before padding, for pooling; -1 where all count (in training).
        ids: of the clips. In an evaluation that cuts clips, the cuts of one clip have its id and are
            averaged; a cut that does not count has :data:`DROPPED`.
        captions: the words that were kept, joined by blanks.
    """

    text: Floats
    text_mask: Floats
    video: Floats
    video_mask: Floats
    audio: Floats
    audio_mask: Floats
    audio_frames: Index
    ids: tuple[str, ...]
    captions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """The arrays by name."""
        names = ("text", "text_mask", "video", "video_mask", "audio", "audio_mask", "audio_frames")
        return {name: getattr(self, name) for name in names}


class Clips(Protocol):
    """Clips that are scored: the same every time."""

    @property
    def ids(self) -> Sequence[str]:
        """One a clip, in their order."""

    @property
    def captions(self) -> Sequence[str]:
        """The raw caption of each."""

    def __len__(self) -> int: ...

    def batch(self, rows: Index) -> ClipBatch:
        """Some clips, in the order of ``rows``; several cuts each, one after the other, where the
        evaluation cuts them."""

    def digest(self) -> str:
        """Hex digest of the content; of files, what their maker recorded beside them."""


class TrainingClips(Protocol):
    """Videos to learn from. Whatever is drawn follows from ``seed``, the number of the pass and the
    video's row alone, so that training goes on exactly where it stopped, whoever reads which row."""

    def __len__(self) -> int:
        """Videos of one pass."""

    def order(self, seed: int, number: int) -> Index:
        """int64 [N]: the rows in the order of pass ``number``, from 0."""

    def draw(self, rows: Index, seed: int, number: int) -> ClipBatch:
        """Clips of some videos, one video's after the other."""

    def digest(self) -> str:
        """Hex digest of the content."""


@dataclass(frozen=True, eq=False)
class Item:
    """What is stored of one video, in whatever kind of file.

    Attributes:
        key: its id.
        video_2d: float32 or float16 [r2, D2], rows of a network that looks at single pictures, 1 a
            second; None where it lacks.
        video_3d: [r3, D3], rows of a network that looks at motion, 1.5 a second; None where it lacks.
        audio: [M, frames], log-mel spectrogram, 100 frames a second; None where it lacks.
        facts: JSON values, e.g. ``captions`` (a list of sentences) or ``start``, ``end`` and ``text``.
    """

    key: str
    video_2d: npt.NDArray[Any] | None
    video_3d: npt.NDArray[Any] | None
    audio: npt.NDArray[Any] | None
    facts: Mapping[str, Any]


class ItemStore(Protocol):
    """Stored videos, of which only those asked for are read."""

    @property
    def keys(self) -> Sequence[str]:
        """Their ids, in the order of rows."""

    def __len__(self) -> int: ...

    def item(self, row: int) -> Item:
        """One of them."""

    def digest(self) -> str:
        """Hex digest of the content, or of what its maker recorded."""
