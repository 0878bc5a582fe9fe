"""Spectrograms cut by time and padded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlzoo.errors import DataError
from mlzoo_multisk.views.audio import (
    check_spectrogram,
    crop,
    frames_of,
    no_audio,
    padded,
    seconds_of,
)

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "multisk" / "audio_features.npz")


def test_times_and_frames_are_those_of_the_published_program():
    np.testing.assert_array_equal(frames_of(GOLDEN["times"]), GOLDEN["time_to_frames"])
    np.testing.assert_array_equal(seconds_of(GOLDEN["frames"]), GOLDEN["frames_to_time"])
    assert [frames_of(float(time)) for time in GOLDEN["times"]] == GOLDEN["time_to_frames"].tolist()
    assert (type(frames_of(1.0)), type(seconds_of(3))) == (int, float)


@pytest.mark.parametrize("case", range(5))
def test_cuts_are_those_of_the_published_program(case):
    start, end = GOLDEN[f"crop{case}.range"]
    cut = crop(GOLDEN["mel"], start, end)
    assert cut.shape == tuple(GOLDEN[f"crop{case}.shape"])
    audio, mask, count = padded(cut, 256)
    np.testing.assert_array_equal(audio, GOLDEN[f"crop{case}.audio"])
    np.testing.assert_array_equal(mask, GOLDEN[f"crop{case}.mask"])
    assert count == GOLDEN[f"crop{case}.n"]
    assert audio.dtype == mask.dtype == np.float32


def test_time_before_the_beginning_gives_no_frames():
    assert crop(GOLDEN["mel"], -5.0, -2.0).shape == (4, 0)


def test_clip_without_audio_has_a_mask_of_zeros():
    audio, mask, count = no_audio(128)
    assert (audio.shape, mask.shape, count) == ((40, 128), (128,), 0)
    assert not audio.any()
    assert not mask.any()


@pytest.mark.parametrize("frames", [229, 0, -64, 100])
def test_frames_that_make_no_whole_tokens_are_refused(frames):
    with pytest.raises(DataError, match=f"{frames} frames are not a multiple of 64") as caught:
        padded(GOLDEN["mel"], frames)
    if frames == 229:
        assert "Pad to 256 frames" in str(caught.value)


def test_spectrogram_of_other_shape_or_with_nan_is_named():
    with pytest.raises(DataError, match=r"v1: spectrogram: expected shape \(40, any\)"):
        check_spectrogram(np.zeros((64, 10), np.float16), "v1")
    with pytest.raises(DataError, match="v1: spectrogram: expected finite values"):
        check_spectrogram(np.full((40, 10), np.nan, np.float16), "v1")
    with pytest.raises(DataError, match="expected floats"):
        check_spectrogram(np.zeros((40, 10), int), "v1")
    check_spectrogram(np.zeros((40, 0), np.float16), "v1")
    check_spectrogram(GOLDEN["mel"], "v1", bands=None)


@settings(deadline=None)
@given(there=st.integers(0, 400), tokens=st.integers(1, 5))
def test_mask_counts_the_frames_that_are_there(there, tokens):
    audio, mask, count = padded(np.ones((2, there), np.float16), 64 * tokens)
    assert count == min(there, 64 * tokens) == mask.sum()
    np.testing.assert_array_equal(audio, np.broadcast_to(mask, audio.shape))


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_time_of_a_frame_falls_into_it(frame):
    assert frames_of(seconds_of(frame) + 1e-6) == frame
