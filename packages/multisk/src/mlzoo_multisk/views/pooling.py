"""The audio network's tokens brought to a fixed number, by how much audio each clip has."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mlzoo.errors import UsageError
from mlzoo_multisk.clips import FRAMES_PER_TOKEN, Pooling

STRATEGIES = ("clip", "nearest", "max_pool", "avg_pool", "none")


def pool_audio_tokens(
    tokens: Tensor,
    mask: Tensor,
    frames: Tensor,
    count: int,
    strategy: Pooling,
    *,
    frames_per_token: int = FRAMES_PER_TOKEN,
) -> tuple[Tensor, Tensor]:
    """Tokens of clips, at most ``count`` of each.

    Of a clip, n = floor(frames / frames_per_token) tokens hold audio. Where n is at most ``count``, and
    always with ``clip``, the first ``count`` tokens stay. Else the n tokens are resampled by nearest,
    or maxima or means are taken over ``count`` parts of them (parts may overlap by a token), and the
    mask is of ones. ``none``, or too few tokens to begin with, changes nothing.

    Args:
        tokens: [b, N, C].
        mask: [b, N], 1 where there is audio.
        frames: [b], frames of the spectrogram before padding; below 0 all N tokens count.
        count: of tokens afterwards.
        strategy: see above.
        frames_per_token: 64 in the published network.

    Returns:
        Tokens [b, min(N, count), C] and their mask, of the kinds given.

    Raises:
        UsageError: no such strategy.
    """
    if strategy not in STRATEGIES:
        raise UsageError(
            f"audio cannot be pooled by {strategy!r}.", f"Take one of {', '.join(STRATEGIES)}."
        )
    there = tokens.shape[1]
    if strategy == "none" or there <= count:
        return tokens, mask
    first, first_mask = tokens[:, :count], mask[:, :count]  # [b, count, C], [b, count]
    if strategy == "clip":
        return first, first_mask
    whole = torch.div(frames, frames_per_token, rounding_mode="floor").long()
    whole = torch.where(frames < 0, there, whole.clamp_max(there))  # [b]
    longer = whole > count  # [b]
    new_mask = torch.where(longer[:, None], torch.ones_like(first_mask), first_mask)
    if strategy == "nearest":
        places = _nearest_places(whole.clamp_min(count), count)  # [b, count]
        return tokens.gather(1, places[:, :, None].expand(-1, -1, tokens.shape[2])), new_mask
    pool = (
        functional.adaptive_max_pool1d if strategy == "max_pool" else functional.adaptive_avg_pool1d
    )
    pooled = first.clone()
    for length in whole[longer].unique().tolist():
        rows = (whole == length).nonzero()[:, 0]
        parts = pool(tokens[rows, :length].mT, count).mT  # [rows, count, C]
        pooled = pooled.index_copy(0, rows, parts)
    return pooled, new_mask


def _nearest_places(lengths: Tensor, count: int) -> Tensor:
    """int64 [b, count]: floor(i length / count), in single precision as torch resamples."""
    scale = lengths.float() / count  # [b]
    steps = torch.arange(count, device=lengths.device, dtype=torch.float32)
    return torch.minimum((steps * scale[:, None]).long(), lengths[:, None] - 1)
