"""From a video to its features: what HowTo100M's features are made of, row for second.

2D: a picture a second of 224 pixels through ResNet-152, a row each. 3D: 24 pictures a second of 112 pixels
through the 3D ResNeXt-101, 16 at a time, 1.5 rows a second; black pictures fill the last 16. Rows get
length 1 and are kept in 16 bits. Audio: the log-mel spectrogram of the sound, 100 frames a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mlzoo.backbones import (
    BACKBONES,
    CLIP_BACKBONES,
    IMAGENET,
    Backbone,
    Preprocessing,
    load_weights,
)
from mlzoo.backbones.computing import exact
from mlzoo.errors import DataError, RunError, UsageError
from mlzoo.machine import choose_device
from mlzoo_multisk.clips import Item
from mlzoo_multisk.videos.pictures import Picture, Rate, pictures
from mlzoo_multisk.videos.sound import sound_of_file, sound_of_video
from mlzoo_multisk.views.log_mel import log_mel

Half = npt.NDArray[np.float16]
Kind = Literal["2d", "3d"]

KINDS: tuple[Kind, ...] = ("2d", "3d")
NETWORKS: dict[Kind, str] = {"2d": "resnet152", "3d": "resnext101-3d"}
PER_SECOND: dict[Kind, int] = {"2d": 1, "3d": 24}
"""Pictures, before so many of them make a row."""
PICTURE = Preprocessing(resize=224, crop=224, mean=IMAGENET.mean, std=IMAGENET.std)
"""Nothing but the long side's ends is cut off."""
CLIPS_AT_ONCE = 8  # a clip takes about as much memory as so many pictures


class Describer:
    """Networks with their weights, ready to describe videos.

    Args:
        weights: files of the networks by kind, see :func:`mlzoo.backbones.load_weights`.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        batch_size: pictures at once; results differ by rounding alone.
        unit_rows: rows get length 1.

    Raises:
        DataError: weights that do not fit.
        UsageError: no such device, or a batch size below 1.
    """

    def __init__(
        self,
        weights: Mapping[Kind, Path],
        *,
        device: str = "auto",
        batch_size: int = 32,
        unit_rows: bool = True,
    ) -> None:
        if batch_size < 1:
            raise UsageError(f"the batch size must be at least 1, got {batch_size}.")
        self.device, self.unit_rows = choose_device(device), unit_rows
        self._streams = {
            kind: _Stream.opened(kind, weights[kind], self.device, batch_size)
            for kind in KINDS
            if kind in weights
        }

    def video(self, path: Path, kinds: Sequence[Kind] = KINDS) -> dict[Kind, Half]:
        """Features of the pictures, of the kinds there are weights for and that are asked for.

        The video is decoded once and never held as a whole.

        Returns:
            float16 [rows, 2048] by kind.

        Raises:
            ValueError: the video cannot be read whole; says why.
            DataError: features that are not finite.
            RunError: the device has too little memory.
            MlzooError: PyAV is not installed.
        """
        streams = [self._streams[kind] for kind in kinds if kind in self._streams]
        waiting: list[list[Picture]] = [[] for _ in streams]
        rows: list[list[npt.NDArray[np.float32]]] = [[] for _ in streams]
        if streams:
            for which, picture in pictures(path, [stream.rate for stream in streams]):
                waiting[which].append(picture)
                if len(waiting[which]) == streams[which].at_once:
                    rows[which].append(streams[which].rows(waiting[which]))
                    waiting[which] = []
        for which, stream in enumerate(streams):
            if waiting[which]:
                rows[which].append(stream.rows(waiting[which]))
        return {
            stream.kind: self._kept(np.concatenate(rows[which]), stream)
            for which, stream in enumerate(streams)
        }

    def _kept(self, rows: npt.NDArray[np.float32], stream: _Stream) -> Half:
        if self.unit_rows:
            rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        with np.errstate(over="ignore"):
            kept = rows.astype(np.float16)
        if not np.isfinite(kept).all():
            raise DataError(f"{stream.weights} gives features that are not finite in 16 bits.")
        return kept


