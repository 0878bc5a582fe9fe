"""Log-mel spectrograms of waves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlzoo.errors import DataError
from mlzoo_multisk.views import log_mel as module
from mlzoo_multisk.views.log_mel import log_mel, log_mels, mel_filters

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "multisk" / "logmel.npz")


@pytest.mark.parametrize("padding", ["reflect", "constant"])
@pytest.mark.parametrize("case", range(3))
def test_spectrogram_is_that_of_the_published_recipe(case, padding):
    found = log_mel(GOLDEN[f"{case}.wave"] / 8192, padding)
    np.testing.assert_allclose(found, GOLDEN[f"{case}.logmel_{padding}"], atol=1e-5)
    assert found.dtype == np.float32


def test_empty_wave_is_silence():
    for padding in ("reflect", "constant"):
        found = log_mel(np.zeros(0, np.float32), padding)
        np.testing.assert_array_equal(found, GOLDEN["empty.logmel_reflect"])


def test_filters_are_slaneys():
    np.testing.assert_allclose(mel_filters(), GOLDEN["mel_basis"], atol=1e-8)
    with pytest.raises(ValueError, match="read-only"):
        mel_filters()[0, 0] = 1


def test_waves_of_one_length_together_are_what_they_are_alone():
    waves = np.random.default_rng(0).normal(size=(5, 3000)).astype(np.float32)
    together = log_mels(waves)
    assert together.shape == (5, 40, 19)
    for wave, found in zip(waves, together, strict=True):
        np.testing.assert_allclose(found, log_mel(wave), atol=1e-5)


def test_wave_in_pieces_is_the_wave_at_once(monkeypatch):
    wave = np.random.default_rng(0).normal(size=20000)
    whole = log_mel(wave)
    monkeypatch.setattr(module, "_CHUNK", 7 * 160)
    np.testing.assert_allclose(log_mel(wave), whole, atol=1e-5)
    np.testing.assert_allclose(log_mels(np.stack([wave] * 3)), [whole] * 3, atol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 159, 160, 200, 201])
def test_wave_shorter_than_a_window_has_its_frames(length):
    found = log_mel(np.random.default_rng(0).normal(size=length))
    assert found.shape == (40, 1 + length // 160)
    assert np.isfinite(found).all()


def test_loudest_is_zero_and_nothing_is_below_the_floor():
    wave = np.sin(np.arange(8000) / 3) * np.linspace(0, 1, 8000) ** 8
    found = log_mel(wave)
    assert (found.max(), found.min()) == (0, -80)
    np.testing.assert_allclose(log_mel(wave * 100), found, atol=1e-3)


def test_unusable_waves_are_refused():
    with pytest.raises(DataError, match="one axis"):
        log_mel(np.zeros((2, 9)))
    with pytest.raises(DataError, match="not finite"):
        log_mel(np.array([0.0, np.inf]))
    with pytest.raises(DataError, match="must be numbers"):
        log_mels(np.array([["a"]]))
    assert log_mels(np.zeros((0, 400))).shape == (0, 40, 3)
