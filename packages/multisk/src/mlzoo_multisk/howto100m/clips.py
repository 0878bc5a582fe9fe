"""Clips of narrated videos: drawn anew in every pass to learn from, drawn once to be scored."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from mlzoo.errors import DataError
from mlzoo_multisk.clips import FRAMES_PER_TOKEN, MEL_BANDS, ClipBatch, Index, Item, Shape
from mlzoo_multisk.dataset_config import HowTo100MOptions
from mlzoo_multisk.draws import random_of
from mlzoo_multisk.howto100m.captions import facts_of
from mlzoo_multisk.howto100m.folder import VideoStore
from mlzoo_multisk.shards.layout import Array
from mlzoo_multisk.shards.order import order_random, windowed_order
from mlzoo_multisk.views.audio import crop, padded
from mlzoo_multisk.views.sampling import Captions, ClipTimes, draw_clip, duration_of
from mlzoo_multisk.views.text import WordTable
from mlzoo_multisk.views.video import combine, cut_by_time

TRIES = 20
"""Draws of a held-out video among which one with a known word is looked for."""


@dataclass(frozen=True, eq=False)
class ClipForm:
    """How a part of a video becomes a clip.

    Attributes:
        table: vectors of words.
        shape: of a batch.
        seconds: least length of a clip.
        width_2d: of rows of the network that looks at pictures; None where there is no such stream.
        width_3d: the same of motion.
    """

    table: WordTable
    shape: Shape
    seconds: float
    width_2d: int | None
    width_3d: int | None

    @classmethod
    def of(cls, store: VideoStore, table: WordTable, options: HowTo100MOptions) -> Self:
        """For the videos of a store."""
        shape = Shape(
            words=options.words,
            word_width=table.vectors.shape[1],
            video_tokens=options.tokens,
            video_width=sum(store.widths[part] for part in ("2d", "3d") if part in store.widths),
            audio_frames=options.tokens * FRAMES_PER_TOKEN,
        )
        widths = store.widths.get("2d"), store.widths.get("3d")
        return cls(table, shape, options.clip_seconds, *widths)

    @property
    def tokens(self) -> int:
        """Of a clip, video and audio."""
        return self.shape.video_tokens

    def batch(
        self, drawn: Sequence[tuple[Item, ClipTimes]], ids: Sequence[str], *, training: bool
    ) -> ClipBatch:
        """Clips of videos.

        Args:
            drawn: b videos, each with the times of a clip.
            ids: of the clips.
            training: all frames of audio count, padding included.

        Raises:
            DataError: rows of another width than the other videos', or values that are not finite.
        """
        made = [self._clip(item, times) for item, times in drawn]
        texts = [self.table.embed(times.text, self.shape.words) for _, times in drawn]
        video, video_mask, audio, audio_mask, frames = zip(*made, strict=True)
        counts = np.full(len(made), -1) if training else np.array(frames)
        return ClipBatch(
            text=np.stack([vectors for vectors, _, _ in texts]),  # [b, W, E]
            text_mask=np.stack([mask for _, mask, _ in texts]),  # [b, W]
            video=np.stack(video),  # [b, V, D]
            video_mask=np.stack(video_mask),  # [b, V]
            audio=np.stack(audio),  # [b, M, T]
            audio_mask=np.stack(audio_mask),  # [b, T]
            audio_frames=counts.astype(np.int64),
            ids=tuple(ids),
            captions=tuple(kept for _, _, kept in texts),
        )

    def _clip(self, item: Item, times: ClipTimes) -> tuple[Array, Array, Array, Array, int]:
        rows = cut_by_time(
            _stream(item.video_2d, self.width_2d),
            _stream(item.video_3d, self.width_3d),
            times.start,
            times.end,
        )
        video, mask = combine(*rows, self.tokens, what=item.key)
        if video.shape[1] != self.shape.video_width:
            raise DataError(
                f"{item.key}: features are {video.shape[1]} wide, those of other videos "
                f"{self.shape.video_width}.",
                "Take the features of all videos from one network.",
            )
        spectrogram = np.zeros((MEL_BANDS, 0)) if item.audio is None else item.audio
        heard = crop(spectrogram, times.audio_start, times.audio_end)
        audio, audio_mask, frames = padded(heard, self.shape.audio_frames)
        if not np.isfinite(audio).all():
            raise DataError(f"{item.key}: the spectrogram has values that are not finite.")
        return video, mask, audio, audio_mask, frames


@dataclass(frozen=True, eq=False)
class HowTo100MTraining:
    """Videos to learn from: :class:`~mlzoo_multisk.clips.TrainingClips`. Of each some clips are drawn.

    Attributes:
        store: all videos.
        rows: int64 [n], which of them.
        form: how a clip is made.
        options: how many clips, how their audio begins, and the window.
    """

    store: VideoStore
    rows: Index
    form: ClipForm
    options: HowTo100MOptions
    _place: Index = field(init=False)

    def __post_init__(self) -> None:
        place = np.full(len(self.store), -1, np.int64)
        place[self.rows] = np.arange(len(self.rows))
        object.__setattr__(self, "_place", place)

    def __len__(self) -> int:
        return len(self.rows)

    def order(self, seed: int, number: int) -> Index:
        """int64 [n]: where videos have files of their own, any order; in shards, mixed in a window, see
        :func:`~mlzoo_multisk.shards.order.windowed_order`."""
        if self.store.sizes is None:
            return np.asarray(order_random(seed, number).permutation(len(self)), np.int64)
        order = self._place[windowed_order(seed, number, self.store.sizes, self.options.window)]
        return np.asarray(order[order >= 0])

    def draw(self, rows: Index, seed: int, number: int) -> ClipBatch:
        """``clips_per_video`` clips of each of some videos, one video's after the other; their ids are
        ``<id>#1``, ``<id>#2`` and so on.

        Raises:
            DataError: a file of one is damaged; it is named.
        """
        drawn, ids = [], []
        for row in rows:
            item = self.store.item(int(self.rows[row]))
            random = random_of(seed, number, int(row))
            times = _times(item, random, self.options)
            drawn += [(item, each) for each in times]
            ids += [f"{item.key}#{place}" for place in range(1, len(times) + 1)]
        return self.form.batch(drawn, ids, training=True)

    def digest(self) -> str:
        """SHA-256 of the store's digest and of which videos are learnt from."""
        digest = hashlib.sha256(self.store.digest().encode())
        digest.update(np.ascontiguousarray(self.rows, "<i8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class HeldOutClips:
    """Videos that are scored, one clip of each: :class:`~mlzoo_multisk.clips.Clips`.

    A clip is drawn as in training, but its audio begins with it, and a draw without any known word is
    done again, 20 times at most. It follows from ``seed`` and the video's id.

    Attributes:
        store: all videos.
        rows: int64 [n], which of them.
        form: how a clip is made.
        seed: of the draws.
        ids: of the videos.
        captions: what is said in each clip.
    """

    store: VideoStore
    rows: Index
    form: ClipForm
    seed: int
    ids: Sequence[str] = field(init=False)
    captions: Sequence[str] = field(init=False)
    _times: Sequence[ClipTimes] = field(init=False)

    def __post_init__(self) -> None:
        times = [self._drawn(int(row)) for row in self.rows]
        object.__setattr__(self, "ids", [self.store.keys[row] for row in self.rows])
        object.__setattr__(self, "captions", [each.text for each in times])
        object.__setattr__(self, "_times", times)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Index) -> ClipBatch:
        """Some clips, in the order of ``rows``."""
        drawn = [(self.store.item(int(self.rows[row])), self._times[row]) for row in rows]
        return self.form.batch(drawn, [self.ids[row] for row in rows], training=False)

    def digest(self) -> str:
        """SHA-256 of the store's digest, the ids, and when each clip begins and ends."""
        digest = hashlib.sha256(self.store.digest().encode())
        for name, times in zip(self.ids, self._times, strict=True):
            digest.update(f"\n{name} {times.start!r} {times.end!r}".encode())
        digest.update(f"\n{self.form.shape}".encode())
        return digest.hexdigest()

    def _drawn(self, row: int) -> ClipTimes:
        item = self.store.item(row)
        digest = hashlib.sha256(item.key.encode()).digest()
        random = random_of(self.seed, *np.frombuffer(digest[:8], "<u4").tolist())
        captions, duration = _captions(item), _duration(item)
        for _ in range(TRIES):
            times = draw_clip(
                captions, duration, random, seconds=self.form.seconds, misaligned="never"
            )
            if self.form.table.tokens_known(times.text):
                break
        return times


def _times(item: Item, random: np.random.RandomState, options: HowTo100MOptions) -> list[ClipTimes]:
    """The clips of a video, one draw after the other."""
    captions, duration = _captions(item), _duration(item)
    return [
        draw_clip(
            captions,
            duration,
            random,
            seconds=options.clip_seconds,
            misaligned=options.misaligned,
        )
        for _ in range(options.clips_per_video)
    ]


def _captions(item: Item) -> Captions:
    """Of its facts; none where they have none."""
    facts = facts_of(item.facts or None, f"the video {item.key!r}")
    return Captions.of(facts["start"], facts["end"], facts["text"])


def _duration(item: Item) -> float:
    return duration_of(item.video_2d, item.video_3d, item.audio)


def _stream(rows: Array | None, width: int | None) -> Array | None:
    """[r, D]; of no rows where this video lacks what others have, None where all lack it."""
    if width is None:
        return None
    return np.zeros((0, width), np.float32) if rows is None else rows
