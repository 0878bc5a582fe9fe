"""What ``mlzoo export RUN --to onnx`` writes: from features of regions and word vectors to scores of tags."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mlzoo import OnnxNetwork
from mlzoo_biam.model import BiAMModel
from mlzoo_biam.multilabel import MultiLabelData
from mlzoo_biam.networks import BiAM, RegionContextBlock, tokens
from mlzoo_biam.pooling import region_scores

IMAGES = 3
TAGS = 64
"""Word vectors of the example at most, whose scores are compared."""


def network(model: BiAMModel, data: MultiLabelData) -> OnnxNetwork:
    """The whole network. Word vectors are an input, so that the file scores tags that nobody trained.

    Inputs: ``regions`` [batch, D, S], ``scene`` [batch, G] and ``vectors`` [tags, E], as the data hold
    them; output: ``scores`` [batch, tags]. ``facts`` holds the run's own tags, seen then unseen.
    """
    regions, scene = data.test.read(slice(0, IMAGES))
    return OnnxNetwork(
        network=TagScores(model.network),
        inputs={
            "regions": torch.from_numpy(regions),
            "scene": torch.from_numpy(scene),
            "vectors": torch.from_numpy(data.vectors[:TAGS]),
        },
        outputs=("scores",),
        axes={"regions": {0: "batch"}, "scene": {0: "batch"}, "vectors": {0: "tags"}},
        facts={"tags": list(data.tags), "seen": data.seen_count},
    )


class TagScores(nn.Module):
    """:class:`~mlzoo_biam.networks.BiAM` without dropout, the same for any number of images.

    Args:
        network: whose weights it uses.
    """

    def __init__(self, network: BiAM) -> None:
        super().__init__()
        self.network = network

    def forward(self, regions: Tensor, scene: Tensor, vectors: Tensor) -> Tensor:
        """[B, D, S], [B, G] and [C, E] to scores [B, C]."""
        network = self.network
        h_r = network.low_level(regions)  # [B, d, rows, columns]
        e_r = region_context(network.region_context_block, h_r)  # [B, S, d]
        e_g = tokens(network.scene_context_block(h_r, scene))  # [B, S, d]
        m = region_scores(network.W(vectors), network.conv_1X1(e_r, e_g))  # [C, B, S]
        return m.topk(network.top_k, dim=2).values.mean(dim=2).T  # [B, C]


def region_context(block: RegionContextBlock, h_r: Tensor) -> Tensor:
    """The block's e_r as [B, S, d], of h_r [B, d, rows, columns]: all images at once."""
    x = tokens(h_r)  # [B, S, d]
    v = block.w_v(x).unflatten(2, (block.heads, -1)).transpose(1, 2)  # [B, h, S, d/h]
    looked = (block.attention(h_r) @ v).transpose(1, 2).flatten(2)  # [B, S, d]
    o_r = x + block.w_o(looked)  # [B, S, d]
    return o_r + block.sub_network(o_r)  # type: ignore[no-any-return]
