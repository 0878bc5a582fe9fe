"""Stored videos that have captions, as clips that are scored and as clips to learn from.

A video becomes one clip, or several cuts of one, by its strategy:

    at_once       its first ``tokens`` tokens and 64 frames of audio for each
    clips         the same, in cuts of 12 tokens; a cut with too little audio does not count
    nearest, max  brought to 12 tokens, from everything there is of the video and from the same audio
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError, UsageError
from mlzoo_multisk.clips import (
    DROPPED,
    FRAMES_PER_TOKEN,
    MEL_BANDS,
    ClipBatch,
    Index,
    Item,
    ItemStore,
    Pooling,
    Shape,
)
from mlzoo_multisk.dataset_config import Strategy
from mlzoo_multisk.draws import random_of
from mlzoo_multisk.shards.order import order_random
from mlzoo_multisk.views import audio, video
from mlzoo_multisk.views.cuts import cut
from mlzoo_multisk.views.text import WordTable

TOKENS_PER_CUT = 12
_POOLING: dict[Strategy, Pooling] = {
    "at_once": "clip",
    "clips": "clip",
    "nearest": "nearest",
    "max": "max_pool",
}


@dataclass(frozen=True, eq=False)
class ClipForm:
    """How a stored video becomes clips.

    Attributes:
        table: vectors of words.
        words: W, known words that are kept of a caption.
        tokens: of a whole clip, video and audio.
        strategy: see the head of this module.
        width_2d: of rows of the network that looks at pictures; None where there is no such stream.
        width_3d: the same of motion.

    Raises:
        UsageError: the strategy cannot make clips of 12 tokens of so many.
        DataError: there is neither stream.
    """

    table: WordTable
    words: int
    tokens: int
    strategy: Strategy
    width_2d: int | None
    width_3d: int | None

    def __post_init__(self) -> None:
        if self.strategy == "clips" and self.tokens % TOKENS_PER_CUT:
            raise UsageError(
                f"{self.tokens} tokens cannot be cut into clips of {TOKENS_PER_CUT}.",
                f"Choose a multiple of {TOKENS_PER_CUT} as --tokens, or another --strategy.",
            )
        if self.strategy in ("nearest", "max") and self.tokens < TOKENS_PER_CUT:
            raise UsageError(
                f"{self.strategy} brings a clip to {TOKENS_PER_CUT} tokens; it has {self.tokens}.",
                "Choose more --tokens.",
            )
        if self.width_2d is None and self.width_3d is None:
            raise DataError("there are neither 2D nor 3D features of any video.")

    @property
    def parts(self) -> int:
        """Clips that one video becomes."""
        return self.tokens // TOKENS_PER_CUT if self.strategy == "clips" else 1

    @property
    def video_tokens(self) -> int:
        """V of a clip."""
        return self.tokens if self.strategy == "at_once" else TOKENS_PER_CUT

    @property
    def audio_tokens(self) -> int:
        """To which the audio network's tokens are to be brought."""
        return self.video_tokens

    @property
    def audio_pooling(self) -> Pooling:
        """How they are."""
        return _POOLING[self.strategy]

    @property
    def shape(self) -> Shape:
        """Of a batch."""
        return Shape(
            words=self.words,
            word_width=self.table.vectors.shape[1],
            video_tokens=self.video_tokens,
            video_width=(self.width_2d or 0) + (self.width_3d or 0),
            audio_frames=self.tokens // self.parts * FRAMES_PER_TOKEN,
        )

    def whole(self, items: Sequence[Item], captions: Sequence[str]) -> ClipBatch:
        """Videos as they are before they are cut.

        Raises:
            DataError: rows of another width than the other videos', no spectrogram of 40 bands, or values
                that are not finite.
        """
        shape, pooling = self.shape, self.audio_pooling
        tokens, frames = self.video_tokens * self.parts, shape.audio_frames * self.parts
        seen = np.empty((len(items), tokens, shape.video_width), np.float32)
        seen_mask = np.empty((len(items), tokens), np.float32)
        heard = np.empty((len(items), MEL_BANDS, frames), np.float32)
        heard_mask = np.empty((len(items), frames), np.float32)
        counts = np.empty(len(items), np.int64)
        for row, item in enumerate(items):
            streams = _stream(item, "2d", self.width_2d), _stream(item, "3d", self.width_3d)
            seen[row], seen_mask[row] = video.combine(*streams, tokens, pooling, what=item.key)
            heard[row], heard_mask[row], counts[row] = audio.padded(_heard(item), frames)
        texts = [self.table.embed(caption, self.words) for caption in captions]
        return ClipBatch(
            text=np.stack([text for text, _, _ in texts]),
            text_mask=np.stack([mask for _, mask, _ in texts]),
            video=seen,
            video_mask=seen_mask,
            audio=heard,
            audio_mask=heard_mask,
            audio_frames=counts,
            ids=tuple(item.key for item in items),
            captions=tuple(kept for _, _, kept in texts),
        )

    def batch(self, items: Sequence[Item], captions: Sequence[str]) -> ClipBatch:
        """Videos with a caption each, as one clip or all cuts of one; raises DataError as :meth:`whole`."""
        whole = self.whole(items, captions)
        return cut(whole, self.parts) if self.strategy == "clips" else whole


