"""The paper's networks: a small convolutional classifier with none, one or three layers of a method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

from torch import Tensor, nn
from torch.nn import functional

from mlzoo.errors import UsageError, did_you_mean
from mlzoo_mdn.metadata_layer import MetadataLayer
from mlzoo_mdn.methods import normalisation

Network = Literal["baseline", "linear", "conv"]
FEATURES = 84
"""Width of fc1, whose output is what an adversary reads and the evaluators score."""


class ConfoundedClassifier(nn.Module):
    """Two convolutions and two linear layers for a two-class problem with a confounder.

    ``conv1 -> [norm1] -> relu -> conv2 -> [norm2] -> relu -> fc1 -> [norm3] -> relu -> fc2``;
    "baseline" has no normalisation, "linear" has norm3, "conv" has all three. No pooling, and
    PyTorch's default initialisation. 1,561,705 parameters at 1x32x32. A part that is given as
    ``inputs`` comes before conv1.

    Args:
        network: "baseline", "linear" or "conv".
        metadata: [N, k] of the training set; None only for "baseline".
        image_shape: (channels, height, width), at least 9 pixels high and wide.
        method: whose layers stand there, see :func:`mlzoo_mdn.methods.normalisation`.
        inputs: a layer called with the images and the metadata before everything else.
        layer_options: keyword arguments of every layer, for "mdn" those of
            :class:`~mlzoo_mdn.layer.MetadataNorm`.

    Raises:
        UsageError: unknown network, images too small, or options that the layer refuses.
    """

    def __init__(
        self,
        network: Network,
        metadata: Any,
        image_shape: Sequence[int] = (1, 32, 32),
        *,
        method: str = "mdn",
        inputs: MetadataLayer | None = None,
        **layer_options: Any,
    ) -> None:
        super().__init__()
        if network not in get_args(Network):
            raise UsageError(
                f"unknown network {network!r}", did_you_mean(str(network), get_args(Network))
            )
        if len(image_shape) != 3 or min(image_shape[1:]) < 9 or image_shape[0] < 1:
            raise UsageError(
                f"image_shape must be (channels, height, width) with at least 9x9 pixels, "
                f"got {tuple(image_shape)}"
            )
        self.network = network
        self.image_shape = channels, height, width = tuple(image_shape)
        first, second = (16, height - 4, width - 4), (32, height - 8, width - 8)
        self.conv1 = nn.Conv2d(channels, first[0], kernel_size=5)
        self.conv2 = nn.Conv2d(first[0], second[0], kernel_size=5)
        self.fc1 = nn.Linear(second[0] * second[1] * second[2], FEATURES)
        self.fc2 = nn.Linear(FEATURES, 1)
        self.inputs = inputs
        # No layer of a method draws random numbers: all networks start with the same weights.
        if network == "conv":
            self.norm1 = normalisation(method, metadata, first, **layer_options)
            self.norm2 = normalisation(method, metadata, second, **layer_options)
        if network in ("linear", "conv"):
            self.norm3 = normalisation(method, metadata, (FEATURES,), **layer_options)

    def forward(self, x: Tensor, metadata: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Classify images.

        Args:
            x: [m, channels, height, width].
            metadata: [m, k] raw columns as given for the training set; unused by "baseline".

        Returns:
            logit [m, 1], and features [m, 84]: fc1 after norm3 and before relu, part of the graph.
        """
        x = self._normalised("inputs", x, metadata)  # [m, C, H, W]
        x = self._normalised("norm1", self.conv1(x), metadata)  # [m, 16, H-4, W-4]
        x = self.conv2(functional.relu(x, inplace=True))  # [m, 32, H-8, W-8]
        x = functional.relu(self._normalised("norm2", x, metadata), inplace=True)
        features = self._normalised("norm3", self.fc1(x.flatten(1)), metadata)  # [m, 84]
        return self.fc2(functional.relu(features)), features

    def _normalised(self, name: str, x: Tensor, metadata: Tensor | None) -> Tensor:
        norm: nn.Module | None = getattr(self, name, None)
        if norm is None:
            return x
        out: Tensor = norm(x, metadata) if isinstance(norm, MetadataLayer) else norm(x)
        return out
