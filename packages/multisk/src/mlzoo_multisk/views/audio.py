"""Spectrograms cut by time and padded. 100 frames a second, from windows of 400 samples every 160 of a
wave with 16,000 a second (AVLnet, Rouditchenko et al., Interspeech 2021)."""

from __future__ import annotations

from typing import Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import ArraySpec, check_array
from mlzoo.errors import DataError
from mlzoo_multisk.clips import FRAMES_PER_TOKEN, MEL_BANDS, Floats, Index

Spectrogram: TypeAlias = npt.NDArray[Any]

RATE = 16_000
"""Samples a second."""
WINDOW = 400
"""Samples of a frame."""
HOP = 160
"""Samples from one frame to the next."""


@overload
def frames_of(seconds: float) -> int: ...
@overload
def frames_of(seconds: npt.NDArray[np.float64]) -> Index: ...
def frames_of(seconds: float | npt.NDArray[np.float64]) -> int | Index:
    """The frame that a time falls into: floor((samples - 200) / 160). Below 0 before the first window's
    centre.

    Args:
        seconds: one or an array of them.
    """
    samples = (np.asarray(seconds, dtype=np.float64) * RATE).astype(np.int64)
    frames = (samples - WINDOW // 2) // HOP
    return frames if frames.ndim else int(frames)


@overload
def seconds_of(frames: int) -> float: ...
@overload
def seconds_of(frames: Index) -> npt.NDArray[np.float64]: ...
def seconds_of(frames: int | Index) -> float | npt.NDArray[np.float64]:
    """The time of a frame, (160 frame + 200) / 16,000 seconds."""
    seconds = (np.asarray(frames) * HOP + WINDOW // 2) / RATE
    return seconds if seconds.ndim else float(seconds)


def crop(spectrogram: Spectrogram, start: float, end: float) -> Spectrogram:
    """The frames [M, n] between two times, in seconds; none outside of the spectrogram [M, frames]."""
    return spectrogram[:, max(0, frames_of(start)) : max(0, frames_of(end))]


def padded(spectrogram: Spectrogram, frames: int) -> tuple[Floats, Floats, int]:
    """A spectrogram cut or filled with zeros.

    Args:
        spectrogram: [M, n].
        frames: T, a multiple of 64.

    Returns:
        Audio float32 [M, T], its mask float32 [T] and how many frames there are, at most T.

    Raises:
        DataError: T is not a multiple of 64.
    """
    check_frames(frames)
    count = min(frames, spectrogram.shape[1])
    audio, mask, _ = no_audio(frames, len(spectrogram))
    audio[:, :count], mask[:count] = spectrogram[:, :count], 1
    return audio, mask, count


def no_audio(frames: int, bands: int = MEL_BANDS) -> tuple[Floats, Floats, int]:
    """Of a clip without audio: zeros float32 [M, T], a mask of zeros float32 [T], and 0 frames."""
    return np.zeros((bands, frames), np.float32), np.zeros(frames, np.float32), 0


def check_frames(frames: int, what: str = "audio") -> None:
    """The audio network halves time six times; other lengths leave mask and tokens of different numbers.

    Raises:
        DataError: not a positive multiple of 64.
    """
    if frames <= 0 or frames % FRAMES_PER_TOKEN:
        near = max(1, -(-frames // FRAMES_PER_TOKEN))
        raise DataError(
            f"{what}: {frames} frames are not a multiple of {FRAMES_PER_TOKEN}.",
            f"Pad to {near * FRAMES_PER_TOKEN} frames, which make {near} tokens.",
        )


def check_spectrogram(
    spectrogram: Spectrogram, what: str = "audio", bands: int | None = MEL_BANDS
) -> None:
    """Hold what was read against what a spectrogram is: finite floats [M, n].

    Args:
        spectrogram: what was read.
        what: file or clip, for the message.
        bands: M, or None for any.

    Raises:
        DataError: it is not that.
    """
    check_array(spectrogram, ArraySpec(shape=(bands, None), kinds="f"), f"{what}: spectrogram")
