"""Log-mel spectrograms of waves: mean removed, pre-emphasis, power of short Fourier transforms, 40 mel
bands, decibels below the loudest. Source: AVLnet (Rouditchenko et al., Interspeech 2021)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mlzoo.errors import DataError
from mlzoo_multisk.clips import MEL_BANDS, Floats
from mlzoo_multisk.views.audio import HOP, RATE, WINDOW

Padding: TypeAlias = Literal["reflect", "constant"]
"""How a wave goes on beyond its ends for the outermost windows: mirrored, as the published features were
made, or silent."""

PRE_EMPHASIS = 0.97
LOWEST = 20.0
"""Hz, lower edge of the first band; the last ends at half the sampling rate."""
FLOOR = 80.0
"""Decibels below the loudest, at which values are cut."""

_QUIET = 1e-10  # of power, so that silence has a logarithm
_LINEAR_HZ, _LINEAR_MEL = (
    1000.0,
    15.0,
)  # Slaney's scale: 200/3 Hz a mel below, 27 steps to 6400 Hz above
_STEP = float(np.log(6.4) / 27)
_CHUNK = 2**20  # samples that are transformed at once


def log_mel(wave: npt.NDArray[Any], padding: Padding = "reflect") -> Floats:
    """The spectrogram of one wave.

    Args:
        wave: floats or integers [n], 16,000 samples a second; its scale does not matter (but for near
            silence). An empty wave counts as 200 samples of silence.
        padding: beyond the ends.

    Returns:
        Decibels float32 [40, 1 + n // 160], 0 at the loudest and at least -80.

    Raises:
        DataError: not one axis, or values that are not finite.
    """
    if wave.ndim != 1:
        raise DataError(f"a wave must have one axis, found shape {wave.shape}.")
    spectrogram: Floats = log_mels(wave[None], padding)[0]
    return spectrogram


def log_mels(waves: npt.NDArray[Any], padding: Padding = "reflect") -> Floats:
    """The spectrograms of waves of equal length, each relative to its own loudest value.

    Args:
        waves: floats or integers [b, n].
        padding: beyond the ends.

    Returns:
        float32 [b, 40, 1 + n // 160].

    Raises:
        DataError: not two axes, or values that are not finite.
    """
    if waves.ndim != 2 or waves.dtype.kind not in "fiu":
        raise DataError(f"waves must be numbers [b, n], found {waves.dtype} {waves.shape}.")
    if not waves.shape[1]:
        waves = np.zeros((len(waves), WINDOW // 2), np.float32)
    frames = 1 + waves.shape[1] // HOP
    found = np.empty((len(waves), MEL_BANDS, frames), np.float32)
    at_once = max(1, _CHUNK // waves.shape[1])
    for first in range(0, len(waves), at_once):
        rows = slice(first, first + at_once)
        found[rows] = _decibels(_mel_power(_emphasised(waves[rows], padding), frames)).numpy()
    return found


def _emphasised(waves: npt.NDArray[Any], padding: Padding) -> Tensor:
    """Mean removed, high frequencies raised, ends continued: float32 [b, n + 400]."""
    x = np.asarray(waves, dtype=np.float32)
    if not np.isfinite(x).all():
        raise DataError("a wave has values that are not finite.")
    x = x - x.mean(axis=1, keepdims=True)
    x = np.concatenate([x[:, :1], x[:, 1:] - np.float32(PRE_EMPHASIS) * x[:, :-1]], axis=1)
    half = WINDOW // 2
    return torch.from_numpy(np.pad(x, ((0, 0), (half, half)), mode=padding))


def _mel_power(waves: Tensor, frames: int) -> Tensor:
    """Power in each band: float64 [b, 40, frames]. Long waves are transformed piece by piece."""
    window = torch.hamming_window(WINDOW, periodic=False, dtype=torch.float64)
    filters = torch.tensor(mel_filters(), dtype=torch.float64)  # [40, 201]
    pieces = []
    at_once = max(1, _CHUNK // HOP)
    for first in range(0, frames, at_once):
        last = min(frames, first + at_once)
        piece = waves[:, first * HOP : (last - 1) * HOP + WINDOW].double()
        spectrum = torch.stft(piece, WINDOW, HOP, WINDOW, window, center=False, return_complex=True)
        pieces.append(filters @ spectrum.abs().square())  # [b, 40, piece of frames]
    return torch.cat(pieces, dim=2)


def _decibels(power: Tensor) -> Tensor:
    """10 log10 relative to the loudest of each wave, cut at the floor: float32 [b, 40, frames]."""
    power = power.clamp_min(_QUIET)
    level: Tensor = 10 * torch.log10(power / power.amax(dim=(1, 2), keepdim=True))
    return level.clamp_min(-FLOOR).float()


@lru_cache(maxsize=1)
def mel_filters() -> Floats:
    """Triangular filters float32 [40, 201] over the frequencies 0, 40, ... 8000 Hz, from 20 Hz on.

    Slaney's scale (linear below 1000 Hz, logarithmic above), each triangle of area 1 over Hz. Read-only.
    """
    edges = _hertz(np.linspace(_mel(LOWEST), _mel(RATE / 2), MEL_BANDS + 2))  # [42]
    frequencies = np.linspace(0, RATE / 2, WINDOW // 2 + 1)  # [201]
    away = edges[:, None] - frequencies  # [42, 201]
    widths = np.diff(edges)[:, None]  # [41, 1]
    rising, falling = -away[:-2] / widths[:-1], away[2:] / widths[1:]  # [40, 201]
    triangles = np.maximum(0, np.minimum(rising, falling))
    area = (edges[2:] - edges[:-2])[:, None] / 2
    filters: Floats = (triangles / area).astype(np.float32)
    filters.setflags(write=False)
    return filters


def _mel(hertz: float) -> float:
    if hertz < _LINEAR_HZ:
        return hertz * _LINEAR_MEL / _LINEAR_HZ
    return _LINEAR_MEL + float(np.log(hertz / _LINEAR_HZ)) / _STEP


def _hertz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    linear = mel * _LINEAR_HZ / _LINEAR_MEL
    return np.where(mel < _LINEAR_MEL, linear, _LINEAR_HZ * np.exp(_STEP * (mel - _LINEAR_MEL)))
