"""Made-up names of image sets in the published forms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

OCCASIONS = ("birthday", "christmas", "wedding", "camping")
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def set_names(
    video: npt.NDArray[np.bool_], random: np.random.RandomState, *, first: int, training: bool
) -> list[str]:
    """A name for each set, no two alike.

    Args:
        video: bool [S], whether a set is of a video.
        random: the stream that they are drawn of.
        first: number of the first set; names of different numbers differ.
        training: whether the sets are to learn from, which names of MSR-VTT tell.
    """
    return [
        _of_video(number, random, training) if is_video else _of_photographs(number, random)
        for number, is_video in enumerate(video, first)
    ]


def _of_photographs(number: int, random: np.random.RandomState) -> str:
    digits = "".join(f"{random.randint(16):x}" for _ in range(16))
    return f"open-images-{number}_{digits}"


def _of_video(number: int, random: np.random.RandomState, training: bool) -> str:
    shot = f"shot{1 + random.randint(20)}_{random.randint(10)}"
    kind = random.randint(20)
    if kind < 11:
        part = "TrainValVideo" if training else "TestVideo"
        return f"MSR-VTT-video{part}_video{7010 * (not training) + number}-{shot}"
    if kind < 18:
        occasion = OCCASIONS[random.randint(len(OCCASIONS))]
        own = "".join(LETTERS[random.randint(len(LETTERS))] for _ in range(11))
        return f"video-storytelling-video{occasion}_{own}-shot{number}_{random.randint(10)}"
    return f"YouCook-video{number:04d}-{shot}"
