from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlzoo_multisk.batches import Steps
from mlzoo_multisk.draws import random_of


class Videos:
    """Only as much of training clips as orders need."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def order(self, seed: int, number: int) -> np.ndarray:
        return random_of(seed, number).permutation(self.count)


@given(
    count=st.integers(1, 60),
    size=st.integers(1, 20),
    videos=st.none() | st.integers(1, 100),
    epochs=st.integers(1, 5),
)
def test_any_epoch_can_be_begun_without_those_before_it(count, size, videos, epochs):
    steps = Steps(Videos(count), size, videos, seed=3)
    straight = [step for epoch in range(1, epochs + 1) for step in steps.epoch(epoch)]
    assert len(straight) == epochs * steps.in_epoch
    resumed = list(Steps(Videos(count), size, videos, seed=3).epoch(epochs))
    for one, other in zip(straight[-steps.in_epoch :], resumed, strict=True):
        assert one.number == other.number
        np.testing.assert_array_equal(one.rows, other.rows)


def test_a_pass_shows_a_video_once_in_full_batches():
    steps = Steps(Videos(23), 5, None, seed=0)
    for number in (1, 2, 3):
        rows = [step.rows for step in steps.epoch(number)]
        assert [len(each) for each in rows] == [5, 5, 5, 5]
        assert len(set(np.concatenate(rows))) == 20
    first, second = (np.concatenate([s.rows for s in steps.epoch(n)]) for n in (1, 2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(("videos", "passes"), [(10, [0, 0]), (40, [0] * 4 + [1] * 4)])
def test_an_epoch_may_be_shorter_or_longer_than_a_pass(videos, passes):
    steps = Steps(Videos(23), 5, videos, seed=0)
    assert [step.number for step in steps.epoch(1)] == passes


def test_fewer_videos_than_a_batch_make_one_smaller_batch():
    (step,) = Steps(Videos(3), 8, None, seed=1).epoch(1)
    assert sorted(step.rows) == [0, 1, 2]
