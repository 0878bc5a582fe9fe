"""Long clips cut into pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlzoo.errors import DataError
from mlzoo_multisk.clips import ClipBatch
from mlzoo_multisk.views.cuts import audio_of_pieces, cut

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "multisk" / "audio_features.npz")


def clips(count: int, frames: int, *, tokens: int = 8, length: int = 256) -> ClipBatch:
    """Clips whose arrays tell where each number stood."""

    def numbers(*shape: int) -> np.ndarray:
        return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)

    return ClipBatch(
        text=numbers(count, 3, 2),
        text_mask=numbers(count, 3),
        video=numbers(count, tokens, 2),
        video_mask=numbers(count, tokens),
        audio=numbers(count, 4, length),
        audio_mask=numbers(count, length),
        audio_frames=np.full(count, frames),
        ids=tuple(f"v{number}" for number in range(count)),
        captions=tuple(f"c{number}" for number in range(count)),
    )


@pytest.mark.parametrize("frames", [256, 175, 150, 64, 40])
def test_pieces_that_count_are_those_of_the_published_program(frames):
    found = cut(clips(1, frames), 4)
    want = ["v0" if name == "vid7" else name for name in GOLDEN[f"cut{frames}.ids"].tolist()]
    assert list(found.ids) == want
    np.testing.assert_array_equal(found.audio_frames, GOLDEN[f"cut{frames}.nframes"])


def test_arrays_are_cut_as_by_the_published_program():
    names = {"video": "video", "vmask": "video_mask", "audio": "audio", "amask": "audio_mask"}
    arrays = {field: GOLDEN[f"cut.in.{name}"][None] for name, field in names.items()}
    text = GOLDEN["cut.text"][:1]
    whole = ClipBatch(
        text=text,
        text_mask=np.ones((1, text.shape[1]), np.float32),
        audio_frames=np.array([150]),
        ids=("vid7",),
        captions=("a",),
        **arrays,
    )
    found = cut(whole, 4)
    for name, field in names.items():
        np.testing.assert_array_equal(getattr(found, field), GOLDEN[f"cut.{name}"])
    np.testing.assert_array_equal(found.text, GOLDEN["cut.text"])
    assert found.captions == ("a",) * 4


def test_pieces_of_a_clip_follow_each_other():
    found = cut(clips(2, 256), 2)
    assert found.ids == ("v0", "v0", "v1", "v1")
    assert found.captions == ("c0", "c0", "c1", "c1")
    assert found.video_mask[:, 0].tolist() == [0, 4, 8, 12]
    assert len(found) == 4
    assert found.audio.flags.c_contiguous


def test_clip_whose_frames_are_not_counted_keeps_all_pieces():
    assert cut(clips(1, -1), 4).ids == ("v0",) * 4


def test_first_piece_counts_even_without_audio():
    assert cut(clips(1, 0), 2).ids == ("v0", "-1")


@pytest.mark.parametrize("pieces", [0, 3, 16])
def test_pieces_that_do_not_divide_a_clip_are_refused(pieces):
    with pytest.raises(DataError, match=f"8 video tokens and 256 frames .* into {pieces} pieces"):
        cut(clips(1, 256), pieces)


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(1, 6))
def test_pieces_put_together_are_the_clip(frames, pieces):
    batch = clips(2, frames, tokens=2 * pieces, length=16 * pieces)
    found = cut(batch, pieces)
    np.testing.assert_array_equal(
        np.concatenate(list(found.audio[:pieces]), axis=1), batch.audio[0]
    )
    np.testing.assert_array_equal(found.video.reshape(batch.video.shape), batch.video)
    kept, counts = audio_of_pieces(batch.audio_frames, 16, pieces)
    assert counts[kept].max() <= 16
    assert (counts[~kept] == 16).all()
    assert (np.diff(kept.astype(int), axis=1) <= 0).all()  # audio ends once
