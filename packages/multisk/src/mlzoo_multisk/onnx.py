"""What ``mlzoo export RUN --to onnx`` writes: from tokens and spectrograms to embeddings of one space."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mlzoo import OnnxNetwork
from mlzoo.errors import UsageError
from mlzoo_multisk.clips import FUSED, MODALITIES, Pooling
from mlzoo_multisk.model import RetrievalModel
from mlzoo_multisk.networks import TokenNetwork
from mlzoo_multisk.retrieval import RetrievalData

EXAMPLES = 4
SHORTEST = 1e-8
"""An embedding is divided by its length, or by this where it is shorter."""


def network(model: RetrievalModel, data: RetrievalData) -> OnnxNetwork:
    """The whole network for clips that are evaluated at once.

    Inputs, for ``text``, ``video`` and ``audio`` (log-mel spectrogram [batch, 40, T]): the modality and
    its mask, such as ``text`` [batch, W, E] and ``text_mask`` [batch, W]. Outputs: embeddings [batch, P] of
    length 1, ``text_embedding`` and so on; where the network fuses pairs, also ``tv_embedding``,
    ``ta_embedding`` and ``va_embedding``.

    Raises:
        UsageError: the audio network's tokens are resampled by how much audio a clip has.
    """
    tokens, shape = model.network, data.shape
    resampled = data.audio_tokens < shape.audio_tokens and data.audio_pooling not in (
        "clip",
        "none",
    )
    if "audio" in tokens.modalities and resampled:
        raise UsageError(
            f"onnx: audio pooled by {data.audio_pooling} depends on each clip's length.",
            "Only clips whose audio is cut have such a network.",
        )
    clips = data.part("test").batch(np.arange(min(EXAMPLES, len(data.part("test")))))
    arrays = clips.arrays()
    named = [name for each in tokens.modalities for name in (each, f"{each}_mask")]
    inputs = {name: torch.from_numpy(arrays[name]) for name in named}
    pairs = [name for name, parts in FUSED.items() if set(parts) <= set(tokens.modalities)]
    made = [name for name in MODALITIES if name in tokens.modalities]
    fuses = "tv" in _embeddings(tokens, inputs, data.audio_tokens, data.audio_pooling)
    outputs = (*made, *(pairs if fuses else ()))
    return OnnxNetwork(
        network=UnitEmbeddings(tokens, outputs, data.audio_tokens, data.audio_pooling),
        inputs=inputs,
        outputs=tuple(f"{name}_embedding" for name in outputs),
        axes={name: {0: "batch"} for name in named},
        facts={"protocol": data.protocol},
    )


class UnitEmbeddings(nn.Module):
    """A network of either model, with inputs one by one and embeddings of length 1.

    Args:
        network: whose weights it uses.
        outputs: of the network that are returned, in their order.
        audio_tokens, audio_pooling: as the data have them.
    """

    def __init__(
        self,
        network: TokenNetwork,
        outputs: tuple[str, ...],
        audio_tokens: int,
        audio_pooling: Pooling,
    ) -> None:
        super().__init__()
        self.network, self.outputs = network, outputs
        self.audio_tokens, self.audio_pooling = audio_tokens, audio_pooling

    def forward(
        self,
        text: Tensor,
        text_mask: Tensor,
        video: Tensor,
        video_mask: Tensor,
        audio: Tensor | None = None,
        audio_mask: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Modalities and masks, as :class:`~mlzoo_multisk.clips.ClipBatch` has them, to embeddings [b, P]."""
        given = {"text": text, "text_mask": text_mask, "video": video, "video_mask": video_mask}
        if audio is not None and audio_mask is not None:
            given |= {"audio": audio, "audio_mask": audio_mask}
        found = _embeddings(self.network, given, self.audio_tokens, self.audio_pooling)
        return tuple(_unit(found[name]) for name in self.outputs)


def _embeddings(
    network: TokenNetwork, given: dict[str, Tensor], count: int, pooling: Pooling
) -> dict[str, Any]:
    batch = dict(given)
    if "audio" in batch:  # clips that are cut do not ask for their length
        batch["audio_frames"] = torch.full_like(batch["audio_mask"][:, 0], -1)
    found: dict[str, Any] = network(batch, count, pooling).made()
    return found


def _unit(x: Tensor) -> Tensor:
    unit: Tensor = x / x.norm(dim=1, keepdim=True).clamp_min(SHORTEST)
    return unit
