"""What ``mlzoo export RUN --to onnx`` writes: from images and metadata to a probability."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo import OnnxNetwork
from mlzoo_mdn.confounded import ConfoundedData
from mlzoo_mdn.layer import MetadataNorm
from mlzoo_mdn.metadata_layer import MetadataLayer
from mlzoo_mdn.model import MDN
from mlzoo_mdn.networks import ConfoundedClassifier

EXAMPLES = 6


def network(model: MDN, data: ConfoundedData) -> OnnxNetwork:
    """The network as it is evaluated, with the statistics that were scored.

    Inputs: ``images`` float32 [batch, C, H, W] and, where a layer reads them, ``metadata`` float64
    [batch, k], the raw confounders without the label; outputs: ``probability`` [batch] of the second label
    and ``features`` [batch, 84].
    """
    evaluated = Evaluated(model.network)
    test = data.test
    inputs = {"images": torch.from_numpy(test.images[:EXAMPLES])}
    if evaluated.reads_metadata:
        inputs["metadata"] = torch.from_numpy(test.metadata[:EXAMPLES])
    return OnnxNetwork(
        network=evaluated,
        inputs=inputs,
        outputs=("probability", "features"),
        axes={name: {0: "batch"} for name in inputs},
        facts={"labels": list(data.label_names), "metadata": list(data.metadata_names)},
    )


class Evaluated(nn.Module):
    """:class:`~mlzoo_mdn.networks.ConfoundedClassifier` in evaluation, whatever its method.

    Args:
        network: whose weights and statistics it uses.
    """

    def __init__(self, network: ConfoundedClassifier) -> None:
        super().__init__()
        self.network = network
        named = {
            name: getattr(network, name, None) for name in ("inputs", "norm1", "norm2", "norm3")
        }
        layers = {name: layer for name, layer in named.items() if layer is not None}
        self.reads_metadata = any(isinstance(each, MetadataLayer) for each in layers.values())
        self.layers = nn.ModuleDict(
            {
                f"at_{name}": Removal(layer) if isinstance(layer, MetadataLayer) else layer
                for name, layer in layers.items()
            }
        )

    def forward(self, images: Tensor, metadata: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Images [m, C, H, W] and confounders [m, k] to probabilities [m] and features [m, 84]."""
        network = self.network
        x = self._normalised("inputs", images, metadata)  # [m, C, H, W]
        x = functional.relu(self._normalised("norm1", network.conv1(x), metadata))
        x = functional.relu(self._normalised("norm2", network.conv2(x), metadata))
        features = self._normalised("norm3", network.fc1(x.flatten(1)), metadata)  # [m, 84]
        return network.fc2(functional.relu(features)).sigmoid()[:, 0], features

    def _normalised(self, name: str, x: Tensor, metadata: Tensor | None) -> Tensor:
        key = f"at_{name}"
        if key not in self.layers:
            return x
        layer = self.layers[key]
        out: Tensor = layer(x, metadata) if isinstance(layer, Removal) else layer(x)
        return out


class Removal(nn.Module):
    """``x - U B`` with the coefficients of a layer's evaluation.

    Args:
        layer: keeps the label, the first column of its metadata, which it does not read.
    """

    coefficients: Tensor

    def __init__(self, layer: MetadataLayer) -> None:
        super().__init__()
        self.layer = layer
        # Only of the penalty's layer.
        self.normalise: nn.Module = getattr(layer, "normalise", nn.Identity())
        found = layer.running if isinstance(layer, MetadataNorm) else layer.coefficients
        assert isinstance(found, Tensor)
        self.register_buffer("coefficients", found.detach().float())  # B [c, F]

    def forward(self, x: Tensor, metadata: Tensor) -> Tensor:
        """x [m, ...] without the effects of the confounders [m, k]."""
        x = self.normalise(x)
        rows = self.layer.subtracted_design(functional.pad(metadata, (1, 0))).float()  # U [m, c]
        return x - (rows @ self.coefficients).view_as(x)
