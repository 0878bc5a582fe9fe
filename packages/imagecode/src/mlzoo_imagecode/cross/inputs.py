"""What a cross-encoder reads of a part: tokens of descriptions, and regions of the images that they mean."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import ContextualData, Index, Part
from mlzoo_imagecode.cross.encoder import Given, trimmed
from mlzoo_imagecode.cross.regions.bert_tokens import BertTokens
from mlzoo_imagecode.cross.regions.boxes import RegionSource

PREPARE = (
    "mlzoo data prepare imagecode --regions FILE.lmdb makes them of the published file; demo data have a "
    "regions.lmdb."
)


def regions_of(part: Part) -> RegionSource:
    """The regions of a part's images.

    Raises:
        DataError: there are none.
    """
    if part.regions is None:
        raise DataError("there are no regions of the images, which this model reads.", PREPARE)
    return part.regions


def require_one_kind(data: ContextualData) -> tuple[int, str]:
    """Width and kind of the regions of all parts.

    Raises:
        DataError: there are none, or parts differ.
    """
    parts = {**data.parts, **({} if data.train is None else {"train": data.train})}
    found = {name: regions_of(part) for name, part in parts.items()}
    kinds = {name: (source.width, source.kind()) for name, source in found.items()}
    if len(set(kinds.values())) > 1:
        widths = ", ".join(f"{name} {width}" for name, (width, _) in kinds.items())
        raise DataError(f"the parts' regions are of different kinds (widths: {widths}).", PREPARE)
    return next(iter(kinds.values()))


class Inputs:
    """Descriptions as tokens, and how they and their candidates become one batch.

    Args:
        part: n descriptions of k candidates.
        tokens: for the descriptions.
        temporal: bool [n], whether the order of the candidates counts.

    Attributes:
        lengths: int64 [n], tokens of each description.

    Raises:
        DataError: there are no regions.
    """

    def __init__(self, part: Part, tokens: BertTokens, temporal: Tensor) -> None:
        self.part, self.temporal = part, temporal
        self.regions = regions_of(part)
        ids = tokens.encode(part.texts)  # [n, C]
        self.lengths: Index = (ids != 0).sum(axis=1).astype(np.int64)
        self.ids = torch.from_numpy(ids[:, : int(self.lengths.max())].copy())  # [n, T]

    def of_descriptions(self, rows: Index) -> Given:
        """b descriptions, each with all of its candidates; trimmed, on the CPU."""
        return self._given(rows, self.part.candidates[rows])

    def of_pairs(self, pairs: Index) -> Given:
        """b pairs, each for itself: pair r is description r // k with candidate r % k."""
        rows, columns = np.divmod(pairs, self.part.choices)
        return self._given(rows, self.part.candidates[rows, columns][:, None])

    def _given(self, rows: Index, candidates: Index) -> Given:
        images, places = np.unique(candidates, return_inverse=True)
        read = self.regions.read(images).inputs(None)
        ids = self.ids[torch.from_numpy(rows)]  # [b, T]
        return trimmed(
            Given(
                ids=ids,
                mask=(ids != 0).long(),
                features=torch.from_numpy(read.features),
                spatials=torch.from_numpy(read.locations),
                image_mask=torch.from_numpy(read.mask),
                places=torch.from_numpy(places.reshape(candidates.shape).astype(np.int64)),
                positions=torch.from_numpy(self.part.position[candidates]),
                temporal=self.temporal[torch.from_numpy(rows)],
            )
        )


def moved(given: Given, device: torch.device) -> Given:
    """The same on a device; the host does not wait for the copy."""
    if device.type == "cpu":
        return given

    def copy(x: Tensor | None) -> Tensor | None:
        if x is None:
            return None
        return (
            x.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else x.to(device)
        )

    return Given(*(copy(x) for x in given))  # type: ignore[arg-type]
