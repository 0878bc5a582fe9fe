"""Sound as the audio network's features want it: one channel, 16,000 samples a second.

Channels are averaged, the rate is changed by a polyphase filter (``scipy.signal.resample_poly``) block by
block, and the volume is lowered by 4 dB, as the published recipe does against clipping.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

from mlzoo.errors import MlzooError
from mlzoo_multisk.videos.pictures import (
    LONGEST,
    library,
    opened,
    origin,
    require_possible,
    require_whole,
)

Wave = npt.NDArray[np.float32]

SAMPLES = 16_000
"""A second."""
GAIN = 10 ** (-4 / 20)
ENDINGS = (".wav", ".flac", ".ogg")
BLOCK = 2**16  # samples that are read at once
RATES = (1_000, 768_000)
FEWEST = 400
"""Samples of one window of the spectrogram; less is no sound."""


def sound_of_file(path: Path) -> Wave:
    """The sound of a .wav, .flac or .ogg file: float32 [n].

    Raises:
        ValueError: it cannot be read whole, is shorter than a window of the spectrogram, or has values
            that are not finite; says why.
        MlzooError: soundfile is not installed.
    """
    soundfile = library("soundfile")
    try:
        _require_whole_wav(path)
        with soundfile.SoundFile(str(path)) as file:
            whole = Resampled(file.samplerate)
            for block in file.blocks(BLOCK, dtype="float32", always_2d=True):
                whole.add(block.T)
            if whole.taken < file.frames:
                raise ValueError(f"it ends after {whole.taken} of {file.frames} samples")
            return whole.wave()
    except (MemoryError, MlzooError, ValueError):
        raise
    except Exception as error:  # soundfile's own errors, for one
        raise ValueError(" ".join(str(error).split())[:200]) from error


def _require_whole_wav(path: Path) -> None:
    """libsndfile reads a truncated .wav as a shorter one."""
    size = path.stat().st_size if path.is_file() else 0
    if size < 12:
        return
    with path.open("rb") as file:
        head = file.read(12)
    declared = int.from_bytes(head[4:8], "little") + 8
    streamed = declared >= 2**31  # whoever wrote it could not go back and say
    if head[:4] == b"RIFF" and head[8:] == b"WAVE" and size < declared and not streamed:
        raise ValueError(f"it ends after {size} of {declared} bytes")


def sound_of_video(path: Path) -> Wave | None:
    """The sound of a video, from where its pictures begin: float32 [n]; None if it has none.

    Raises:
        ValueError: as :func:`sound_of_file`.
        MlzooError: PyAV is not installed.
    """
    av = library()
    with opened(path) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        planar = av.AudioResampler(format="fltp")  # the same numbers, one row a channel
        whole: Resampled | None = None
        for frame in container.decode(stream):
            for part in planar.resample(frame):
                if whole is None:
                    began = 0.0 if frame.pts is None else float(frame.pts * frame.time_base)
                    whole = Resampled(part.sample_rate, began - float(origin(container)))
                whole.add(part.to_ndarray())
        if whole is None:
            raise ValueError("its sound has no samples")
        if stream.duration is not None and stream.time_base is not None:
            require_whole(whole.seconds, float(stream.duration * stream.time_base))
        return whole.wave()


class Resampled:
    """Sound that comes in parts, at another rate.

    Args:
        rate: samples a second of what comes.
        begins: seconds of silence before it; below 0, so much of it is left out.

    Attributes:
        taken: samples that have come.

    Raises:
        ValueError: no such rate.
    """

    def __init__(self, rate: int, begins: float = 0.0) -> None:
        if not RATES[0] <= rate <= RATES[1]:
            raise ValueError(f"{rate} samples a second, expected {RATES[0]} to {RATES[1]}")
        require_possible(begins)
        self.rate, self.taken = rate, 0
        common = math.gcd(rate, SAMPLES)
        self.up, self.down = SAMPLES // common, rate // common
        # Both are multiples of down, so that blocks begin at whole samples of the new rate; the margin
        # is longer than the filter reaches.
        self._block = self.down * -(-10 * rate // self.down)
        reach = 10 * max(self.up, self.down) // self.up + 1
        self._margin = self.down * -(-reach // self.down)
        self._left = 0  # samples of the margin before what is waiting
        self._skipped = max(0, round(-begins * rate))
        silence = np.zeros(max(0, round(begins * rate)), np.float32)
        self._waiting: list[Wave] = [silence]
        self._count = silence.size
        self._done: list[Wave] = []

    @property
    def seconds(self) -> float:
        """That have come."""
        return self.taken / self.rate

    def add(self, samples: npt.NDArray[np.float32]) -> None:
        """The next samples [channels, n].

        Raises:
            ValueError: one is not finite, or it is too long.
        """
        mono = samples.mean(axis=0, dtype=np.float32)
        if not np.isfinite(mono).all():
            place = self.taken + int(np.isfinite(mono).argmin())
            raise ValueError(f"sample {place} is {mono[place - self.taken]}")
        self.taken += mono.size
        if self.seconds > LONGEST:
            raise ValueError(f"it is longer than {LONGEST // 3600} hours")
        skipped = min(self._skipped, mono.size)
        self._skipped -= skipped
        self._waiting.append(mono[skipped:])
        self._count += mono.size - skipped
        if self._count >= self._left + self._block + self._margin:
            self._resample()

    def wave(self) -> Wave:
        """All of it, float32 [n].

        Raises:
            ValueError: it is shorter than a window of the spectrogram.
        """
        self._resample(last=True)
        wave = np.concatenate(self._done)
        if wave.size < FEWEST:
            held = "no samples" if not self.taken else f"{self.taken} samples"
            raise ValueError(f"its sound is too short: {held}, {FEWEST / SAMPLES:g} s are needed")
        return wave

    def _resample(self, *, last: bool = False) -> None:
        """Whole blocks of what is waiting; at the end all of it."""
        waiting = np.concatenate(self._waiting)
        while waiting.size >= self._left + self._block + self._margin:
            until = self._left + self._block
            self._keep(waiting[: until + self._margin], until)
            waiting, self._left = waiting[until - self._margin :], self._margin
        if last:
            self._keep(waiting, waiting.size)
            waiting, self._left = waiting[:0], 0
        self._waiting, self._count = [waiting], waiting.size

    def _keep(self, part: Wave, until: int) -> None:
        """Of what was waiting, from the left margin to ``until``, at the new rate."""
        skip, count = self._new(self._left), self._new(until - self._left)
        self._done.append(self._changed(part)[skip : skip + count] * np.float32(GAIN))

    def _new(self, samples: int) -> int:
        """Samples of the new rate."""
        return -(-samples * self.up // self.down)

    def _changed(self, samples: Wave) -> Wave:
        if self.up == self.down or not samples.size:
            return samples
        return np.asarray(resample_poly(samples, self.up, self.down), np.float32)
