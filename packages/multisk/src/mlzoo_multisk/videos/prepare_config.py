"""Options of ``mlzoo data prepare videos``. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from mlzoo import Config


class PrepareVideosOptions(Config):
    """``captions`` is needed, ``videos`` unless ``features`` has everything, and for 2D or 3D features
    their weights or ``features``."""

    videos: Path | None = Field(None, description="folder of the videos, at any depth")
    captions: Path | None = Field(
        None,
        description="table (.csv, .tsv) with the columns video and caption, perhaps split (train, val, "
        "test), start and end (seconds)",
    )
    weights_2d: Path | None = Field(
        None, description="state dict of torchvision's resnet152 (resnet152-394f9c45.pth)"
    )
    weights_3d: Path | None = Field(
        None, description="weights of the 3D ResNeXt-101 (resnext-101-kinetics.pth)"
    )
    features: Path | None = Field(
        None,
        description="folder of extracted features, which go before weights and sound: <video>_2d.npz, "
        "<video>_3d.npz (key features), <video>_spec.npz (key arr_0)",
    )
    audio: Path | None = Field(
        None, description="folder of <video>.wav, .flac or .ogg, in place of the videos' own sound"
    )
    vectors: Path | None = Field(
        None,
        description="word2vec .bin, .txt or .npz, of which word_vectors.npz keeps the captions' words; "
        "without it a run is given --word-vectors",
    )
    unit_rows: bool = Field(True, description="computed rows of features get length 1")
    audio_padding: Literal["reflect", "constant"] = Field(
        "reflect", description="how sound goes on beyond its ends in the spectrogram"
    )
    batch_size: int = Field(32, gt=0, description="pictures at once")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
