"""Pictures of a video at a steady rate, decoded as they are asked for (PyAV).

The k-th picture of a second cut into ``per_second`` intervals is what is shown in the middle of the k-th
interval, as ffmpeg's filter ``fps`` (rounding to nearest) puts it; it is scaled (bicubic) until its short
side fits and cut from the middle. So row k of features made of ``n`` pictures each speaks of the
seconds from ``k n / per_second`` on.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo.errors import MlzooError

Picture = npt.NDArray[np.uint8]

ENDINGS = (
    ".mp4",
    ".m4v",
    ".mov",
    ".mkv",
    ".webm",
    ".avi",
    ".mpg",
    ".mpeg",
    ".ts",
    ".flv",
    ".wmv",
    ".ogv",
    ".3gp",
)
"""What files of videos are looked for by."""

DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg"
"""Formats that are read. Playlists, which name other files and addresses, are not among them."""

LONGEST = 6 * 3600
"""Seconds. What claims to be longer has damaged times."""
LARGEST = 2**26  # pixels of a picture; more would take gigabytes to decode
NARROWEST = 100  # sides to one another
SHORT = 0.05
"""Share of its declared length that a video may lack at its end, or one second, and still count as whole."""


@dataclass(frozen=True)
class Rate:
    """How pictures are taken: so many a second, as squares of ``side`` pixels."""

    per_second: int
    side: int


def library(name: str = "av") -> Any:
    """PyAV's module ``av``, or another of the extra ``mlzoo-multisk[video]``.

    Raises:
        MlzooError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        what = "videos need PyAV" if name == "av" else f"sound files need {name}"
        raise MlzooError(
            f"{what}, which is not installed ({error}).", "pip install 'mlzoo-multisk[video]'"
        ) from error


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A container; whatever fails inside is a ValueError that says why.

    Raises:
        ValueError: it cannot be read.
    """
    av = library()
    try:
        options = {"protocol_whitelist": "file", "format_whitelist": DEMUXERS}
        with av.open(str(path.resolve()), options=options) as container:
            yield container
    except FileNotFoundError as error:
        raise ValueError("there is no such file") from error
    except (MemoryError, MlzooError):
        raise
    except Exception as error:  # a damaged or hostile file can make a decoder fail in any way
        raise ValueError(_reason(error)) from error


def pictures(path: Path, rates: Sequence[Rate]) -> Iterator[tuple[int, Picture]]:
    """Pictures in the order of their times, decoded once for all rates.

    Args:
        path: of the video.
        rates: how they are taken.

    Yields:
        Which of the rates, and uint8 [side, side, 3], red, green and blue. Of each rate one at least.

    Raises:
        ValueError: it cannot be read whole, has no pictures, or they are of a strange shape; says why.
        MlzooError: PyAV is not installed.
    """
    with opened(path) as container:
        if not container.streams.video:
            raise ValueError("it has no video stream")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        samplers = [_Sampler(rate) for rate in rates]
        end = Fraction(0)
        for start, until, frame in _timed(container, stream):
            end = until
            for which, sampler in enumerate(samplers):
                yield from ((which, picture) for picture in sampler.shown(start, frame))
        if not any(sampler.seen for sampler in samplers):
            raise ValueError("it has no pictures")
        require_whole(float(end), _declared(container, stream))
        for which, sampler in enumerate(samplers):
            yield from ((which, picture) for picture in sampler.ended(end))


def origin(container: Any) -> Fraction:
    """When a container's clock starts, in seconds; pictures and sound are counted from there."""
    return Fraction(container.start_time or 0, 1_000_000)


def require_whole(reached: float, declared: float | None) -> None:
    """Raises ValueError where much less was decoded than was declared."""
    if declared is not None and declared - reached > max(1.0, SHORT * declared):
        raise ValueError(f"it ends after {reached:.1f} of {declared:.1f} seconds")


def require_possible(seconds: Fraction | float) -> None:
    """Raises ValueError for times that no video has."""
    if not -LONGEST < seconds < LONGEST:
        hours = LONGEST // 3600
        raise ValueError(
            f"it claims times of {float(seconds):.0f} s, at most {hours} hours are read"
        )


def _declared(container: Any, stream: Any) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and not container.streams.audio:
        return float(container.duration / 1_000_000)
    return None


def _timed(container: Any, stream: Any) -> Iterator[tuple[Fraction, Fraction, Any]]:
    """When each frame is shown from and until, in seconds from the beginning."""
    began = origin(container)
    usual = 1 / Fraction(stream.average_rate or stream.guessed_rate or 25)
    until = Fraction(0)
    for frame in container.decode(stream):
        if frame.width * frame.height > LARGEST:
            raise ValueError(f"pictures of {frame.width}×{frame.height} pixels, which is too much")
        start = until if frame.pts is None else frame.pts * frame.time_base - began
        require_possible(start)
        own = frame.duration * frame.time_base if frame.duration else usual
        until = max(until, start + min(own, Fraction(LONGEST)))
        yield start, until, frame


class _Sampler:
    """Hands out what is shown in the middle of every interval."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.seen = False
        self._given = 0
        self._frame: Any = None
        self._picture: Picture | None = None

    def shown(self, start: Fraction, frame: Any) -> Iterator[Picture]:
        """A frame is shown from ``start`` on: the pictures of intervals that this one is not of."""
        if self.seen:
            yield from self._until(self._interval(start))
        self._frame, self._picture, self.seen = frame, None, True

    def ended(self, end: Fraction) -> Iterator[Picture]:
        """The last pictures of a video that ends; the first, if there was none."""
        return self._until(max(self._interval(end), 1 if not self._given else 0))

    def _interval(self, time: Fraction) -> int:
        return math.floor(time * self.rate.per_second + Fraction(1, 2))

    def _until(self, count: int) -> Iterator[Picture]:
        while self._given < count:
            if self._picture is None:
                self._picture = square(self._frame, self.rate.side)
            self._given += 1
            yield self._picture


def square(frame: Any, side: int) -> Picture:
    """A frame of PyAV as uint8 [side, side, 3]: short side scaled, cut from the middle, turned upright.

    Raises:
        ValueError: it is a hundred times as long as wide.
    """
    width, height = frame.width, frame.height
    short = min(width, height)
    if max(width, height) > NARROWEST * short:
        raise ValueError(f"pictures of {width}×{height} pixels, sides of at most {NARROWEST} to 1")
    wide, high = (side if each == short else side * each // short for each in (width, height))
    scaled = frame.reformat(width=wide, height=high, format="rgb24", interpolation="BICUBIC")
    left, top = (wide - side) // 2, (high - side) // 2
    pixels = scaled.to_ndarray()[top : top + side, left : left + side]
    turns = round((getattr(frame, "rotation", 0) or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns))


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).encode(errors="replace").decode().split())[:200]