@dataclass(frozen=True, eq=False)
class _Stream:
    """One network and what it is shown."""

    kind: Kind
    weights: Path
    network: nn.Module
    device: str
    at_once: int  # pictures, a multiple of those of a clip

    @classmethod
    def opened(cls, kind: Kind, weights: Path, device: str, batch_size: int) -> _Stream:
        network = load_weights(weights, NETWORKS[kind]).to(device)
        frames = max(1, backbone_of(kind).frames)
        clips = batch_size if frames == 1 else max(1, batch_size // CLIPS_AT_ONCE)
        return cls(kind, weights, network, device, clips * frames)

    @property
    def preprocessing(self) -> Preprocessing:
        return PICTURE if self.kind == "2d" else backbone_of(self.kind).preprocessing

    @property
    def rate(self) -> Rate:
        return Rate(PER_SECOND[self.kind], self.preprocessing.crop)

    @torch.inference_mode()
    def rows(self, shown: Sequence[Picture]) -> npt.NDArray[np.float32]:
        """float32 [rows, width] of pictures [side, side, 3]; black ones fill the last clip."""
        backbone = backbone_of(self.kind)
        if backbone.frames and len(shown) % backbone.frames:
            black = np.zeros_like(shown[0])
            shown = [*shown, *[black] * (-len(shown) % backbone.frames)]
        try:
            pixels = torch.from_numpy(np.stack(shown)).to(self.device)
            images = self.preprocessing.normalised(pixels)  # [N, 3, side, side]
            if backbone.frames:
                images = images.unflatten(0, (-1, backbone.frames)).transpose(1, 2).contiguous()
            with exact():
                features = backbone.describe(self.network, images)["features"]
                found: npt.NDArray[np.float32] = features.float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise RunError(
                f"{self.device} has too little memory for {len(shown)} pictures at once.",
                "Choose a smaller --batch-size; the work goes on from where it is.",
            ) from error
        if not np.isfinite(found).all():
            raise DataError(f"{self.weights} gives features that are not finite.")
        return found


def backbone_of(kind: Kind) -> Backbone:
    """The registered network of a kind."""
    name = NETWORKS[kind]
    return CLIP_BACKBONES[name] if kind == "3d" else BACKBONES[name]


def describe_sound(
    video: Path | None, file: Path | None, padding: Literal["reflect", "constant"] = "reflect"
) -> Half | None:
    """The log-mel spectrogram of a sound file, or else of a video's own sound: float16 [40, frames].

    None where a video has no sound.

    Raises:
        ValueError: it cannot be read whole; says why.
        MlzooError: PyAV or soundfile is not installed.
    """
    wave = sound_of_file(file) if file is not None else None
    if file is None and video is not None:
        wave = sound_of_video(video)
    return None if wave is None else np.asarray(log_mel(wave, padding)).astype(np.float16)


def describe_video(
    path: Path,
    *,
    weights_2d: Path | None = None,
    weights_3d: Path | None = None,
    audio: Path | None = None,
    device: str = "auto",
    batch_size: int = 32,
    unit_rows: bool = True,
) -> Item:
    """One video as an item, e.g. to look for what is said of it.

    Args:
        path: of the video; its name without the ending is the item's key.
        weights_2d: of ResNet-152; without it the item has no ``video_2d``.
        weights_3d: of the 3D ResNeXt-101; without it the item has no ``video_3d``.
        audio: a sound file in place of the video's own sound.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        batch_size: pictures at once.
        unit_rows: rows of features get length 1.

    Raises:
        DataError: the video cannot be read, or the weights do not fit.
        MlzooError: PyAV or soundfile is not installed.
    """
    given: dict[Kind, Path | None] = {"2d": weights_2d, "3d": weights_3d}
    weights = {kind: file for kind, file in given.items() if file is not None}
    describer = Describer(weights, device=device, batch_size=batch_size, unit_rows=unit_rows)
    try:
        rows = describer.video(path)
        sound = describe_sound(path, audio)
    except ValueError as error:
        raise DataError(f"{path} cannot be described: {error}.") from error
    return Item(path.stem, rows.get("2d"), rows.get("3d"), sound, {})
