"""BiAM (Narayan et al., ICCV 2021): region and scene context, tags scored by their word vectors.

B: images, D: channels of the features, S: regions (rows · columns of a grid), d: channels of the two
blocks, h: attention heads, G: width of the global feature x_g, J: width of the joint space, E: width of
a word vector, C: tags, k: regions whose scores are averaged.

The modules have the published program's names and shapes, so that its checkpoints load as they are. Maps
[B, d, rows, columns] lie channels last in memory: their regions are the rows of one matrix, and a 1×1
convolution is one matrix product.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo_biam.config import BiAMConfig
from mlzoo_biam.pooling import mean_of_best, region_scores

SLOPE = 0.2
"""Of every leaky ReLU."""

EPSILON = 1e-3
"""Of every batch normalisation."""

CACHED = 2**20
"""Attention weights that are worked on at a time on a CPU."""

MASKED = -1e9
"""Score of a pair of regions that is not to be attended to."""


def tokens(maps: Tensor) -> Tensor:
    """[B, d, rows, columns] to [B, S, d], regions row by row; a view of a map that lies channels last."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)


def on_grid(regions: Tensor, grid: torch.Size | tuple[int, int]) -> Tensor:
    """[B, S, d] to [B, d, rows, columns]; a view."""
    maps: Tensor = regions.unflatten(1, tuple(grid))  # [B, rows, columns, d]
    return maps.permute(0, 3, 1, 2)


class Pointwise(nn.Conv2d):
    """A 1×1 convolution of regions [..., in] to [..., out]."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 1)

    @property
    def matrix(self) -> Tensor:
        """The weight as [out, in]."""
        return self.weight.flatten(1)

    def forward(self, input: Tensor) -> Tensor:
        return functional.linear(input, self.matrix, self.bias)


class LeakyPointwise(nn.Module):
    """Leaky ReLU of a 1×1 convolution."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.body = Pointwise(channels_in, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        return functional.leaky_relu(self.body(x), SLOPE, inplace=True)


class Fusion(nn.Module):
    """Leaky ReLU of a 1×1 convolution of two maps side by side, [e_r, e_g], which are never joined."""

    def __init__(self, channels: int, joint_width: int) -> None:
        super().__init__()
        self.body = Pointwise(2 * channels, joint_width)

    def forward(self, e_r: Tensor, e_g: Tensor) -> Tensor:
        """Two of [B, S, d] to [B, S, J]."""
        for_r, for_g = self.body.matrix.chunk(2, dim=1)  # [J, d] each
        joint = functional.linear(e_r, for_r, self.body.bias) + functional.linear(e_g, for_g)
        return functional.leaky_relu(joint, SLOPE, inplace=True)  # [B, S, J]


class ConvBlock(nn.Module):
    """3×3 convolution, ReLU, batch normalisation, in this order.

    ``momentum`` is the share of a batch in the running statistics.
    """

    def __init__(self, channels_in: int, channels_out: int, momentum: float) -> None:
        super().__init__()
        self.body = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.bn = nn.BatchNorm2d(channels_out, eps=EPSILON, momentum=momentum)

    def forward(self, maps: Tensor) -> Tensor:
        """[B, in, rows, columns] to [B, out, rows, columns], channels last."""
        features = functional.relu(self.body(maps), inplace=True)
        return self.bn(features.contiguous(memory_format=torch.channels_last))  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """d to 2d to d channels with a ReLU between."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = Pointwise(channels, 2 * channels)
        self.conv2 = Pointwise(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, S, d] to [B, S, d]."""
        return self.conv2(functional.relu(self.conv1(x), inplace=True))  # type: ignore[no-any-return]


