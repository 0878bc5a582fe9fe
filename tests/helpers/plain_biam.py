"""BiAM and its loss as the paper's formulas stand: the reference for the fast formulation, and what the
benchmarks compare with. Parameters have the same names and shapes as the fast one's."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo_biam.config import BiAMConfig


class Body(nn.Module):
    """A convolution followed by a leaky ReLU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.body = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(self.body(x), 0.2)


class ConvReluNorm(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, momentum: float) -> None:
        super().__init__()
        self.body = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.bn = nn.BatchNorm2d(channels_out, eps=1e-3, momentum=momentum)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(torch.relu(self.body(x)))


class SubNetwork(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 2 * channels, 1)
        self.conv2 = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(torch.relu(self.conv1(x)))


class PlainRegionContextBlock(nn.Module):
    def __init__(
        self, channels: int, heads: int, dropout: float = 0.1, zero_score_mask: bool = False
    ) -> None:
        super().__init__()
        self.heads, self.zero_score_mask = heads, zero_score_mask
        self.w_q, self.w_k, self.w_v, self.w_o = (
            nn.Conv2d(channels, channels, 1) for _ in range(4)
        )
        self.sub_network = SubNetwork(channels)
        self.drop_attention, self.drop_output = nn.Dropout(dropout), nn.Dropout(dropout)

    def split(self, x: Tensor) -> Tensor:
        """[B, d, rows, columns] to [B, h, S, d/h]."""
        return x.flatten(2).unflatten(1, (self.heads, -1)).transpose(2, 3).contiguous()

    def attention(self, x: Tensor) -> Tensor:
        q, k = self.split(self.w_q(x)), self.split(self.w_k(x))  # [B, h, S, d/h]
        scores = torch.matmul(q, k.transpose(2, 3)) / sqrt(q.shape[3])  # [B, h, S, S]
        if self.zero_score_mask:
            scores = scores.masked_fill(scores == 0, -1e9)
        return torch.softmax(scores, dim=3)

    def forward(self, x: Tensor) -> Tensor:
        looked = self.drop_attention(self.attention(x)) @ self.split(self.w_v(x))  # [B, h, S, d/h]
        looked = looked.transpose(2, 3).contiguous().view_as(x)  # [B, d, rows, columns]
        o_r = x + self.drop_output(self.w_o(looked))
        return o_r + self.sub_network(o_r)


class PlainSceneContextBlock(nn.Module):
    def __init__(
        self, channels: int, scene_width: int, dropout: float = 0.2, momentum: float = 0.01
    ) -> None:
        super().__init__()
        self.w_g = nn.Conv2d(scene_width, channels, 1)
        self.gcff = ConvReluNorm(channels, channels, momentum)
        self.channel_conv = Body(channels, channels)
        self.drop = nn.Dropout(dropout)

    def forward(self, h_r: Tensor, x_g: Tensor) -> Tensor:
        v_g = self.channel_conv(h_r)  # [B, d, rows, columns]
        q_g = self.channel_conv(h_r).mean(dim=(2, 3), keepdim=True)  # [B, d, 1, 1]
        k_g = self.w_g(self.drop(x_g)[:, :, None, None])  # [B, d, 1, 1]
        c = torch.sigmoid(q_g * k_g) * v_g
        return c + self.gcff(c)


class PlainBiAM(nn.Module):
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
        self.grid, self.top_k = grid, min(config.top_k, grid[0] * grid[1])
        self.conv_3X3 = ConvReluNorm(channels_in, d, momentum)
        self.region_context_block = PlainRegionContextBlock(
            d, config.heads, config.dropout, config.zero_score_mask
        )
        self.scene_context_block = PlainSceneContextBlock(
            d, scene_width, config.scene_dropout, momentum
        )
        self.W = nn.Linear(vector_width, joint_width)
        self.conv_1X1 = Body(2 * d, joint_width)

    def forward(self, regions: Tensor, scene: Tensor, vectors: Tensor) -> Tensor:
        return self.logits(self.enriched(regions, scene), vectors)

    def logits(self, e_f: Tensor, vectors: Tensor) -> Tensor:
        m = self.region_scores(e_f, vectors)  # [B, C, S]
        m = m.transpose(1, 2).contiguous()  # [B, S, C]
        return m.topk(self.top_k, dim=1).values.mean(dim=1)  # [B, C]

    def enriched(self, regions: Tensor, scene: Tensor) -> Tensor:
        h_r = self.low_level(regions)  # [B, d, rows, columns]
        e_r, e_g = self.region_context_block(h_r), self.scene_context_block(h_r, scene)
        e_f = self.conv_1X1(torch.cat([e_r, e_g], dim=1))  # [B, J, rows, columns]
        return e_f.flatten(2).transpose(1, 2).contiguous()  # [B, S, J]

    def low_level(self, regions: Tensor) -> Tensor:
        return self.conv_3X3(regions.unflatten(2, self.grid))

    def region_scores(self, e_f: Tensor, vectors: Tensor) -> Tensor:
        return torch.matmul(e_f, self.W(vectors).T).transpose(1, 2)  # [B, C, S]

    def topk_regions(self, m: Tensor) -> Tensor:
        return m.topk(self.top_k, dim=2).indices


def plain_image_losses(
    scores: Tensor, labels: Tensor, normalise: str = "violations"
) -> tuple[Tensor, Tensor]:
    """The loss [B] of each image and its violations [B], over all pairs [B, C, C]."""
    annotated = (labels != 0).any(dim=0)
    scores, labels = scores[:, annotated], labels[:, annotated].to(scores.dtype)
    positive, negative = labels.clamp(0, 1), (-labels).clamp(0, 1)  # [B, C]
    pairs = positive[:, :, None] * negative[:, None, :]  # [B, C, C]
    hinge = (1 + scores[:, None, :] - scores[:, :, None]) * pairs  # [B, p, n]
    hinge = hinge.clamp(min=0)
    violations = hinge.sign().sum(dim=(1, 2))  # [B]
    counted = violations if normalise == "violations" else pairs.sum(dim=(1, 2))
    return hinge.sum(dim=(1, 2)) / (counted.detach() + 1e-8), violations


def plain_ranking_loss(scores: Tensor, labels: Tensor, normalise: str = "violations") -> Tensor:
    """The mean over all images."""
    return plain_image_losses(scores, labels, normalise)[0].mean()
