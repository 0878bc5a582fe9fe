"""The prediction arrays of a split from vectors of batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mlzoo_multisk.clips import MODALITIES, ClipBatch, Floats
from mlzoo_multisk.embedding import embedded
from mlzoo_multisk.networks import Embeddings
from mlzoo_multisk.retrieval import RetrievalData


def predicted(
    data: RetrievalData,
    split: str,
    size: int,
    embed: Callable[[ClipBatch], Mapping[str, Floats]],
) -> dict[str, npt.NDArray[Any]]:
    """The arrays of :mod:`mlzoo_multisk.retrieval`, so many clips at a time.

    Args:
        data: whose part is predicted.
        split: its name.
        size: clips that are read at once.
        embed: from a batch to float32 [b, P] by modality, of any length; zeros stay.

    Raises:
        UsageError: there is no such part.
    """
    clips = data.part(split)

    def forward(batch: ClipBatch) -> Embeddings:
        made = {**embed(batch), **{f"has_{name}": there for name, there in presence(batch).items()}}
        return Embeddings(**{name: torch.from_numpy(array) for name, array in made.items()})

    starts = range(0, len(clips), size)
    blocks = (np.arange(start, min(start + size, len(clips))) for start in starts)
    found = embedded(forward, (clips.batch(rows) for rows in blocks))
    return {
        **found.arrays(None, torch.device("cpu")),
        "complete": np.array(data.complete[split], dtype=np.int64),
        "ids": np.array(list(clips.ids)),
    }


def presence(batch: ClipBatch) -> dict[str, npt.NDArray[np.bool_]]:
    """bool [b] by modality: whether anything of it is there."""
    return {name: getattr(batch, f"{name}_mask").any(axis=1) for name in MODALITIES}
