"""Clips drawn from long narrated videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlzoo.errors import DataError
from mlzoo_multisk.views.audio import crop, padded
from mlzoo_multisk.views.sampling import (
    Captions,
    ClipTimes,
    draw_clip,
    duration_of,
    grown,
    window_at,
)
from mlzoo_multisk.views.text import WordTable, plain

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "multisk" / "howto_sampling.npz")
MEL = GOLDEN["mel"]
SPOKEN = Captions.of(*(GOLDEN[f"cap.{name}"].tolist() for name in ("start", "end", "text")))
TABLE = WordTable.of(GOLDEN["vocab"].tolist(), GOLDEN["vectors"])


def audio_of(start: float, end: float, mel: np.ndarray = MEL) -> tuple[np.ndarray, int]:
    audio, _, count = padded(crop(mel, start, end), 768)
    return audio, count


@pytest.mark.parametrize("number", range(14))
def test_captions_grow_as_in_the_published_program(number):
    window = grown(SPOKEN, number)
    for name, late in (("ali", 0.0), ("mis", 4.0)):
        golden = {
            key.split(".")[2]: GOLDEN[key]
            for key in GOLDEN.files
            if key.startswith(f"ind{number}.{name}.")
        }
        assert (window.start, window.end) == (golden["start"], golden["end"])
        assert plain(window.text) == str(golden["raw"])
        text, mask, _ = TABLE.embed(window.text, 20)
        np.testing.assert_array_equal(mask, golden["text_mask"])
        np.testing.assert_allclose(text.sum(axis=0), golden["text_sum"], atol=1e-5)
        begin = window.start + late
        audio, count = audio_of(begin, begin + 8 if late else window.end)
        np.testing.assert_allclose(audio.sum(axis=1), golden["audio_rowsum"], atol=1e-3)
        np.testing.assert_array_equal(audio[:, :3], golden["audio_first"])
        assert count == golden["nframes"]


@pytest.mark.parametrize("seed", range(3))
def test_seeded_draws_are_those_of_the_published_program(seed):
    random = np.random.RandomState(seed)
    for number in range(6):
        clip = draw_clip(SPOKEN, duration_of(None, None, MEL), random, misaligned="always")
        assert clip.start == GOLDEN[f"seed{seed}.starts"][number]
        assert clip.end == GOLDEN[f"seed{seed}.ends"][number]
        assert plain(clip.text) == GOLDEN[f"seed{seed}.raw"][number]
        audio, count = audio_of(clip.audio_start, clip.audio_end)
        assert count == GOLDEN[f"seed{seed}.nframes"][number]
        np.testing.assert_allclose(audio.sum(), GOLDEN[f"seed{seed}.audio_sum"][number], atol=1e-3)
        mask = TABLE.embed(clip.text, 20)[1]
        np.testing.assert_array_equal(mask, GOLDEN[f"seed{seed}.text_mask"][number])


def test_short_video_is_taken_from_its_beginning():
    frames = int(GOLDEN["short.mel_frames"])
    short = MEL[:, :frames]
    random = np.random.RandomState(0)
    late = Captions.of(
        [20], [30], ["after its end"]
    )  # its captions are not recorded, but that none is met
    for number in range(2):
        clip = draw_clip(late, duration_of(None, None, short), random, misaligned="always")
        assert (clip.start, clip.end) == (
            GOLDEN["short.starts"][number],
            GOLDEN["short.ends"][number],
        )
        assert clip.text == GOLDEN["short.raw"][number] == ""
        count = audio_of(clip.audio_start, clip.audio_end, short)[1]
        assert count == GOLDEN["short.nframes"][number]


def test_misalignment_is_half_of_the_clips_always_or_never_and_changes_audio_alone():
    draws: dict[str, list[ClipTimes]] = {}
    for mode in ("half", "always", "never"):
        random = np.random.RandomState(7)
        draws[mode] = [draw_clip(SPOKEN, 75.0, random, misaligned=mode) for _ in range(400)]
    times = {mode: [(clip.start, clip.end, clip.text) for clip in draws[mode]] for mode in draws}
    assert times["half"] == times["always"] == times["never"]
    late = {
        mode: [clip.audio_start == clip.start + 4 for clip in found if clip.spoken]
        for mode, found in draws.items()
    }
    assert all(late["always"])
    assert not any(late["never"])
    assert 0.4 < np.mean(late["half"]) < 0.6
    assert all(clip.audio_end == clip.audio_start + 8 for clip in draws["always"])
    silent = [clip for clip in draws["always"] if not clip.spoken]
    assert silent
    assert all(clip.audio_start == clip.start for clip in silent)


def test_video_without_captions_has_clips_without_text():
    clip = draw_clip(Captions.of([], [], []), 60.0, np.random.RandomState(0))
    assert (clip.text, clip.spoken, clip.end) == ("", False, clip.start + 8)
    assert clip.audio_start == clip.start


def test_equal_spans_take_the_earlier_neighbour():
    captions = Captions.of([0, 2, 4], [2, 4, 6], ["one", "two", "three"])
    window = grown(captions, 1, 3.0)
    assert (window.start, window.end, window.text) == (0, 4, "two one")
    assert grown(captions, 1).text == "two one three"  # all there is


def test_caption_at_the_start_goes_before_the_one_at_the_end():
    captions = Captions.of([0, 10, 18], [3, 15, 30], ["one", "two", "three"])
    assert window_at(captions, 12.0).text.startswith("two")
    assert window_at(captions, 15.5).text == "three"
    assert window_at(captions, 4.0).text.startswith("two")
    assert window_at(captions, 31.0) == window_at(Captions.of([], [], []), 31.0)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ([0.0, 2.0], [1.0], r"2 texts, starts \(2,\) and ends \(1,\)"),
        ([3.0, 2.0], [4.0, 4.0], "number 1 begins at 2 s, before number 0"),
        ([0.0, np.nan], [1.0, 4.0], "a time is not finite"),
        ([0.0, 2.0], [1.0, 1.5], "number 1 ends at 1.5 s, before it begins"),
        (["x", 2.0], [1.0, 4.0], "a time is no number"),
    ],
)
def test_captions_out_of_order_are_refused(start, end, said):
    with pytest.raises(DataError, match=said):
        Captions.of(start, end, ["a", "b"])


def test_texts_that_are_numbers_or_nan_are_read_as_printed():
    assert Captions.of([0, 1], [1, 2], [float("nan"), 12.5]).text == ("nan", "12.5")


def test_duration_is_that_of_the_first_stream_there_is():
    rows = np.zeros((10, 2))
    assert duration_of(rows, None, MEL) == 10
    assert duration_of(None, rows, MEL) == 6
    assert duration_of(None, None, MEL) == 75
    assert duration_of(None, None, None) == 0


@settings(deadline=None)
@given(st.data())
def test_grown_window_holds_its_caption_and_is_long_enough_or_has_all(data):
    count = data.draw(st.integers(1, 8))
    times = st.floats(0, 40, allow_nan=False)
    starts = sorted(data.draw(st.lists(times, min_size=count, max_size=count)))
    lengths = data.draw(st.lists(st.floats(0, 9), min_size=count, max_size=count))
    ends = [start + length for start, length in zip(starts, lengths, strict=True)]
    captions = Captions.of(starts, ends, [f"w{number}" for number in range(count)])
    number = data.draw(st.integers(0, count - 1))
    window = grown(captions, number)
    words = window.text.split()
    assert words[0] == f"w{number}"
    used = sorted(int(word[1:]) for word in words)
    assert used == list(range(used[0], used[-1] + 1))
    assert (window.start, window.end) == (starts[used[0]], ends[used[-1]])
    assert window.end - window.start >= 8 or len(used) == count