class RegionContextBlock(nn.Module):
    """RCB: every region looks at all others, with h heads.

        q, k, v = w_q(h_r), w_k(h_r), w_v(h_r)
        a = softmax(q kᵀ / √(d/h))                      for each head
        o_r = h_r + dropout(w_o(dropout(a) v))
        e_r = o_r + sub_network(o_r)

    There is no layer normalisation.

    Args:
        channels: d.
        heads: h, which divides d.
        dropout: of the attention and of what it gives.
        zero_score_mask: scores of exactly 0 become -10⁹ before the softmax, as in the published program:
            a key of zeros is never looked at, a query of zeros looks at all alike.
    """

    def __init__(
        self, channels: int, heads: int, dropout: float = 0.1, zero_score_mask: bool = False
    ) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{heads} heads must divide {channels} channels")
        self.heads, self.dropout, self.zero_score_mask = heads, dropout, zero_score_mask
        self.w_q = Pointwise(channels, channels)
        self.w_k = Pointwise(channels, channels)
        self.w_v = Pointwise(channels, channels)
        self.w_o = Pointwise(channels, channels)
        self.sub_network = FeedForward(channels)

    def forward(self, h_r: Tensor) -> Tensor:
        """h_r [B, d, rows, columns] to e_r, the same."""
        x = tokens(h_r)  # [B, S, d]
        looked = self._look(x).transpose(1, 2).flatten(2)  # [B, S, d], the heads side by side
        o_r = x + functional.dropout(self.w_o(looked), self.dropout, self.training)  # [B, S, d]
        return on_grid(o_r + self.sub_network(o_r), h_r.shape[2:])

    def attention(self, h_r: Tensor) -> Tensor:
        """The weights a [B, h, S, S] of query region by key region, without dropout."""
        q, k, _ = self._heads(tokens(h_r))
        return self._weights(q, k)

    def _look(self, x: Tensor) -> Tensor:
        """[B, S, d] to [B, h, S, d/h]."""
        q, k, v = self._heads(x)  # [B, h, S, d/h] each
        p = self.dropout if self.training else 0.0
        on_cpu = x.device.type == "cpu"
        if not self.zero_score_mask and not (p and on_cpu):  # torch has that fused
            return functional.scaled_dot_product_attention(q, k, v, dropout_p=p)
        # On a CPU, some images after the other: weights [B, h, S, S] of few images stay in its cache.
        images = max(1, CACHED // (self.heads * x.shape[1] ** 2)) if on_cpu else len(x)
        parts = zip(q.split(images), k.split(images), v.split(images), strict=True)
        return torch.cat([functional.dropout(self._weights(q, k), p) @ v for q, k, v in parts])

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q, k, v [B, h, S, d/h] of x [B, S, d], in one product."""
        parts = (self.w_q, self.w_k, self.w_v)
        weight = torch.cat([part.matrix for part in parts])  # [3d, d]
        bias = torch.cat([part.bias for part in parts if part.bias is not None])  # [3d]
        qkv = functional.linear(x, weight, bias).unflatten(2, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # [3, B, h, S, d/h]
        return q, k, v

    def _weights(self, q: Tensor, k: Tensor) -> Tensor:
        """Softmax of the scores of q and k [B, h, S, d/h]: [B, h, S, S]."""
        scores = q / sqrt(q.shape[3]) @ k.transpose(2, 3)  # [B, h, S, S]
        if self.zero_score_mask:
            lowest = max(MASKED, torch.finfo(scores.dtype).min)  # of 16 bits
            scores = scores.masked_fill(scores == 0, lowest)
        return scores.softmax(dim=3)


class SceneContextBlock(nn.Module):
    """SCB: the whole image, x_g, decides how much each channel counts.

        v_g = leaky_relu(channel_conv(h_r)),    q_g = mean of v_g over the regions
        k_g = w_g(dropout(x_g))
        c = sigmoid(q_g · k_g) · v_g
        e_g = c + gcff(c)

    Args:
        channels: d.
        scene_width: G.
        dropout: of x_g.
        momentum: of the batch normalisation.
    """

    def __init__(
        self, channels: int, scene_width: int, dropout: float = 0.2, momentum: float = 0.01
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.w_g = Pointwise(scene_width, channels)
        self.gcff = ConvBlock(channels, channels, momentum)
        self.channel_conv = LeakyPointwise(channels, channels)

    def forward(self, h_r: Tensor, x_g: Tensor) -> Tensor:
        """h_r [B, d, rows, columns] and x_g [B, G] to e_g [B, d, rows, columns]."""
        v_g = self.channel_conv(tokens(h_r))  # [B, S, d]
        q_g = v_g.mean(dim=1)  # [B, d]
        k_g = self.w_g(functional.dropout(x_g, self.dropout, self.training))  # [B, d]
        gate = torch.sigmoid(q_g * k_g)  # [B, d]
        c = on_grid(gate.unsqueeze(1) * v_g, h_r.shape[2:])  # [B, d, rows, columns]
        return c + self.gcff(c)  # type: ignore[no-any-return]


class BiAM(nn.Module):
    """Both blocks, the joint space and the scores of tags.

    Args:
        config: channels d, heads, k, dropout, momentum and the mask of zero scores.
        channels_in: D, 512 as published.
        grid: rows and columns of regions, 14×14 as published; S is their product.
        scene_width: G, 4096 as published.
        vector_width: E, 300 as published.
        joint_width: J.
    """

    def __init__(
        self,
        config: BiAMConfig,
        channels_in: int,
        grid: tuple[int, int],
        scene_width: int,
        vector_width: int,
        joint_width: int = 512,
    ) -> None:
        super().__init__()
        d, momentum = config.channels, config.batch_norm_momentum
        self.grid = grid
        self.top_k = min(config.top_k, grid[0] * grid[1])
        self.conv_3X3 = ConvBlock(channels_in, d, momentum)
        self.region_context_block = RegionContextBlock(
            d, config.heads, config.dropout, config.zero_score_mask
        )
        self.scene_context_block = SceneContextBlock(d, scene_width, config.scene_dropout, momentum)
        self.W = nn.Linear(vector_width, joint_width)
        self.conv_1X1 = Fusion(d, joint_width)

    def forward(self, regions: Tensor, scene: Tensor, vectors: Tensor) -> Tensor:
        """Scores of tags.

        Args:
            regions: [B, D, S], the features of an image's regions, row by row.
            scene: x_g [B, G].
            vectors: [C, E], the word vectors of the tags.

        Returns:
            [B, C], the mean of the k best regions of each tag.
        """
        return self.logits(self.enriched(regions, scene), vectors)

    def enriched(self, regions: Tensor, scene: Tensor) -> Tensor:
        """e_f [B, S, J], the features with their context: all that the scores of any tags need."""
        h_r = self.low_level(regions)  # [B, d, rows, columns]
        e_r = self.region_context_block(h_r)  # [B, d, rows, columns]
        e_g = self.scene_context_block(h_r, scene)  # [B, d, rows, columns]
        return self.conv_1X1(tokens(e_r), tokens(e_g))  # type: ignore[no-any-return]

    def low_level(self, regions: Tensor) -> Tensor:
        """h_r [B, d, rows, columns] of regions [B, D, S]."""
        return self.conv_3X3(regions.unflatten(2, self.grid))  # type: ignore[no-any-return]

    def region_scores(self, e_f: Tensor, vectors: Tensor) -> Tensor:
        """m [B, C, S] = W(vectors) e_fᵀ, before pooling, of e_f [B, S, J] and vectors [C, E]."""
        return region_scores(self.W(vectors), e_f).transpose(0, 1)  # [B, C, S]

    def logits(self, e_f: Tensor, vectors: Tensor) -> Tensor:
        """Scores [B, C] of tags with word vectors [C, E], of e_f [B, S, J]."""
        return mean_of_best(self.W(vectors), e_f, self.top_k)  # [B, C]

    def topk_regions(self, m: Tensor) -> Tensor:
        """int64 [B, C, k]: the regions whose scores are averaged, best first, of m [B, C, S]."""
        return m.topk(self.top_k, dim=2).indices

    def attention(self, regions: Tensor) -> Tensor:
        """Weights [B, h, S, S] with which each region looks at all others."""
        return self.region_context_block.attention(self.low_level(regions))
