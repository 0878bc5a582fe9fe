"""The audio network (DAVEnet with residual blocks, Harwath et al. 2018 and Rouditchenko et al. 2021): a
spectrogram becomes a token for every 64 frames.

b: clips, M = 40 mel bands, T: frames, C: channels. The modules have the published program's names and
shapes, so that its checkpoints load as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlzoo_multisk.clips import MEL_BANDS
from mlzoo_multisk.gathering import process_count, sum_over_processes

KERNEL = 9
"""Frames that a convolution looks at."""

WIDE = 512
"""Channels from which on a CPU a convolution is one matrix product: there, torch's own takes up to three
times as long with many channels and few frames."""


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation over all clips of a step, also where several processes share them.

    Attributes:
        frozen: normalise with the running statistics in training, too, and leave them as they are.
    """

    frozen = False

    def forward(self, x: Tensor) -> Tensor:
        """[b, C, T] to the same; where processes share a step, all of them must call it."""
        if self.frozen or not self.training:
            return functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        if process_count() > 1:
            return self._shared(x)
        return super().forward(x)

    def _shared(self, x: Tensor) -> Tensor:
        """With mean and variance over the clips of all processes, and gradients through both."""
        with torch.autocast(x.device.type, enabled=False):
            wide, dims = x.to(torch.promote_types(x.dtype, torch.float32)), (0, 2)
            count = wide.new_tensor([wide.numel() / wide.shape[1]])
            sums = sum_over_processes(torch.cat([wide.sum(dims), count]))  # [C + 1]
            total = sums[-1].detach()
            mean = sums[:-1] / total  # [C]
            centred = wide - mean[:, None]
            variance = sum_over_processes(centred.square().sum(dims)) / total  # [C]
            scale = self.weight * (variance + self.eps).rsqrt()
            y = centred * scale[:, None] + self.bias[:, None]
        self._remember(mean, variance * total / (total - 1))
        shared: Tensor = y.to(x.dtype)
        return shared

    @torch.no_grad()
    def _remember(self, mean: Tensor, unbiased: Tensor) -> None:
        """A share of ``momentum`` in the running statistics, as torch does it."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(unbiased, self.momentum)
        self.num_batches_tracked += 1


class BandConvolution(nn.Module):
    """Channels of every frame from all its mel bands, without a bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 1, MEL_BANDS, 1))

    def forward(self, spectrogram: Tensor) -> Tensor:
        """[b, M, T] to [b, C, T]."""
        return functional.conv1d(spectrogram, self.weight[:, 0])


class TimeConvolution(nn.Module):
    """A convolution along time, without a bias; at the ends it sees zeros.

    Args:
        channels_in: of maps [b, C, T].
        channels_out: of what comes out.
        kernel: frames that it looks at; odd.
        stride: 2 halves time.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in, 1, kernel))
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """[b, C, T] to [b, C', ⌈T/stride⌉]."""
        weight, padding = self.weight[:, :, 0], self.kernel // 2  # [C', C, kernel]
        if x.device.type != "cpu" or x.shape[1] < WIDE:
            return functional.conv1d(x, weight, stride=self.stride, padding=padding)
        ends = functional.pad(x, (padding, padding)).transpose(1, 2)  # [b, T + 2 padding, C]
        seen = ends.unfold(1, self.kernel, self.stride).flatten(2)  # [b, ⌈T/stride⌉, C · kernel]
        return functional.linear(seen, weight.flatten(1)).transpose(1, 2)


class ResidualBlock(nn.Module):
    """relu(x' + BN(conv(relu(BN(conv(x)))))), where x' is x, or BN(1×1 conv(x)) if the shape changes.

    Args:
        channels_in: of x.
        channels_out: of what comes out.
        stride: 2 halves time.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = TimeConvolution(channels_in, channels_out, KERNEL, stride)
        self.bn1 = BatchNorm(channels_out)
        self.conv2 = TimeConvolution(channels_out, channels_out, KERNEL)
        self.bn2 = BatchNorm(channels_out)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            shortcut = TimeConvolution(channels_in, channels_out, 1, stride)
            self.downsample = nn.Sequential(shortcut, BatchNorm(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """[b, C, T] to [b, C', ⌈T/stride⌉]."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y)) + self.downsample(x)
        return functional.relu(y)


class AudioNetwork(nn.Module):
    """A convolution over all mel bands of a frame, then stages of residual blocks, each of which halves
    time first.

    Args:
        widths: C of the first convolution and of every stage.
        blocks: how many blocks a stage has.
        frozen: normalise with the running statistics in training, too.

    Raises:
        ValueError: the numbers of widths and of stages do not fit.
    """

    def __init__(
        self, widths: Sequence[int], blocks: Sequence[int], *, frozen: bool = False
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks) + 1:
            raise ValueError(f"{len(blocks)} stages need {len(blocks) + 1} widths")
        self.conv1 = BandConvolution(widths[0])
        self.bn1 = BatchNorm(widths[0])
        self.stages = [f"layer{number}" for number in range(1, len(widths))]
        for name, before, width, count in zip(
            self.stages, widths, widths[1:], blocks, strict=False
        ):
            first = ResidualBlock(before, width, stride=2)
            others = (ResidualBlock(width, width, stride=1) for _ in range(count - 1))
            self.add_module(name, nn.Sequential(first, *others))
        for layer in self.modules():
            if isinstance(layer, BandConvolution | TimeConvolution):
                fan_out = layer.weight[:, 0].numel()  # bands · frames · channels out
                nn.init.normal_(layer.weight, std=sqrt(2 / fan_out))
            if isinstance(layer, BatchNorm):
                layer.frozen = frozen

    def forward(self, spectrogram: Tensor) -> Tensor:
        """[b, M, T] to tokens [b, n, C]; every stage makes ⌈T/2⌉ of T."""
        x: Tensor = self.bn1(self.conv1(spectrogram))  # [b, C, T]
        x = functional.relu(x)
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return x.transpose(1, 2)  # [b, n, C]


def token_mask(mask: Tensor, tokens: int) -> Tensor:
    """The mask [b, T] of frames as one of tokens: 1 where any of the token's frames has 1.

    A token has ⌈T/tokens⌉ frames, what is left over at the end is dropped: [b, ⌊T/⌈T/tokens⌉⌋], which is
    one entry a token where T is a multiple of their number.
    """
    frames = -(-mask.shape[1] // tokens)
    count = mask.shape[1] // frames
    parts: Tensor = mask[:, : count * frames].unflatten(1, (count, frames))  # [b, n, frames]
    return parts.amax(2)  # [b, n]
