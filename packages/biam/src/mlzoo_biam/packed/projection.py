"""A global feature that needs no weights, for worlds and trials; no published number is of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

WIDTH = 4096
_SEED = 4096


class Projection:
    """max(0, mean over regions · G), G a fixed random matrix [channels, 4096]."""

    width = WIDTH

    def __init__(self, channels: int) -> None:
        random = np.random.default_rng(_SEED)
        matrix = random.standard_normal((channels, WIDTH), dtype=np.float32)
        self._matrix = matrix / np.float32(np.sqrt(channels))

    def __call__(self, regions: Floats) -> Floats:
        """float32 [n, 4096] of regions [n, channels, S]; image by image, so that its neighbours in a
        batch change no rounding."""
        scene: Floats = np.stack([mean @ self._matrix for mean in regions.mean(axis=2)])
        np.maximum(scene, 0, out=scene)
        return scene
