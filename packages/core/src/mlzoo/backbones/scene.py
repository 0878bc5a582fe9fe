"""The description of whole scenes, computed from stored maps of regions alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from mlzoo.backbones.computing import exact
from mlzoo.backbones.vgg import REGIONS, VGG, scene_of_regions
from mlzoo.backbones.weights import load_weights
from mlzoo.errors import DataError
from mlzoo.machine import choose_device


class SceneHead:
    """The frozen last pool and the layers fc6 and fc7 of a VGG network.

    Args:
        weights: the network's file, see :func:`mlzoo.backbones.load_weights`.
        name: the network.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        batch_size: images at once.

    Attributes:
        channels: of the maps, 512.
        width: of a scene, 4096.

    Raises:
        DataError: the weights do not fit.
        UsageError: no such network or device.
    """

    def __init__(
        self, weights: Path, name: str = "vgg19", *, device: str = "auto", batch_size: int = 256
    ) -> None:
        network = load_weights(weights, name)
        if not isinstance(network, VGG):
            raise TypeError(f"{name} has no such layers")
        self.weights, self.device, self.batch_size = weights, choose_device(device), batch_size
        network.features = torch.nn.Sequential(
            network.features[-1]
        )  # the convolutions are not needed
        self.channels, self.width = network.channels, network.hidden
        self._network = network.to(self.device)

    @torch.inference_mode()
    def __call__(self, regions: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """``scene`` float32 [n, width] of ``regions`` [n, channels, 196] as extraction gives them.

        Raises:
            DataError: the regions have another shape, or give values that are not finite.
        """
        if regions.ndim != 3 or regions.shape[1:] != (self.channels, REGIONS):
            expected = f"(any, {self.channels}, {REGIONS})"
            raise DataError(f"expected maps of shape {expected}, found {regions.shape}.")
        found = np.empty((len(regions), self.width), np.float32)
        for start in range(0, len(regions), self.batch_size):
            batch = np.array(regions[start : start + self.batch_size], np.float32)
            with exact():
                scene = scene_of_regions(self._network, torch.from_numpy(batch).to(self.device))
            found[start : start + self.batch_size] = scene.cpu().numpy()
        if not np.isfinite(found).all():
            raise DataError(f"the maps give, with {self.weights}, scenes that are not finite.")
        return found