@dataclass(frozen=True, eq=False)
class CaptionedClips:
    """Stored videos that are scored: :class:`~mlzoo_multisk.clips.Clips`.

    Attributes:
        store: all videos.
        rows: int64 [n], which of them.
        captions: of each of those.
        form: how one becomes clips.
        ids: of those.
    """

    store: ItemStore
    rows: Index
    captions: Sequence[str]
    form: ClipForm
    ids: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.captions):
            raise ValueError(f"{len(self.rows)} videos and {len(self.captions)} captions")
        object.__setattr__(self, "ids", [self.store.keys[row] for row in self.rows])

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Index) -> ClipBatch:
        """Some clips, in the order of ``rows``; all cuts of one, one after the other.

        Raises:
            DataError: as :meth:`ClipForm.whole`, or the store cannot read a video.
        """
        items = [self.store.item(int(self.rows[row])) for row in rows]
        return self.form.batch(items, [self.captions[row] for row in rows])

    def digest(self) -> str:
        """Of the store."""
        return self.store.digest()


@dataclass(frozen=True, eq=False)
class CaptionedTraining:
    """Stored videos to learn from: :class:`~mlzoo_multisk.clips.TrainingClips`.

    A draw takes one of a video's captions and, under the strategy ``clips``, one of the cuts that
    count.

    Attributes:
        store: all videos.
        rows: int64 [n], which of them.
        captions: one or several of each of those.
        form: how one becomes clips.
    """

    store: ItemStore
    rows: Index
    captions: Sequence[Sequence[str]]
    form: ClipForm

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.captions):
            raise ValueError(f"{len(self.rows)} videos and {len(self.captions)} lists of captions")
        for row, own in zip(self.rows, self.captions, strict=True):
            if not own:
                raise DataError(f"the caption list of {self.store.keys[row]!r} is empty.")

    def __len__(self) -> int:
        return len(self.rows)

    def order(self, seed: int, number: int) -> Index:
        """int64 [n]: the rows, shuffled anew for each pass."""
        return np.asarray(order_random(seed, number).permutation(len(self.rows)), np.int64)

    def draw(self, rows: Index, seed: int, number: int) -> ClipBatch:
        """One clip of each of some videos.

        Raises:
            DataError: as :meth:`CaptionedClips.batch`.
        """
        streams = [random_of(seed, number, int(row)) for row in rows]
        captions = []
        for row, random in zip(rows, streams, strict=True):
            own = self.captions[row]
            captions.append(own[random.randint(len(own))])
        items = [self.store.item(int(self.rows[row])) for row in rows]
        batch = self.form.batch(items, captions)
        return _one_each(batch, self.form.parts, streams) if self.form.parts > 1 else batch

    def digest(self) -> str:
        """SHA-256 of the store's digest, the rows and the captions."""
        digest = hashlib.sha256(self.store.digest().encode())
        digest.update(np.ascontiguousarray(self.rows, dtype="<i8").tobytes())
        for own in self.captions:
            digest.update("\n".join([str(len(own)), *own, ""]).encode())
        return digest.hexdigest()


def stream_widths(items: Iterator[Item]) -> tuple[int | None, int | None]:
    """Widths of the 2D and 3D rows of some videos; None of a stream that none of them has.

    Raises:
        DataError: the rows of two videos are of different widths.
    """
    found: dict[str, tuple[int, str]] = {}
    for item in items:
        for name, rows in (("2D", item.video_2d), ("3D", item.video_3d)):
            if rows is None:
                continue
            width, first = found.setdefault(name, (rows.shape[-1], item.key))
            if rows.shape[-1] != width:
                raise DataError(
                    f"the {name} features of {item.key!r} are {rows.shape[-1]} wide, those of "
                    f"{first!r} {width}.",
                    "Take the features of all videos from one network.",
                )
    widths = {name: width for name, (width, _) in found.items()}
    return widths.get("2D"), widths.get("3D")


def _one_each(batch: ClipBatch, parts: int, streams: Sequence[np.random.RandomState]) -> ClipBatch:
    """One cut of each clip: of those that count, or of a clip without audio those with video."""
    chosen = []
    for place, random in enumerate(streams):
        own = np.arange(place * parts, (place + 1) * parts)
        heard = bool(batch.audio_mask[own].any())
        counting = np.array(
            [batch.ids[row] != DROPPED if heard else batch.video_mask[row].any() for row in own],
            dtype=bool,
        )
        rows = own[counting] if counting.any() else own[:1]
        chosen.append(int(rows[random.randint(len(rows))]))
    arrays = {name: array[chosen] for name, array in batch.arrays().items()}
    ids = tuple(batch.ids[place * parts] for place in range(len(streams)))
    return ClipBatch(**arrays, ids=ids, captions=tuple(batch.captions[row] for row in chosen))


def _stream(item: Item, name: str, width: int | None) -> npt.NDArray[Any] | None:
    """[r, width]; of no rows where this video lacks what others have, None where all lack it."""
    if width is None:
        return None
    rows: npt.NDArray[Any] | None = getattr(item, f"video_{name}")
    if rows is None:
        return np.zeros((0, width), np.float32)
    if rows.ndim != 2 or rows.shape[1] != width:
        raise DataError(
            f"{name.upper()} features of {item.key!r}: expected shape (any, {width}), found {rows.shape}.",
            "Take the features of all videos from one network.",
        )
    return rows


def _heard(item: Item) -> npt.NDArray[Any]:
    """[M, frames], of no frames where the video has no audio."""
    if item.audio is None:
        return np.zeros((MEL_BANDS, 0), np.float32)
    if item.audio.ndim != 2 or item.audio.shape[0] != MEL_BANDS:
        raise DataError(
            f"spectrogram of {item.key!r}: expected {MEL_BANDS} mel bands, found shape {item.audio.shape}."
        )
    return item.audio
