"""From batches of clips to the arrays that evaluators score."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from mlzoo_multisk.clips import DROPPED, MEL_BANDS, ClipBatch, Floats, Shape
from mlzoo_multisk.views.text import WordTable

if TYPE_CHECKING:
    from mlzoo_multisk.anchor_loss import AnchorLoss
    from mlzoo_multisk.networks import Embeddings


@dataclass(frozen=True, eq=False)
class Embedded:
    """Embeddings of n clips, those of a clip's cuts averaged.

    Attributes:
        raw: float32 [n, width] by the names of :class:`~mlzoo_multisk.networks.Embeddings`, of any length.
        has: bool [n] by modality.
    """

    raw: dict[str, Floats]
    has: dict[str, npt.NDArray[np.bool_]]

    @property
    def unit(self) -> dict[str, Floats]:
        """``text``, ``video``, ``audio`` and fused pairs with rows of length 1, or 0."""
        return {name: _unit(x) for name, x in self.raw.items() if not name.startswith("in_")}

    def arrays(
        self, anchors: AnchorLoss | None, device: torch.device
    ) -> dict[str, npt.NDArray[Any]]:
        """Every array of a split but for its size; see :mod:`mlzoo_multisk.retrieval`."""
        found: dict[str, npt.NDArray[Any]] = {**self.unit}
        found |= {f"has_{name}": has for name, has in self.has.items()}
        return found if anchors is None else found | self._assignments(anchors, device)

    @torch.no_grad()
    def _assignments(self, anchors: AnchorLoss, device: torch.device) -> dict[str, Floats]:
        """Similarities to anchors [n, K], and the targets of plans over all n clips."""
        kinds = {f"in_{m}": f"in_{m}" for m in self.has} | {f"out_{m}": m for m in self.has}
        rows = {kind: torch.from_numpy(self.raw[name]).to(device) for kind, name in kinds.items()}
        similar = anchors.assignments_to_anchors(rows)
        plans = {f"plan_{m}": anchors.targets(similar[f"out_{m}_{m}"]) for m in self.has}
        return {name: x.cpu().numpy() for name, x in {**similar, **plans}.items()}


def embedded(forward: Callable[[ClipBatch], Embeddings], batches: Iterable[ClipBatch]) -> Embedded:
    """Run a network over batches; cuts of one clip stand in one batch, one after the other."""
    raw: dict[str, list[Floats]] = {}
    has: dict[str, list[npt.NDArray[np.bool_]]] = {}
    for batch in batches:
        begins, counts, kept = _clips_of(batch.ids)
        found = {name: x for name, x in forward(batch)._asdict().items() if x is not None}
        for name, x in found.items():
            values = x.cpu().numpy()[kept]
            if name.startswith("has_"):
                has.setdefault(name[4:], []).append(np.logical_or.reduceat(values, begins))
            else:
                means = np.add.reduceat(values, begins) / counts[:, None]
                raw.setdefault(name, []).append(means.astype(np.float32))
    return Embedded(
        {name: np.concatenate(parts) for name, parts in raw.items()},
        {name: np.concatenate(parts) for name, parts in has.items()},
    )


def _clips_of(
    ids: Sequence[str],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where each clip's cuts begin among the rows that count, how many there are, and those rows."""
    kept = np.array([row for row, name in enumerate(ids) if name != DROPPED], dtype=np.int64)
    names = [ids[row] for row in kept]
    begins = [at for at, name in enumerate(names) if at == 0 or name != names[at - 1]]
    counts = np.diff([*begins, len(names)])
    return np.array(begins, dtype=np.int64), counts, kept


def text_batch(captions: Sequence[str], words: WordTable, shape: Shape) -> ClipBatch:
    """Captions as clips that have neither video nor audio."""
    texts = [words.embed(caption, shape.words) for caption in captions]
    count = len(captions)
    return ClipBatch(
        text=np.stack([vectors for vectors, _, _ in texts]),
        text_mask=np.stack([mask for _, mask, _ in texts]),
        video=np.zeros((count, shape.video_tokens, shape.video_width), dtype=np.float32),
        video_mask=np.zeros((count, shape.video_tokens), dtype=np.float32),
        audio=np.zeros((count, MEL_BANDS, shape.audio_frames), dtype=np.float32),
        audio_mask=np.zeros((count, shape.audio_frames), dtype=np.float32),
        audio_frames=np.zeros(count, dtype=np.int64),
        ids=tuple(str(row) for row in range(count)),
        captions=tuple(kept for _, _, kept in texts),
    )


def _unit(x: Floats) -> Floats:
    lengths = np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-8)
    return np.asarray(x / lengths, dtype=np.float32)
