"""The prediction arrays of a split from embeddings of batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlzoo_multisk.clips import MODALITIES, ClipBatch, Floats
from mlzoo_multisk.retrieval import RetrievalData
from mlzoo_multisk.scores.averaging import average_by_id

Array = npt.NDArray[Any]


def predicted(
    data: RetrievalData,
    split: str,
    size: int,
    embed: Callable[[ClipBatch], Mapping[str, Floats]],
) -> dict[str, Array]:
    """The arrays of :mod:`mlzoo_multisk.retrieval`, so many clips at a time.

    Args:
        data: whose part is predicted.
        split: its name.
        size: clips that are read at once.
        embed: from a batch to float32 [c, P] by modality. The mean over the cuts of a clip is brought to
            length 1; embeddings of zeros stay.

    Raises:
        UsageError: there is no such part.
    """
    clips = data.part(split)
    blocks: dict[str, list[Array]] = {}
    for at in range(0, len(clips), size):
        rows = np.arange(at, min(at + size, len(clips)))
        batch = clips.batch(rows)
        ids = [clips.ids[int(row)] for row in rows]
        for name, found in embed(batch).items():
            blocks.setdefault(name, []).append(_unit(of_clips(ids, batch.ids, found)))
        for name, there in presence(batch).items():
            share = of_clips(ids, batch.ids, there.astype(np.float64))
            blocks.setdefault(f"has_{name}", []).append(share > 0)
    arrays = {name: np.concatenate(each) for name, each in blocks.items()}
    return {
        **arrays,
        "complete": np.array(data.complete[split], dtype=np.int64),
        "ids": np.array(list(clips.ids), dtype=np.str_),
    }


def presence(batch: ClipBatch) -> dict[str, npt.NDArray[np.bool_]]:
    """bool [c] by modality: whether anything of it is there."""
    return {name: getattr(batch, f"{name}_mask").any(axis=1) for name in MODALITIES}


def of_clips(ids: Sequence[str], cut_ids: Sequence[str], rows: Array) -> Array:
    """One row [n, ...] for each clip of rows [c, ...] for their cuts, which follow each other.

    A clip has the mean over the cuts that count, or over all if none does.
    """
    if list(cut_ids) == list(ids):
        return rows
    names, means = average_by_id(cut_ids, rows)
    place = {name: row for row, name in enumerate(names)}
    cuts = len(rows) // len(ids)
    return np.stack(
        [
            means[place[name]] if name in place else rows[at * cuts : (at + 1) * cuts].mean(axis=0)
            for at, name in enumerate(ids)
        ]
    )


def _unit(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    found: Floats = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return found
