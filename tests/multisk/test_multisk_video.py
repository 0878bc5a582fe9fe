"""Rows of two streams as video tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlzoo.errors import DataError, UsageError
from mlzoo_multisk.views.video import (
    combine,
    cut_by_time,
    mean_token,
    nearest_rows,
    no_video,
    unit_rows,
)

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "multisk" / "video_features.npz")
CASES = range(int(GOLDEN["ncases"]))


def rows(count: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


@pytest.mark.parametrize("strategy", ["clip", "nearest", "max_pool"])
@pytest.mark.parametrize("case", CASES)
def test_tokens_are_those_of_the_published_program(case, strategy):
    streams = {"": (GOLDEN[f"{case}.f2"], GOLDEN[f"{case}.f3"])}
    streams |= {"only2.": (streams[""][0], None), "only3.": (None, streams[""][1])}
    for name, (first, second) in streams.items():
        video, mask = combine(first, second, 12, strategy, compat=True)
        np.testing.assert_array_equal(mask, GOLDEN[f"{case}.{strategy}.{name}mask"])
        np.testing.assert_allclose(video, GOLDEN[f"{case}.{strategy}.{name}video"], atol=1e-6)
        assert video.dtype == mask.dtype == np.float32


@pytest.mark.parametrize("case", CASES)
def test_pooled_clip_is_one_token(case):
    video, mask = combine(GOLDEN[f"{case}.f2"], GOLDEN[f"{case}.f3"], 0)
    np.testing.assert_allclose(video[0], GOLDEN[f"{case}.pooled.video"], atol=1e-6)
    np.testing.assert_array_equal(mask, GOLDEN[f"{case}.pooled.mask"])
    assert video.shape == (1, 11)


@pytest.mark.parametrize("accurate", [False, True])
def test_cuts_by_time_are_those_of_the_published_program(accurate):
    name = "slice.acc" if accurate else "slice"
    for number, (start, end) in enumerate(
        zip(GOLDEN["slice.starts"], GOLDEN["slice.ends"], strict=True)
    ):
        cut = cut_by_time(GOLDEN["slice.f2"], GOLDEN["slice.f3"], start, end, accurate=accurate)
        video, mask = combine(*cut, 12)
        np.testing.assert_allclose(video, GOLDEN[f"{name}.video"][number], atol=1e-6)
        np.testing.assert_array_equal(mask, GOLDEN[f"{name}.mask"][number])
        if accurate:
            mean = mean_token(video, mask)
            np.testing.assert_allclose(mean, GOLDEN["avgfeat"][number], atol=1e-6)


def test_lone_2d_rows_keep_their_width_unless_the_defect_is_asked_for():
    for count, strategy, width in ((5, "nearest", 12), (30, "nearest", 6), (30, "max_pool", 12)):
        fixed, mask = combine(rows(count, 6), None, 12, strategy)
        defect, same_mask = combine(rows(count, 6), None, 12, strategy, compat=True)
        assert (fixed.shape[1], defect.shape[1]) == (6, width)
        np.testing.assert_array_equal(fixed, defect[:, :6])
        np.testing.assert_array_equal(mask, same_mask)
        assert combine(None, rows(count, 6), 12, strategy, compat=True)[0].shape == (12, 6)


def test_stream_without_rows_leaves_no_video():
    for strategy in ("clip", "nearest", "max_pool"):
        for empty, full in ((0, 30), (30, 0)):
            video, mask = combine(rows(empty, 3), rows(full, 2), 12, strategy)
            assert (video.shape, video.any(), mask.any()) == ((12, 5), False, False)
    absent = no_video(12, 5)
    assert (absent[0].shape, absent[0].any(), absent[1].shape, absent[1].any()) == (
        (12, 5),
        False,
        (12,),
        False,
    )


def test_half_precision_is_combined_in_single():
    half = rows(20, 4).astype(np.float16)
    video, _ = combine(half, half, 12)
    assert video.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(video[:, :4], axis=1), 1, rtol=1e-6)


def test_nearest_rows_are_torchs():
    for count in (1, 2, 3, 7, 12, 48, 72, 97):
        for there in range(1, 250):
            line = torch.arange(there, dtype=torch.float32)[None, None]
            want = torch.nn.functional.interpolate(line, size=count, mode="nearest")[0, 0]
            assert nearest_rows(there, count).tolist() == want.long().tolist()


def test_row_of_zeros_stays():
    assert not unit_rows(np.zeros((2, 3), np.float32)).any()


@pytest.mark.parametrize(
    ("streams", "said"),
    [
        ((None, None), "v7 has neither 2D nor 3D features"),
        ((rows(3, 2) * np.nan, rows(3, 2)), "v7: 2D features: expected finite values, found nan"),
        ((None, rows(3, 2)[0]), "v7: 3D features: expected 2 axes"),
        ((np.ones((2, 2), int), None), "v7: 2D features: expected floats"),
    ],
)
def test_unusable_features_are_named(streams, said):
    with pytest.raises(DataError, match=said):
        combine(*streams, 12, what="v7")


def test_unknown_strategy_is_named():
    with pytest.raises(UsageError, match="cannot be pooled by 'avg_pool'"):
        combine(rows(3, 2), None, 12, "avg_pool")


def test_times_outside_of_the_video_give_no_rows():
    first, second = cut_by_time(rows(10, 2), rows(15, 2), 50.0, 58.0)
    assert (len(first), len(second)) == (0, 0)
    assert [len(part) for part in cut_by_time(rows(10, 2), rows(15, 2), -3.0, -2.0)] == [0, 0]
    assert [len(part) for part in cut_by_time(rows(10, 2), rows(15, 2), -3.0, 2.0)] == [3, 4]
    assert cut_by_time(None, rows(15, 2), 0.0, 1.0)[0] is None


@settings(deadline=None)
@given(
    first=st.integers(0, 60),
    second=st.integers(0, 60),
    tokens=st.integers(1, 20),
    strategy=st.sampled_from(["clip", "nearest", "max_pool"]),
)
def test_tokens_fill_from_the_front_and_have_length_one(first, second, tokens, strategy):
    video, mask = combine(rows(first, 3), rows(second, 2, 1), tokens, strategy)
    count = int(mask.sum())
    assert mask.tolist() == [1.0] * count + [0.0] * (tokens - count)
    assert count == (min(second, tokens) if first else 0)
    assert not video[count:].any()
    np.testing.assert_allclose(np.linalg.norm(video[:count, :3], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(video[:count, 3:], axis=1), 1, rtol=1e-5)
