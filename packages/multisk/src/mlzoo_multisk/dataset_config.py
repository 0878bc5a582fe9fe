"""Options of the datasets. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from mlzoo import Config

Strategy = Literal["at_once", "clips", "nearest", "max"]
Misalignment = Literal["half", "always", "never"]


class TextOptions(Config):
    """How captions are read."""

    words: int = Field(20, gt=0, description="known words of a caption that are kept")
    word_vectors: Path | None = Field(
        None,
        description="word2vec .bin, .txt or .npz; word_vectors.* in the dataset's folder if not given",
    )


class ClipOptions(TextOptions):
    """How the clips of a benchmark are brought to tokens."""

    strategy: Strategy = Field(
        "at_once",
        description="a whole clip at once, cut into pieces of 12 tokens that are averaged, or brought to "
        "12 tokens by nearest rows or maxima",
    )
    validation: int = Field(
        500, ge=0, description="training videos held out as val (a seeded draw); 0 for none"
    )
    validation_seed: int = Field(0, ge=0, description="of that draw")


class MsrvttOptions(ClipOptions):
    """MSR-VTT, the jsfusion test set."""

    tokens: int = Field(48, gt=0, description="of a clip, video and audio")
    train_list: Literal["9k", "7k"] = Field("9k", description="which videos to learn from")


class YouCook2Options(ClipOptions):
    """YouCook2, the clips of its validation videos."""

    tokens: int = Field(72, gt=0, description="of a clip, video and audio")


class VideosOptions(ClipOptions):
    """One's own videos."""

    tokens: int = Field(48, gt=0, description="of a clip, video and audio")
    test_share: float = Field(
        0.2, gt=0, lt=1, description="of the videos, where the captions name no split"
    )


class HowTo100MOptions(TextOptions):
    """HowTo100M, to be trained on; some videos are held out to be scored."""

    tokens: int = Field(12, gt=0, description="of a clip, video and audio")
    clips_per_video: int = Field(10, gt=0, description="clips drawn of a video each time")
    clip_seconds: float = Field(8.0, gt=0, description="least length of a clip")
    misaligned: Misalignment = Field(
        "half", description="how often audio begins four seconds late; always, as the program does"
    )
    window: int = Field(
        2048, gt=0, description="videos of the shuffle buffer, where videos lie in shards"
    )
    held_out: int = Field(200, gt=0, description="videos that are scored and not trained on")
    held_out_seed: int = Field(0, ge=0, description="of the draw of those")


class SpokenDigitsOptions(Config):
    """Numbers from 0 to 99 as handwriting, tones and words."""

    data_seed: int = Field(0, ge=0, description="of the clips")
    videos: int = Field(2000, gt=0, description="clips to learn from")
