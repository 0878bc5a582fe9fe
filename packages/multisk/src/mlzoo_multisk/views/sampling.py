"""Clips drawn from long narrated videos: a random time, the caption spoken then and its neighbours, and
audio that may begin late.

Source: the sampling of HowTo100M in the program of Everything at Once (CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError
from mlzoo_multisk.dataset_config import Misalignment
from mlzoo_multisk.views.audio import HOP, RATE
from mlzoo_multisk.views.video import FPS_2D, FPS_3D, Rows

CLIP_SECONDS = 8.0
"""Least length of a clip."""
LATE_SECONDS = 4.0
"""By how much misaligned audio begins later than its clip."""

_COIN: dict[Misalignment, float] = {"half": 0.5, "always": 0.0, "never": 1.0}


@dataclass(frozen=True, eq=False)
class Captions:
    """What is said in a video, in the order of time.

    Attributes:
        start: float64 [n], seconds, ascending.
        end: float64 [n], seconds. A caption may begin before the one before it has ended.
        text: n sentences.

    Raises:
        DataError: not as many of each, times that are not finite, starts that do not ascend, or an end
            before its start.
    """

    start: npt.NDArray[np.float64]
    end: npt.NDArray[np.float64]
    text: tuple[str, ...]

    def __post_init__(self) -> None:
        counts = (self.start.shape, self.end.shape)
        if counts != ((len(self.text),),) * 2:
            raise DataError(
                f"captions: {len(self.text)} texts, starts {counts[0]} and ends {counts[1]}."
            )
        if not (np.isfinite(self.start).all() and np.isfinite(self.end).all()):
            raise DataError("captions: a time is not finite.")
        if (bad := self.start[1:] < self.start[:-1]).any():
            row = int(bad.argmax()) + 1
            raise DataError(
                f"captions: number {row} begins at {self.start[row]:g} s, before number {row - 1} "
                f"({self.start[row - 1]:g} s)."
            )
        if (bad := self.end < self.start).any():
            row = int(bad.argmax())
            raise DataError(
                f"captions: number {row} ends at {self.end[row]:g} s, before it begins "
                f"({self.start[row]:g} s)."
            )

    @classmethod
    def of(cls, start: Sequence[float], end: Sequence[float], text: Sequence[object]) -> Self:
        """Of lists as they are published; a text may be a number or NaN and is read as printed.

        Raises:
            DataError: they are no numbers, or see :class:`Captions`.
        """
        try:
            starts, ends = (np.asarray(times, dtype=np.float64) for times in (start, end))
        except (TypeError, ValueError) as error:
            raise DataError(f"captions: a time is no number ({error}).") from error
        return cls(starts, ends, tuple(map(str, text)))

    def __len__(self) -> int:
        return len(self.text)

    def at(self, time: float) -> int | None:
        """The caption that is being spoken: the last that began before, if it has not ended."""
        number = int(np.searchsorted(self.start, time)) - 1
        return number if number >= 0 and time <= self.end[number] else None


@dataclass(frozen=True)
class Window:
    """A part of a video and what is said in it.

    Attributes:
        start: in seconds.
        end: in seconds.
        text: sentences joined by blanks; empty where nobody speaks.
        spoken: whether a caption was found.
    """

    start: float
    end: float
    text: str
    spoken: bool


@dataclass(frozen=True)
class ClipTimes(Window):
    """A window, and the times of its audio, which may begin late.

    Attributes:
        audio_start: in seconds.
        audio_end: in seconds.
    """

    audio_start: float
    audio_end: float


def grown(captions: Captions, number: int, seconds: float = CLIP_SECONDS) -> Window:
    """A caption with neighbours until it takes ``seconds``, or no neighbour is left.

    Each time the neighbour with which the window becomes shorter is added; of two alike the earlier. Its
    words are put behind those that are there, so that an earlier caption is read after a later one.

    Args:
        captions: n of them.
        number: of the caption to begin with.
        seconds: least length.
    """
    first = last = number
    texts = [captions.text[number]]
    while captions.end[last] - captions.start[first] < seconds:
        spans = []
        if first > 0:
            spans.append((captions.end[last] - captions.start[first - 1], first - 1))
        if last + 1 < len(captions):
            spans.append((captions.end[last + 1] - captions.start[first], last + 1))
        if not spans:
            break
        _, added = min(spans, key=lambda span: span[0])  # of equal ones the first, the earlier
        first, last = min(first, added), max(last, added)
        texts.append(captions.text[added])
    return Window(float(captions.start[first]), float(captions.end[last]), " ".join(texts), True)


def window_at(captions: Captions, start: float, seconds: float = CLIP_SECONDS) -> Window:
    """The window for a time: the caption spoken at its start, else at its end, grown; where neither is,
    the bare ``seconds`` from ``start`` without text."""
    for time in (start, start + seconds):
        number = captions.at(time)
        if number is not None:
            return grown(captions, number, seconds)
    return Window(start, start + seconds, "", False)


def draw_clip(
    captions: Captions,
    duration: float,
    random: np.random.RandomState,
    *,
    seconds: float = CLIP_SECONDS,
    misaligned: Misalignment = "half",
    late: float = LATE_SECONDS,
) -> ClipTimes:
    """Draw a clip of a video.

    One number in [0, 1) is drawn for the start, and another for the coin if a caption is found, whatever
    ``misaligned``: clips are the same, only their audio differs.

    Args:
        captions: of the video; with none the text is empty.
        duration: of the video in seconds, see :func:`duration_of`. A shorter one than ``seconds`` is
            taken from its beginning.
        random: where the numbers come from.
        seconds: least length of the clip.
        misaligned: how often the audio of a clip with a caption begins late and takes ``seconds``:
            ``half`` of the time, as intended, ``always``, as in the published program, or ``never``.
        late: by how much.
    """
    start = random.random_sample() * max(0.0, duration - seconds)
    window = window_at(captions, start, seconds)
    audio = window.start, window.end
    if window.spoken and random.random_sample() > _COIN[misaligned]:
        audio = window.start + late, window.start + late + seconds
    return ClipTimes(window.start, window.end, window.text, window.spoken, *audio)


def duration_of(
    video_2d: Rows | None, video_3d: Rows | None, audio: npt.NDArray[Any] | None
) -> float:
    """Whole seconds of a video, by its 2D rows [r2, D2], else its 3D rows [r3, D3], else its spectrogram
    [M, frames]; 0 without any."""
    if video_2d is not None:
        return float(int(len(video_2d) / FPS_2D))
    if video_3d is not None:
        return float(int(len(video_3d) / FPS_3D))
    return 0.0 if audio is None else float(audio.shape[1] * HOP // RATE)
