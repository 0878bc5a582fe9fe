"""One vector for each text, video and audio: the mean of its words, tokens or frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError
from mlzoo_multisk.baselines.predicting import presence
from mlzoo_multisk.clips import MEL_BANDS, MODALITIES, ClipBatch, Floats, Shape
from mlzoo_multisk.retrieval import RetrievalData


@dataclass(frozen=True, eq=False)
class Pooled:
    """Means of b clips, side by side.

    Attributes:
        features: float32 [b, d], text, video and audio one after the other; zeros where one lacks.
        there: bool [b, 3], whether it is there.
    """

    features: Floats
    there: npt.NDArray[np.bool_]


def widths(shape: Shape) -> dict[str, int]:
    """Numbers of a mean, by modality."""
    return {"text": shape.word_width, "video": shape.video_width, "audio": MEL_BANDS}


def spans(shape: Shape) -> list[slice]:
    """Where the means of text, video and audio stand among d features."""
    ends = np.cumsum(list(widths(shape).values())).tolist()
    return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def pool(batch: ClipBatch) -> Pooled:
    """The means of the words, tokens and frames that there are."""
    parts = [
        _mean(np.einsum("bwe,bw->be", batch.text, batch.text_mask), batch.text_mask),
        _mean(np.einsum("bvd,bv->bd", batch.video, batch.video_mask), batch.video_mask),
        _mean(np.einsum("bmt,bt->bm", batch.audio, batch.audio_mask), batch.audio_mask),
    ]
    there = presence(batch)
    return Pooled(
        np.concatenate(parts, axis=1), np.stack([there[name] for name in MODALITIES], axis=1)
    )


def pooled_training(data: RetrievalData, size: int, seed: int = 0) -> Iterator[Pooled]:
    """The first pass of draws over the training videos, so many at a time.

    Raises:
        DataError: there is nothing to learn from.
    """
    train = data.train
    if train is None:
        raise DataError("these data have nothing to learn from.", "Take random-embeddings instead.")
    order = train.order(seed, 0)
    for at in range(0, len(order), size):
        yield pool(train.draw(order[at : at + size], seed, 0))


def deviations(
    variance: npt.NDArray[np.float64], mean: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """[d], by which features are divided; 1 where a variance is nothing but rounding."""
    constant = variance <= 1e-10 * np.maximum(mean**2, 1e-12)
    return np.where(constant, 1.0, np.sqrt(np.abs(variance)))


def _mean(sums: Floats, mask: Floats) -> Floats:
    counts = mask.sum(axis=1, keepdims=True)
    means: Floats = (sums / np.maximum(counts, 1)).astype(np.float32)
    return means
