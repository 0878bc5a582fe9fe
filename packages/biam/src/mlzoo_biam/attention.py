"""Where in an image a tag is seen: its scores over the regions, as a map on the image.

D: channels, S: regions (rows · columns), G: width of the global feature, C: tags, k: regions averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from mlzoo_biam.networks import BiAM

Floats = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class TagMaps:
    """How one image looks to some tags.

    Attributes:
        scores: float32 [C], the mean of a tag's k best regions.
        maps: float32 [C, rows, columns], m of every region, before any pooling.
        regions: int64 [C, k], the regions that make the score, best first; r = row · columns + column.
    """

    scores: Floats
    maps: Floats
    regions: npt.NDArray[np.int64]

    def heat(self, height: int, width: int) -> Floats:
        """float32 [C, height, width] from 0 to 1: each map over the image, see :func:`over_image`."""
        return over_image(normalised(self.maps), height, width)

    def boxes(self, tag: int, height: int, width: int) -> list[Box]:
        """The chosen regions of a tag, best first, as (left, top, right, bottom) in pixels."""
        grid = (self.maps.shape[1], self.maps.shape[2])
        return [box(int(region), grid, height, width) for region in self.regions[tag]]


@torch.no_grad()
def tag_maps(network: BiAM, regions: Floats, scene: Floats, vectors: Floats) -> TagMaps:
    """The maps of one image.

    Args:
        network: BiAM; it is used in evaluation mode and left in the mode it was in.
        regions: float32 [D, S].
        scene: float32 [G].
        vectors: float32 [C, E], the word vectors of the tags.
    """
    device = network.W.weight.device
    x, x_g, v = (torch.from_numpy(each).to(device) for each in (regions, scene, vectors))
    training = network.training
    network.eval()
    try:
        m = network.region_scores(network.enriched(x[None], x_g[None]), v)  # [1, C, S]
    finally:
        network.train(training)
    chosen = network.topk_regions(m)  # [1, C, k]
    return TagMaps(
        scores=_numpy(m.gather(2, chosen).mean(dim=2)[0]),
        maps=_numpy(m[0].unflatten(1, network.grid)),
        regions=_numpy(chosen[0]),
    )


def normalised(maps: Floats) -> Floats:
    """[C, rows, columns], each from 0 at its lowest region to 1 at its highest; 0 if all are equal."""
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    span = high - low
    scaled: Floats = (maps - low) / np.where(span > 0, span, 1)
    return scaled


def over_image(maps: Floats, height: int, width: int) -> Floats:
    """float32 [C, height, width]: maps [C, rows, columns] stretched bilinearly over an image.

    The network saw the image squashed to a square; stretching each axis by its own factor undoes that.
    """
    stretched = functional.interpolate(
        torch.from_numpy(np.ascontiguousarray(maps))[None],
        size=(height, width),
        mode="bilinear",
        align_corners=False,
    )
    return _numpy(stretched[0])


def box(region: int, grid: tuple[int, int], height: int, width: int) -> Box:
    """What a region covers of an image: (left, top, right, bottom) in pixels."""
    rows, columns = grid
    row, column = divmod(region, columns)
    across, down = width / columns, height / rows
    return column * across, row * down, (column + 1) * across, (row + 1) * down


def _numpy(tensor: torch.Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = tensor.cpu().numpy()
    return array
