"""Sound of real files: rate, loudness, channels, and files that are no whole sound."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from mlzoo.errors import MlzooError
from mlzoo_multisk.videos.demo import encode, moving_shape, write_wav
from mlzoo_multisk.videos.describing import describe_sound
from mlzoo_multisk.videos.sound import Resampled, sound_of_file, sound_of_video

av = pytest.importorskip("av")
soundfile = pytest.importorskip("soundfile")

GAIN = 10 ** (-4 / 20)


def tone(hertz: float, rate: int, seconds: float = 2.0, loudness: float = 0.5) -> np.ndarray:
    times = np.arange(round(seconds * rate)) / rate
    return (loudness * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_tone_keeps_its_pitch_and_loses_four_decibels(tmp_path: Path, rate: int) -> None:
    write_wav(tmp_path / "a.wav", tone(440, rate), rate)
    found = sound_of_file(tmp_path / "a.wav")
    assert found.dtype == np.float32
    assert abs(found.size - 32000) <= 1
    expected = GAIN * tone(440, 16000)
    middle = slice(800, 31000)
    np.testing.assert_allclose(found[middle], expected[middle], atol=2e-3)


def test_channels_are_averaged(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone(440, 16000), 16000, channels=(1, 0))
    write_wav(tmp_path / "b.wav", tone(440, 16000, loudness=0.25), 16000)
    np.testing.assert_allclose(
        sound_of_file(tmp_path / "a.wav"), sound_of_file(tmp_path / "b.wav"), atol=1e-4
    )


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000, 16001])
@pytest.mark.parametrize("seconds", [0.3, 9.99, 31.7])
def test_sound_that_comes_in_parts_is_resampled_as_a_whole(rate: int, seconds: float) -> None:
    random = np.random.default_rng(0)
    wave = random.standard_normal(round(rate * seconds)).astype(np.float32)
    parts = Resampled(rate)
    for start in range(0, wave.size, 4321):
        parts.add(wave[None, start : start + 4321])
    common = np.gcd(rate, 16000)
    whole = resample_poly(wave, 16000 // common, rate // common) * np.float32(GAIN)
    found = parts.wave()
    assert found.shape == whole.shape
    np.testing.assert_allclose(found, whole, atol=2e-5)


def test_sound_that_begins_late_or_early_is_put_in_its_place() -> None:
    wave = tone(300, 16000, 1.0)
    for begins, expected in ((0.5, np.r_[np.zeros(8000), wave]), (-0.25, wave[4000:])):
        parts = Resampled(16000, begins)
        for start in range(0, wave.size, 1000):
            parts.add(wave[None, start : start + 1000])
        np.testing.assert_allclose(parts.wave(), GAIN * expected, atol=1e-6)


def test_spectrogram_has_a_hundred_frames_a_second_and_shows_the_tone(tmp_path: Path) -> None:
    silence = np.zeros(48000, np.float32)
    write_wav(tmp_path / "a.wav", np.concatenate([silence, tone(1000, 48000)]), 48000)
    found = describe_sound(None, tmp_path / "a.wav")
    assert found is not None
    assert found.dtype == np.float16
    assert found.shape == (40, 301)
    assert found[:, 5:95].max() < -60
    loudest = found[:, 110:290].astype(np.float32).argmax(axis=0)
    assert set(loudest.tolist()) == {12}  # 853 to 999 to 1156 Hz
    assert found.max() == 0


# Of videos


def test_sound_of_a_video_is_that_of_the_same_wav(tmp_path: Path) -> None:
    heard = tone(500, 16000, 3.0)
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        seen = container.add_stream("mpeg4", rate=12)
        seen.width = seen.height = 64
        sound = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        for picture in moving_shape(0, 3, np.random.RandomState(0)):
            container.mux(seen.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(seen.encode(None))
        whole = np.round(heard * 32767).astype(np.int16)
        for start in range(0, whole.size, 1600):
            frame = av.AudioFrame.from_ndarray(
                whole[None, start : start + 1600], format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts, frame.time_base = 16000, start, Fraction(1, 16000)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    write_wav(tmp_path / "a.wav", heard, 16000)
    found = sound_of_video(tmp_path / "a.mkv")
    assert np.array_equal(found, sound_of_file(tmp_path / "a.wav"))


def test_coded_sound_is_in_time_with_its_video(tmp_path: Path) -> None:
    heard = np.concatenate([np.zeros(16000, np.float32), tone(800, 16000, 2.0)])
    encode(tmp_path / "a.mp4", moving_shape(0, 3, np.random.RandomState(0)), 12, heard)
    found = sound_of_video(tmp_path / "a.mp4")
    assert found is not None
    assert abs(found.size - 48000) <= 1024
    loud = np.flatnonzero(np.abs(found) > 0.1)
    assert abs(loud[0] - 16000) < 200


def test_video_without_sound_has_none(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", moving_shape(0, 3, np.random.RandomState(0)), 12, None)
    assert sound_of_video(tmp_path / "a.mp4") is None
    assert describe_sound(tmp_path / "a.mp4", None) is None
    assert describe_sound(None, None) is None


# What is no whole sound


def reason(path: Path) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        sound_of_file(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_wrong_sound_files_say_why(tmp_path: Path) -> None:
    wave = tone(440, 16000)
    wave[12345] = np.nan
    soundfile.write(tmp_path / "nan.wav", wave, 16000, subtype="FLOAT")
    assert reason(tmp_path / "nan.wav") == "sample 12345 is nan"
    soundfile.write(tmp_path / "none.wav", wave[:0], 16000)
    assert "too short: no samples" in reason(tmp_path / "none.wav")
    soundfile.write(tmp_path / "few.wav", wave[:300], 16000)
    assert "too short: 300 samples" in reason(tmp_path / "few.wav")
    soundfile.write(tmp_path / "slow.wav", wave[:300], 100)
    assert "100 samples a second, expected 1000 to 768000" in reason(tmp_path / "slow.wav")
    (tmp_path / "text.wav").write_text("no sound at all")
    assert reason(tmp_path / "text.wav")
    assert reason(tmp_path / "missing.wav")


def test_truncated_sound_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone(440, 16000), 16000)
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[: len(whole) // 2])
    assert reason(tmp_path / "a.wav") == "it ends after 32022 of 64044 bytes"
    soundfile.write(tmp_path / "b.flac", tone(440, 16000), 16000)
    whole = (tmp_path / "b.flac").read_bytes()
    (tmp_path / "b.flac").write_bytes(whole[: len(whole) // 2])
    assert reason(tmp_path / "b.flac")


def test_without_soundfile_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MlzooError, match="sound files need soundfile") as caught:
        sound_of_file(tmp_path / "a.wav")
    assert caught.value.fix == "pip install 'mlzoo-multisk[video]'"
