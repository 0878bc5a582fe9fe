"""Long clips cut into pieces that are embedded alone and averaged (Everything at Once, CVPR 2022)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError
from mlzoo_multisk.clips import DROPPED, ClipBatch, Index

LEAST_AUDIO = 0.7
"""Share of a piece that must be audio, or a bit more, for the piece to count."""


def cut(batch: ClipBatch, pieces: int) -> ClipBatch:
    """Every clip cut into ``pieces`` of equal length, one after the other.

    The text stands with each piece. A piece of which at most 70 % is audio does not count, but for a
    clip's first one: its id becomes :data:`~mlzoo_multisk.clips.DROPPED`, and its frames count as audio.

    Args:
        batch: b clips with V tokens of video and T frames of audio.
        pieces: k, a divisor of V and T.

    Returns:
        b k clips with V / k tokens and T / k frames.

    Raises:
        DataError: k does not divide V and T.
    """
    tokens, frames = batch.video.shape[1], batch.audio.shape[2]
    if pieces < 1 or tokens % pieces or frames % pieces:
        raise DataError(
            f"{tokens} video tokens and {frames} frames of audio cannot be cut into {pieces} pieces."
        )
    kept, counts = audio_of_pieces(batch.audio_frames, frames // pieces, pieces)
    ids = [
        name if piece_counts else DROPPED
        for name, row in zip(batch.ids, kept, strict=True)
        for piece_counts in row
    ]
    captions = [caption for caption in batch.captions for _ in range(pieces)]
    audio = _split(batch.audio.swapaxes(1, 2), pieces).swapaxes(1, 2)
    return ClipBatch(
        text=np.repeat(batch.text, pieces, axis=0),
        text_mask=np.repeat(batch.text_mask, pieces, axis=0),
        video=_split(batch.video, pieces),
        video_mask=_split(batch.video_mask, pieces),
        audio=np.ascontiguousarray(audio),
        audio_mask=_split(batch.audio_mask, pieces),
        audio_frames=counts.reshape(-1),
        ids=tuple(ids),
        captions=tuple(captions),
    )


def audio_of_pieces(
    audio_frames: Index, length: int, pieces: int
) -> tuple[npt.NDArray[np.bool_], Index]:
    """Which pieces count, and how much audio each has.

    Args:
        audio_frames: int64 [b], frames with audio of each clip; below 0 all are.
        length: frames of a piece.
        pieces: k of a clip.

    Returns:
        bool [b, k] and int64 [b, k].
    """
    total = np.where(audio_frames < 0, length * pieces, audio_frames)  # [b]
    frames = np.clip(total[:, None] - length * np.arange(pieces), 0, length)  # [b, k]
    kept = frames > LEAST_AUDIO * length
    kept[:, :1] = True
    return kept, np.where(kept, frames, length).astype(np.int64)


def _split(array: npt.NDArray[Any], pieces: int) -> npt.NDArray[Any]:
    """[b, n, ...] as [b pieces, n / pieces, ...]."""
    count, length = array.shape[:2]
    return array.reshape(count * pieces, length // pieces, *array.shape[2:])
