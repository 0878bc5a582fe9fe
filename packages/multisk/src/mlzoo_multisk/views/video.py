"""Rows of a 2D and a 3D network as the video tokens of a clip.

The 2D stream has one row a second and the 3D stream one and a half; the 2D rows are brought to the
number of the 3D rows by nearest, both are divided by their length, and put side by side. Source: the
features of HowTo100M (Miech et al., ICCV 2019) as Everything at Once (CVPR 2022) uses them.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import ArraySpec, check_array
from mlzoo.errors import DataError, UsageError
from mlzoo_multisk.clips import Floats, Pooling

Rows: TypeAlias = npt.NDArray[Any]

FPS_2D = 1.0
"""Rows a second of the network that looks at single pictures."""
FPS_3D = 1.5
"""Rows a second of the network that looks at motion."""

_NO_LENGTH = np.float32(1e-12)  # a row of zeros stays one


def combine(
    video_2d: Rows | None,
    video_3d: Rows | None,
    tokens: int,
    strategy: Pooling = "clip",
    *,
    compat: bool = False,
    what: str = "video",
) -> tuple[Floats, Floats]:
    """The tokens of a clip.

    ``clip`` takes the first V rows. ``nearest`` resamples each stream to V rows where the last one has
    more than that, else it is ``clip``. ``max_pool`` takes maxima over floor(rows / V) rows first, where
    both streams allow at least two. With a stream that has no rows there is no video: zeros, and a mask
    of zeros.

    Args:
        video_2d: [r2, D2], or None to go without.
        video_3d: [r3, D3], or None to go without.
        tokens: V; 0 gives one token, the maximum of each stream over time, whose mask is always 1.
        strategy: ``clip``, ``nearest`` or ``max_pool``.
        compat: repeat a defect of the published program, which gives 2D features without 3D ones twice,
            side by side: with ``nearest`` and at most V rows, and always with ``max_pool``.
        what: name of the clip, for messages.

    Returns:
        Video float32 [V, D], D the sum of the streams' widths, and its mask float32 [V].

    Raises:
        DataError: no stream at all, a stream that is no [r, D], or has values that are not finite.
        UsageError: no such strategy.
    """
    streams = [
        _checked(rows, f"{what}: {name} features")
        for name, rows in (("2D", video_2d), ("3D", video_3d))
        if rows is not None
    ]
    if not streams:
        raise DataError(f"{what} has neither 2D nor 3D features.")
    if strategy not in ("clip", "nearest", "max_pool"):
        raise UsageError(
            f"video cannot be pooled by {strategy!r}.", "Take clip, nearest or max_pool."
        )
    if tokens == 0:
        return _pooled(streams), np.ones(1, np.float32)
    doubled = compat and video_3d is None and _doubles(len(streams[0]), tokens, strategy)
    if all(len(rows) for rows in streams):
        video, mask = _tokens(streams, tokens, strategy)
    else:
        video, mask = no_video(tokens, sum(rows.shape[1] for rows in streams))
    return (np.concatenate([video, video], axis=1) if doubled else video), mask


def no_video(tokens: int, width: int) -> tuple[Floats, Floats]:
    """Of a clip without video: zeros float32 [V, D] and a mask of zeros float32 [V]."""
    return np.zeros((tokens, width), np.float32), np.zeros(tokens, np.float32)


def _checked(rows: Rows, what: str) -> Floats:
    check_array(rows, ArraySpec(ndim=2, kinds="f"), what)
    return np.asarray(rows, dtype=np.float32)


def _tokens(streams: list[Floats], tokens: int, strategy: Pooling) -> tuple[Floats, Floats]:
    """Of streams that all have rows: video [V, D] and mask [V]."""
    kernels = [len(rows) // tokens for rows in streams]
    if strategy == "max_pool" and min(kernels) > 1:
        streams = [_max_pooled(rows, kernel) for rows, kernel in zip(streams, kernels, strict=True)]
    count = len(streams[-1])  # rows of 3D where there is 3D
    if strategy != "clip" and count > tokens:
        count = tokens
    together = np.concatenate([unit_rows(nearest(rows, count)) for rows in streams], axis=1)
    count = min(count, tokens)
    video, mask = no_video(tokens, together.shape[1])
    video[:count], mask[:count] = together[:count], 1
    return video, mask


def _doubles(rows: int, tokens: int, strategy: Pooling) -> bool:
    """Whether the published program gives lone 2D features twice."""
    return strategy == "max_pool" or (strategy == "nearest" and rows <= tokens)


def _max_pooled(rows: Floats, kernel: int) -> Floats:
    """Maxima over ``kernel`` rows each [r // kernel, D]; rows that are left over do not count."""
    count = len(rows) // kernel
    return np.asarray(rows[: count * kernel].reshape(count, kernel, -1).max(axis=1))


def _pooled(streams: list[Floats]) -> Floats:
    """Maxima over time, each stream divided by its length: [1, D]."""
    best = [
        rows.max(axis=0) if len(rows) else np.zeros(rows.shape[1], np.float32) for rows in streams
    ]
    return np.concatenate([unit_rows(row[None]) for row in best], axis=1)


def nearest_rows(rows: int, count: int) -> npt.NDArray[np.int64]:
    """int64 [count]: which of ``rows`` rows stand for the new ones, floor(i rows / count).

    In single precision, as ``torch.nn.functional.interpolate`` computes it.
    """
    scale = np.float32(rows) / np.float32(count)
    index = np.floor(np.arange(count, dtype=np.float32) * scale).astype(np.int64)
    return np.asarray(np.minimum(index, rows - 1))


def nearest(rows: Floats, count: int) -> Floats:
    """[r, D] resampled to [count, D] by nearest."""
    return rows if len(rows) == count else rows[nearest_rows(len(rows), count)]


def unit_rows(rows: Floats) -> Floats:
    """Rows [r, D] divided by their Euclidean length; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)  # [r, 1]
    return np.asarray(rows / np.maximum(lengths, _NO_LENGTH))


def cut_by_time(
    video_2d: Rows | None,
    video_3d: Rows | None,
    start: float,
    end: float,
    *,
    fps_2d: float = FPS_2D,
    fps_3d: float = FPS_3D,
    accurate: bool = False,
) -> tuple[Rows | None, Rows | None]:
    """The rows between two times of each stream.

    Args:
        video_2d: [r2, D2] or None.
        video_3d: [r3, D3] or None.
        start: in seconds; before the beginning counts as the beginning.
        end: in seconds.
        fps_2d: rows a second of ``video_2d``.
        fps_3d: rows a second of ``video_3d``.
        accurate: from floor(start fps) up to ceil(end fps), as CrossTask is cut, instead of the row
            after int(end fps).
    """

    def cut(rows: Rows | None, fps: float) -> Rows | None:
        if rows is None:
            return None
        first = math.floor(start * fps) if accurate else int(start * fps)
        last = math.ceil(end * fps) if accurate else int(end * fps) + 1
        return rows[max(0, first) : max(0, last)]

    return cut(video_2d, fps_2d), cut(video_3d, fps_3d)


def mean_token(video: Floats, mask: Floats) -> Floats:
    """One feature of a clip: the mean [D] of the tokens [V, D] that the mask [V] counts."""
    return np.asarray((video * mask[:, None]).sum(axis=0) / (mask.sum() + np.float32(1e-5)))
