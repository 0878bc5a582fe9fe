"""The audio network's tokens brought to a fixed number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from mlzoo.errors import UsageError
from mlzoo_multisk.views.pooling import STRATEGIES, pool_audio_tokens

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "multisk" / "audio_features.npz")
NUMBERS = (5, 12, 19, 24)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_tokens_are_those_of_the_published_program(strategy):
    tokens = torch.from_numpy(GOLDEN["tok.audio"]).expand(4, -1, -1)
    mask = torch.from_numpy(GOLDEN["tok.mask"]).expand(4, -1)
    frames = torch.tensor(NUMBERS)
    found, new_mask = pool_audio_tokens(tokens, mask, frames, 12, strategy, frames_per_token=1)
    for row, number in enumerate(NUMBERS):
        name = f"tok.{strategy}.{number}"
        np.testing.assert_allclose(found[row], GOLDEN[f"{name}.audio"], atol=1e-6)
        np.testing.assert_array_equal(new_mask[row], GOLDEN[f"{name}.mask"])


def test_frames_are_counted_in_whole_tokens_and_minus_one_takes_all():
    tokens = torch.arange(9.0)[None, :, None].expand(4, -1, 1)  # N = 9
    mask = torch.tensor([[1.0] * 2 + [0.0] * 7]).expand(4, -1)
    frames = torch.tensor([64 * 4 - 1, 64 * 6, 64 * 9, -1])  # 3, 6, 9, all
    found, new_mask = pool_audio_tokens(tokens, mask, frames, 3, "nearest")
    assert found[:, :, 0].tolist() == [[0, 1, 2], [0, 2, 4], [0, 3, 6], [0, 3, 6]]
    assert new_mask.tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_gradients_reach_the_tokens_that_are_pooled(strategy):
    tokens = torch.randn(3, 8, 2, dtype=torch.float64, requires_grad=True)
    mask, frames = torch.ones(3, 8), torch.tensor([64 * 2, 64 * 5, 64 * 8])

    def pooled(values: torch.Tensor) -> torch.Tensor:
        return pool_audio_tokens(values, mask, frames, 3, strategy)[0]

    assert torch.autograd.gradcheck(pooled, tokens)


def test_few_tokens_stay_as_they_are():
    tokens, mask = torch.randn(2, 4, 3), torch.ones(2, 4)
    for strategy in STRATEGIES:
        found = pool_audio_tokens(tokens, mask, torch.tensor([256, 256]), 12, strategy)
        assert found[0] is tokens
        assert found[1] is mask


def test_unknown_strategy_is_named():
    with pytest.raises(UsageError, match="cannot be pooled by 'sum'"):
        pool_audio_tokens(torch.ones(1, 2, 1), torch.ones(1, 2), torch.ones(1), 1, "sum")


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(-1, 30), min_size=1, max_size=6),
    st.integers(1, 9),
    st.sampled_from(["nearest", "max_pool", "avg_pool"]),
)
def test_clips_together_are_pooled_as_each_alone(lengths, count, strategy):
    tokens = torch.randn(len(lengths), 20, 3, generator=torch.Generator().manual_seed(0))
    frames = torch.tensor(lengths)
    found, _ = pool_audio_tokens(
        tokens, torch.ones(len(lengths), 20), frames, count, strategy, frames_per_token=1
    )
    for row, length in enumerate(lengths):
        length = 20 if length < 0 else min(length, 20)
        part = tokens[row, :length].T[None]
        if length <= count:
            want = tokens[row, :count].T[None]
        elif strategy == "nearest":
            want = functional.interpolate(part, size=count, mode="nearest")
        elif strategy == "max_pool":
            want = functional.adaptive_max_pool1d(part, count)
        else:
            want = functional.adaptive_avg_pool1d(part, count)
        torch.testing.assert_close(found[row], want[0].T)
