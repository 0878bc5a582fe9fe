"""Stored videos with captions as clips: every strategy, training draws, what lacks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmark_files import WIDTH_2D, WIDTH_3D, WORD_WIDTH, arrays, word_table

from mlzoo.errors import DataError, UsageError
from mlzoo_multisk.captioned import CaptionedClips, CaptionedTraining, ClipForm, stream_widths
from mlzoo_multisk.clips import DROPPED, ClipBatch, Item
from mlzoo_multisk.memory import MemoryStore
from mlzoo_multisk.views.audio import padded
from mlzoo_multisk.views.cuts import cut
from mlzoo_multisk.views.video import combine

FORM = ClipForm(word_table(), 3, 48, "at_once", WIDTH_2D, WIDTH_3D)


def stored(key: str, number: int = 0, seconds: int = 10) -> Item:
    own = arrays(number, seconds)
    return Item(key, own["2d"], own["3d"], own["audio"], {"captions": ["a man"]})


def clips(*items: Item, form: ClipForm = FORM) -> CaptionedClips:
    rows = np.arange(len(items))
    return CaptionedClips(MemoryStore(items), rows, ["a man cooks rice"] * len(items), form)


def test_a_whole_clip_has_its_tokens_and_64_frames_for_each() -> None:
    items = [stored("a", 0), stored("b", 1, 60)]
    batch = clips(*items).batch(np.array([1, 0]))
    assert {name: array.shape[1:] for name, array in batch.arrays().items()} == {
        "text": (3, WORD_WIDTH),
        "text_mask": (3,),
        "video": (48, WIDTH_2D + WIDTH_3D),
        "video_mask": (48,),
        "audio": (40, 3072),
        "audio_mask": (3072,),
        "audio_frames": (),
    }
    assert batch.ids == ("b", "a")
    assert batch.captions == ("a man cooks",) * 2
    assert batch.audio_frames.tolist() == [3072, 1000]
    assert batch.audio_frames.dtype == np.int64
    assert batch.audio_mask.sum(axis=1).tolist() == [3072, 1000]
    assert batch.video_mask.sum(axis=1).tolist() == [48, 15]
    for place, item in enumerate(items[::-1]):
        video, mask = combine(item.video_2d, item.video_3d, 48)
        audio, _, _ = padded(item.audio, 3072)  # type: ignore[arg-type]
        assert (batch.video[place] == video).all()
        assert (batch.video_mask[place] == mask).all()
        assert (batch.audio[place] == audio).all()


@pytest.mark.parametrize("strategy", ["nearest", "max"])
def test_pooled_strategies_see_the_whole_video_in_12_tokens(strategy: str) -> None:
    item = stored("a", 0, 60)
    form = replace(FORM, strategy=strategy)
    batch = clips(item, form=form).batch(np.array([0]))
    pooling = {"nearest": "nearest", "max": "max_pool"}[strategy]
    video, _ = combine(item.video_2d, item.video_3d, 12, pooling)  # type: ignore[arg-type]
    assert (batch.video[0] == video).all()
    assert batch.audio.shape == (1, 40, 3072)
    assert form.audio_pooling == pooling
    assert form.audio_tokens == form.shape.video_tokens == 12
    assert form.shape.audio_frames == 3072


def test_cuts_of_a_clip_have_its_id_unless_they_lack_audio() -> None:
    form = replace(FORM, strategy="clips")
    store = [stored("a", 0, 14), stored("b", 1, 60), Item("c", *_silent(2), {})]
    batch = clips(*store, form=form).batch(np.arange(3))
    # 14 s are 768 frames and 632: 82 % of a cut.
    assert batch.ids == ("a", "a", DROPPED, DROPPED, *"bbbb", "c", *[DROPPED] * 3)
    assert batch.audio_frames.tolist()[:4] == [768, 632, 768, 768]
    assert batch.video.shape == (12, 12, WIDTH_2D + WIDTH_3D)
    assert batch.audio.shape[2] == 768
    assert form.shape.video_tokens == 12
    assert form.shape.audio_frames == 768
    whole = clips(*store).batch(np.arange(3))
    expected = cut(whole, 4)
    for name, array in batch.arrays().items():
        assert (array == expected.arrays()[name]).all(), name


def _silent(number: int) -> tuple[object, object, None]:
    own = arrays(number, 40)
    return own["2d"], own["3d"], None


def training(*items: Item, form: ClipForm = FORM) -> CaptionedTraining:
    captions = [["a man", "the dog", "green grass"], ["rice"], ["pan"], ["onions"]][: len(items)]
    return CaptionedTraining(MemoryStore(items), np.arange(len(items)), captions, form)


def test_a_draw_follows_from_seed_pass_and_row_alone() -> None:
    train = training(stored("a", 0), stored("b", 1), stored("c", 2), stored("d", 3))
    both, alone = train.draw(np.array([2, 0]), 5, 3), train.draw(np.array([0]), 5, 3)
    assert both.ids == ("c", "a")
    assert both.captions[1:] == alone.captions
    drawn = {train.draw(np.array([0]), 5, number).captions[0] for number in range(30)}
    assert drawn == {"a man", "the dog", "green grass"}
    orders = [train.order(5, number).tolist() for number in range(8)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    assert orders[3] == train.order(5, 3).tolist()
    assert train.order(5, 0).dtype == np.int64


def test_training_on_cuts_takes_one_that_counts() -> None:
    form = replace(FORM, strategy="clips")
    train = training(stored("a", 0, 14), stored("b", 1, 60), Item("c", *_silent(2), {}), form=form)
    drawn = [train.draw(np.arange(3), 0, number) for number in range(40)]
    assert all(batch.ids == ("a", "b", "c") and len(batch.video) == 3 for batch in drawn)
    pieces = cut(form.whole([train.store.item(row) for row in range(3)], ["rice"] * 3), 4)

    def places(row: int) -> set[int]:
        return {_which(batch, row, pieces) for batch in drawn}

    assert places(0) == {0, 1}
    assert places(1) == {0, 1, 2, 3}
    assert places(2) == {0, 1, 2, 3}  # no audio: any cut with video


def _which(batch: ClipBatch, row: int, pieces: ClipBatch) -> int:
    same = (pieces.video[4 * row : 4 * row + 4] == batch.video[row]).all(axis=(1, 2))
    return int(np.flatnonzero(same)[0])


def test_what_a_video_lacks_is_masked() -> None:
    whole = stored("whole")
    batch = clips(
        Item("no 2d", None, whole.video_3d, whole.audio, {}),
        Item("no 3d", whole.video_2d, None, whole.audio, {}),
        Item("no audio", whole.video_2d, whole.video_3d, None, {}),
        whole,
    ).batch(np.arange(4))
    assert batch.video_mask.any(axis=1).tolist() == [False, False, True, True]
    assert not batch.video[:2].any()
    assert batch.audio_mask.any(axis=1).tolist() == [True, True, False, True]
    assert batch.audio_frames.tolist() == [1000, 1000, 0, 1000]
    unknown = CaptionedClips(MemoryStore([whole]), np.array([0]), ["zzz qqq"], FORM)
    empty = unknown.batch(np.array([0]))
    assert not empty.text_mask.any()
    assert empty.captions == ("",)


def test_a_stream_that_no_video_has_takes_no_room() -> None:
    item = replace(stored("a"), video_3d=None)
    widths = stream_widths(iter([item]))
    assert widths == (WIDTH_2D, None)
    form = ClipForm(word_table(), 3, 12, "at_once", *widths)
    batch = clips(item, form=form).batch(np.array([0]))
    assert batch.video.shape == (1, 12, WIDTH_2D)
    assert batch.video_mask.sum() == 10


def test_what_does_not_fit_is_one_clear_error() -> None:
    item = stored("a")
    with pytest.raises(DataError, match=r"2D features of 'b': expected shape \(any, 6\), found"):
        clips(replace(item, key="b", video_2d=item.video_3d)).batch(np.array([0]))
    with pytest.raises(DataError, match=r"spectrogram of 'a': expected 40 mel bands, found shape"):
        clips(replace(item, audio=np.zeros((39, 5), np.float32))).batch(np.array([0]))
    bad = item.video_2d.copy()  # type: ignore[union-attr]
    bad[3, 2] = np.nan
    with pytest.raises(DataError, match=r"a: 2D features: expected finite values, found nan"):
        clips(replace(item, video_2d=bad)).batch(np.array([0]))
    with pytest.raises(DataError, match="2D features of 'b' are 5 wide, those of 'a' 6"):
        stream_widths(iter([item, replace(item, key="b", video_2d=item.video_3d)]))
    with pytest.raises(UsageError, match="40 tokens cannot be cut into clips of 12"):
        replace(FORM, tokens=40, strategy="clips")
    with pytest.raises(UsageError, match="nearest brings a clip to 12 tokens; it has 8"):
        replace(FORM, tokens=8, strategy="nearest")
    with pytest.raises(DataError, match="neither 2D nor 3D"):
        replace(FORM, width_2d=None, width_3d=None)
    with pytest.raises(DataError, match="the caption list of 'a' is empty"):
        CaptionedTraining(MemoryStore([item]), np.array([0]), [[]], FORM)
    with pytest.raises(DataError, match="the id 'a' occurs twice"):
        MemoryStore([item, item])


def test_digests_follow_content() -> None:
    one, same, other = (MemoryStore([stored("a", n)]).digest() for n in (0, 0, 1))
    assert one == same != other
    first, second = training(stored("a")), training(stored("a"))
    assert first.digest() == second.digest()
    changed = replace(first, captions=[["a man", "the dog"]])
    assert changed.digest() != first.digest()
