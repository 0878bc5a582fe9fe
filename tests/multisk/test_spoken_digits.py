from __future__ import annotations

import numpy as np
import pytest

from mlzoo_multisk.dataset_config import SpokenDigitsOptions
from mlzoo_multisk.spoken_digits import (
    NUMBERS,
    SENTENCES,
    TOKENS,
    ceilings,
    load,
    name_of,
    vocabulary,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return load(tmp_path_factory.mktemp("none"), SpokenDigitsOptions(videos=400))


@pytest.mark.parametrize(
    ("number", "name"),
    [(0, "zero"), (7, "seven"), (13, "thirteen"), (20, "twenty"), (42, "forty two"), (99, "ninety nine")],
)  # fmt: skip
def test_numbers_have_their_english_names(number, name):
    assert name_of(number) == name


def test_no_two_numbers_are_the_same_words():
    bags = {tuple(sorted(name_of(number).split())) for number in range(NUMBERS)}
    assert len(bags) == NUMBERS


def test_every_number_is_tested_five_times_with_different_sentences(data):
    test = data.part("test")
    counts = np.bincount(test.numbers, minlength=NUMBERS)
    assert (counts == 5).all()
    assert len(set(test.captions)) == len(test) == 500
    assert len(set(test.ids)) == 500
    assert set(" ".join(test.captions).split()) <= set(vocabulary())


def test_the_three_views_tell_the_number(data):
    """A nearest neighbour among the training clips, one view at a time."""
    train, test = data.train, data.part("test")

    def right(of_train, of_test, rows):
        distance = ((of_test[:, None] - of_train[None]) ** 2).sum(-1)
        return (train.numbers[rows][distance.argmin(1)] // 10 == test.numbers // 10).mean()

    every = np.arange(len(train))
    assert right(train.video.mean(1), test.video.mean(1), every) > 0.5  # chance 0.1
    heard = np.flatnonzero(train.has_audio)
    tens = slice(0, 96)
    train_notes, test_notes = (x.audio[:, :, tens].mean(2) for x in (train, test))
    assert right(train_notes[heard], test_notes, heard) > 0.8


def test_a_draw_follows_from_seed_pass_and_row_alone(data):
    rows = np.arange(20)
    once = data.train.draw(rows, 3, 1)
    again = data.train.draw(rows[::-1].copy(), 3, 1)
    assert once.captions == again.captions[::-1]
    assert data.train.draw(rows, 3, 2).captions != once.captions
    assert data.train.draw(rows, 4, 1).captions != once.captions
    np.testing.assert_array_equal(once.video, again.video[::-1])


def test_some_training_clips_lack_audio_or_text_and_none_both(data):
    train = data.train
    batch = data.train.draw(np.arange(len(train)), 0, 0)
    silent, wordless = batch.audio_mask.sum(1) == 0, batch.text_mask.sum(1) == 0
    assert 0 < silent.sum() < 60
    assert 0 < wordless.sum() < 60
    assert not (silent & wordless).any()
    assert not batch.audio[silent].any()
    assert (batch.video_mask == 1).all()
    assert batch.video.shape[1] == TOKENS
    whole = data.part("test").batch(np.arange(50))
    assert whole.text_mask.any(1).all()
    assert whole.audio_mask.all()


def test_the_seed_of_the_data_decides_and_splits_share_no_handwriting(data, tmp_path):
    same = load(tmp_path, SpokenDigitsOptions(videos=400))
    other = load(tmp_path, SpokenDigitsOptions(videos=400, data_seed=1))
    assert same.fingerprint() == data.fingerprint() != other.fingerprint()


def test_the_ceiling_is_what_guessing_among_equal_clips_gives():
    found = ceilings(5)
    assert found["t2v_r1"] == 20
    assert found["t2v_r5"] == found["t2v_r50"] == 100
    assert found["v+a2t_median_rank"] == found["t2va_mean_rank"] == 3
    random = np.random.default_rng(0)
    ranks = np.array([random.permutation(5)[0] for _ in range(20_000)])  # of the right one of five
    assert 100 * (ranks == 0).mean() == pytest.approx(found["t2v_r1"], abs=1)
    assert (ranks + 1).mean() == pytest.approx(found["t2v_mean_rank"], abs=0.05)


def test_a_limit_takes_the_ceilings_away(data):
    small = data.limited(16)
    assert small.ceilings == {}
    assert small.complete["test"] == len(small.part("test")) == 16
    assert len(small.train) == 16
    assert sorted(small.train.order(0, 0)) == list(range(16))
    assert len(SENTENCES) >= 5
