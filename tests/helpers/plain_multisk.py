"""Multi-SK and Everything at Once as their formulas stand: attention weights in full, two-dimensional
convolutions, and every run of a transformer from the clips on, the audio network included.

Names and shapes of parameters are those of the package's networks.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo_multisk.clips import Shape
from mlzoo_multisk.config import EverythingAtOnceConfig, MultiSKConfig, RetrievalConfig

Batch = dict[str, Tensor]
RUNS = {
    "text": ("text",),
    "video": ("video",),
    "audio": ("audio",),
    "tv": ("text", "video"),
    "ta": ("text", "audio"),
    "va": ("video", "audio"),
}


class PlainGated(nn.Module):
    """y = h · sigmoid(W₂ h + b₂), h = W₁ x + b₁."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width_in, width_out)
        self.cg = nn.ModuleDict({"fc": nn.Linear(width_out, width_out)})

    def forward(self, x: Tensor) -> Tensor:
        h = self.fc(x)
        return h * torch.sigmoid(self.cg["fc"](h))


class PlainBlock(nn.Module):
    """x + attention(LN(x)), x + MLP(LN(x)); scores of masked keys are -∞."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.attn = nn.ModuleDict(
            {"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)}
        )
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, hidden), "fc2": nn.Linear(hidden, width)})

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        b, n, c = x.shape
        qkv = self.attn["qkv"](self.norm1(x)).reshape(b, n, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # [b, h, n, C/h]
        scores = q @ k.transpose(2, 3) / sqrt(c // self.heads)  # [b, h, n, n]
        scores = scores.masked_fill(mask[:, None, None] == 0, float("-inf"))
        looked = (scores.softmax(3) @ v).transpose(1, 2).reshape(b, n, c)
        x = x + self.attn["proj"](looked)
        return x + self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm2(x))))


class PlainTransformer(nn.Module):
    """Tokens side by side through the blocks; the mean of each part's."""

    def __init__(self, config: RetrievalConfig) -> None:
        super().__init__()
        hidden = int(config.width * config.mlp_ratio)
        self.blocks = nn.ModuleList(
            PlainBlock(config.width, config.heads, hidden) for _ in range(config.depth)
        )

    def forward(self, parts: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
        x, mask = (torch.cat(each, 1) for each in zip(*parts, strict=True))
        for block in self.blocks:
            x = block(x, mask)
        sizes = [part[0].shape[1] for part in parts]
        pairs = zip(x.split(sizes, 1), mask.split(sizes, 1), strict=True)
        return [(y * m[..., None]).sum(1) / (m.sum(1, keepdim=True) + 1e-5) for y, m in pairs]


class PlainResidual(nn.Module):
    """Two convolutions along time and a way past them."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, (1, 9), (1, stride), (0, 4), bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, (1, 9), 1, (0, 4), bias=False)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or before != width:
            shortcut = nn.Conv2d(before, width, 1, (1, stride), bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(y + self.downsample(x))


class PlainAudio(nn.Module):
    """The audio network over maps [b, C, 1, T]."""

    def __init__(self, config: RetrievalConfig) -> None:
        super().__init__()
        widths, blocks = config.audio_widths, config.audio_blocks
        self.conv1 = nn.Conv2d(1, widths[0], (40, 1), bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        for i, count in enumerate(blocks):
            first = PlainResidual(widths[i], widths[i + 1], 2)
            others = (PlainResidual(widths[i + 1], widths[i + 1], 1) for _ in range(count - 1))
            self.add_module(f"layer{i + 1}", nn.Sequential(first, *others))

    def forward(self, spectrogram: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(spectrogram.unsqueeze(1))))
        for name, stage in self.named_children():
            if name.startswith("layer"):
                x = stage(x)
        return x.squeeze(2).transpose(1, 2)


class PlainNetwork(nn.Module):
    """Either network, of text, video and audio and without its variants."""

    def __init__(self, config: RetrievalConfig, shape: Shape) -> None:
        super().__init__()
        self.at_once = isinstance(config, EverythingAtOnceConfig)
        assert self.at_once or isinstance(config, MultiSKConfig)
        widths = {
            "text": shape.word_width,
            "video": shape.video_width,
            "audio": config.audio_widths[-1],
        }
        self.davenet = PlainAudio(config)
        self.token_proj = self._each(lambda m: PlainGated(widths[m], config.width))
        self.norm = self._each(lambda _: nn.LayerNorm(config.width, 1e-6))
        self.masking_token = nn.Parameter(torch.zeros(config.width))
        self.fusion = (
            PlainTransformer(config)
            if self.at_once
            else self._each(lambda _: PlainTransformer(config))
        )
        self.proj = self._each(lambda _: PlainGated(config.width, config.projection))

    def _each(self, make: Any) -> nn.ModuleDict:
        return nn.ModuleDict({name: make(name) for name in ("text", "video", "audio")})

    def tokens(self, batch: Batch, name: str) -> tuple[Tensor, Tensor]:
        x, mask = batch[name], batch[f"{name}_mask"].clone()
        if name == "audio":
            x = self.davenet(x)
            mask = functional.max_pool1d(mask[:, None], mask.shape[1] // x.shape[1])[:, 0]
        x = self.norm[name](self.token_proj[name](x))
        lacks = mask.sum(1) == 0
        x = x.clone()
        x[lacks, 0] = self.masking_token
        mask[lacks, 0] = 1
        return x, mask

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        found = {}
        for run, names in RUNS.items():
            if len(names) > 1 and not self.at_once:
                continue
            transformer = self.fusion if self.at_once else self.fusion[run]
            means = transformer([self.tokens(batch, name) for name in names])
            parts = [self.proj[name](mean) for name, mean in zip(names, means, strict=True)]
            found[run] = parts[0]
            if len(parts) > 1:
                found[run] = sum(functional.normalize(part, dim=1) for part in parts) / len(parts)
        return found
