"""One vector an image, for baselines without attention: pooled regions, and the scene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mlzoo_biam.multilabel import Images, Index

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ImageVectors:
    """The mean and the maximum over regions, and the scene feature, each of length 1, side by side.

    Attributes:
        kind: ``regions``, ``scene`` or ``both``. What is not asked for is not read.
    """

    kind: Literal["regions", "scene", "both"] = "both"

    def width(self, images: Images) -> int:
        """Numbers d of a vector."""
        regions = 2 * images.features.channels if self.kind != "scene" else 0
        scene = images.features.scene_width if self.kind != "regions" else 0
        return regions + scene

    def read(self, images: Images, index: Index | slice) -> Float32:
        """float32 [n, d] of some images, by their places among ``images``."""
        rows = images.rows[index]
        parts: list[Float32] = []
        if self.kind != "scene":
            regions = images.features.regions(rows)  # [n, D, S]
            parts += [_unit(regions.mean(axis=2)), _unit(regions.max(axis=2))]
        if self.kind != "regions":
            parts.append(_unit(images.features.scene(rows)))
        return np.concatenate(parts, axis=1)

    def batches(self, images: Images, size: int) -> Iterator[tuple[slice, Float32]]:
        """Places and vectors of all images, so many at a time."""
        for start in range(0, len(images), size):
            part = slice(start, min(start + size, len(images)))
            yield part, self.read(images, part)


def _unit(rows: Float32) -> Float32:
    """Rows of length 1; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Float32 = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return unit
