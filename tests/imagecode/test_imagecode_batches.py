"""Which descriptions a step sees, and when updates come."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from imagecode_sets import described, published_counts

from mlzoo.errors import DataError
from mlzoo_imagecode.batches import (
    Batch,
    epoch_batches,
    random_candidates,
    updates_by_epoch,
    updates_in_epoch,
)
from mlzoo_imagecode.config import ImageCoDeConfig
from mlzoo_imagecode.contextual import HIDDEN, Part

train = cache(published_counts)
LOOSE: dict[str, Any] = {"group_sets": False}
LATER = {**LOOSE, "accumulation_first": True, "reduction": "mean", "optimizer": "adamw"}


def batches(part: Part, epoch: int = 1, seed: int = 0, **options: Any) -> list[Batch]:
    return list(epoch_batches(part, ImageCoDeConfig(**options), seed, epoch))


def rows(found: list[Batch]) -> list[int]:
    return [row for batch in found for row in batch.rows.tolist()]


def updated(found: list[Batch]) -> list[int]:
    return [index for index, batch in enumerate(found) if batch.update]


def test_published_training_has_460_full_batches_and_34_descriptions_left_over() -> None:
    kept = batches(train(), leftover="carry", **LOOSE)
    assert [len(batch.rows) for batch in kept] == [36] * 460 + [34]
    assert updated(kept) == list(range(460))
    assert len(batches(train(), leftover="drop", **LOOSE)) == 460
    assert updated(batches(train(), leftover="step", **LOOSE)) == list(range(461))


def test_later_program_has_461_batches_and_as_many_updates() -> None:
    for leftover in ("step", "drop", "carry"):
        assert updated(batches(train(), leftover=leftover, **LATER)) == list(range(461))
    ten = batches(train(), accumulation=10, leftover="carry", **LATER)
    assert updated(ten) == list(range(0, 461, 10))
    assert {batch.scale for batch in ten} == {1.0}


def test_sets_in_one_batch_cost_no_more_updates() -> None:
    config = ImageCoDeConfig()
    assert updates_by_epoch(train(), config, seed=3, epochs=3) == [461, 461, 461]
    found = batches(train())
    assert [len(batch.rows) for batch in found[:-1]] == [36] * 460
    assert sorted(rows(found)) == list(range(16594))


@pytest.mark.parametrize("grouped", [True, False])
def test_order_follows_from_seed_and_epoch(grouped: bool) -> None:
    def order(**where: int) -> list[int]:
        return rows(batches(part, group_sets=grouped, batch_size=7, **where))

    part = described([1, 2, 3, 3, 2, 1] * 5)
    assert order(seed=4, epoch=2) == order(seed=4, epoch=2)
    assert order(seed=4, epoch=2) != order(seed=4, epoch=3) != order(seed=5, epoch=3)
    assert sorted(order(seed=4, epoch=3)) == list(range(len(part)))


def test_descriptions_of_a_set_share_a_batch_and_only_large_sets_are_split() -> None:
    part = described([3, 1, 2, 9, 3, 2, 1, 1, 3] * 4)
    found = batches(part, batch_size=5)
    assert max(len(batch.rows) for batch in found) == 5
    assert sorted(rows(found)) == list(range(len(part)))
    homes: dict[int, set[int]] = {}
    for index, batch in enumerate(found):
        for home in part.set_of[batch.rows]:
            homes.setdefault(int(home), set()).add(index)
    sizes = np.bincount(part.set_of)
    assert {home for home, where in homes.items() if len(where) > 1} == set(
        np.flatnonzero(sizes > 5)
    )


def test_room_in_which_no_set_fits_leaves_nothing_over() -> None:
    part = described([3] * 20)  # batches of 8 hold two sets
    for leftover in ("step", "drop", "carry"):
        found = batches(part, batch_size=8, leftover=leftover)
        assert [len(batch.rows) for batch in found] == [6] * 10
        assert updated(found) == list(range(10))
    assert updated(batches(described([3] * 21), batch_size=8, leftover="carry")) == list(range(10))


@pytest.mark.parametrize(
    ("leftover", "count", "updates"),
    [("step", 10, [2, 5, 8, 9]), ("drop", 9, [2, 5, 8]), ("carry", 10, [2, 5, 8])],
)
def test_gradients_of_batches_are_added_up(leftover: str, count: int, updates: list[int]) -> None:
    part = described([1] * 40)
    found = batches(part, batch_size=4, accumulation=3, leftover=leftover, **LOOSE)
    assert (len(found), updated(found)) == (count, updates)
    assert [batch.number for batch in found] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3][:count]
    assert {batch.scale for batch in found} == {1.0}


@pytest.mark.parametrize(
    ("leftover", "count", "updates"),
    [("step", 8, [0, 3, 6, 7]), ("drop", 7, [0, 3, 6]), ("carry", 8, [0, 3, 6])],
)
def test_later_program_steps_after_the_first_batch(
    leftover: str, count: int, updates: list[int]
) -> None:
    part = described([1] * 30)
    options = {**LATER, "batch_size": 4, "accumulation": 3, "leftover": leftover}
    found = batches(part, **options)
    assert (len(found), updated(found)) == (count, updates)


@pytest.mark.parametrize("grouped", [True, False])
def test_mean_of_several_batches_is_the_mean_over_their_descriptions(grouped: bool) -> None:
    part = described([2, 3, 1, 3] * 5)
    values = np.random.default_rng(0).random(len(part))
    found = batches(
        part, batch_size=7, accumulation=3, reduction="mean", group_sets=grouped, leftover="step"
    )
    for step in range(found[-1].number + 1):
        own = [batch for batch in found if batch.number == step]
        assert [batch.update for batch in own] == [False] * (len(own) - 1) + [True]
        total = sum(batch.scale * values[batch.rows].mean() for batch in own)
        assert total == pytest.approx(values[np.concatenate([b.rows for b in own])].mean())
    full = batches(described([1] * 42), batch_size=7, accumulation=3, reduction="mean")
    assert [batch.scale for batch in full] == [pytest.approx(1 / 3)] * 6


def test_fewer_descriptions_than_a_batch() -> None:
    part = described([2, 1])
    assert updates_in_epoch(part, ImageCoDeConfig(), 0, 1) == 1
    assert batches(part, leftover="drop") == []
    (batch,) = batches(part, leftover="carry")
    assert not batch.update


def test_random_images_are_drawn_once_and_the_true_one_comes_first() -> None:
    part = described([3, 2, 1, 3])
    other = random_candidates(part, seed=10)
    own = part.candidates[np.arange(9), part.target]
    assert (other.candidates[:, 0] == own).all()
    assert (other.target == 0).all()
    assert other.choices == 10
    assert all(len(set(drawn)) == 9 for drawn in other.candidates[:, 1:].tolist())
    assert (other.candidates == random_candidates(part, seed=10).candidates).all()
    assert (other.candidates != random_candidates(part, seed=11).candidates).any()
    assert (
        random_candidates(part.taken(np.arange(4)), 10).candidates == other.candidates[:4]
    ).all()
    assert (other.set_of == part.set_of).all()


def test_random_images_are_those_of_sorted_names_whatever_their_order() -> None:
    part = described([3, 2, 1])
    turned = np.random.default_rng(0).permutation(30)  # image i lies at row turned[i]
    back = np.argsort(turned)
    moved = replace(
        part,
        images=type(part.images)([part.images.names[row] for row in back]),
        set_of_image=part.set_of_image[back],
        position=part.position[back],
        frame=part.frame[back],
        candidates=turned[part.candidates],
    )

    def names(drawn: Part) -> Any:
        return np.array(drawn.images.names)[drawn.candidates].tolist()

    assert names(random_candidates(moved, 3)) == names(random_candidates(part, 3))


def test_random_images_are_uniform_over_all_images() -> None:
    drawn = random_candidates(described([3] * 200), seed=0).candidates[:, 1:]
    counts = np.bincount(drawn.ravel() // 500, minlength=4)
    assert np.abs(counts - 1350).max() < 120  # four standard deviations


def test_hidden_targets_and_too_few_images_are_refused() -> None:
    part = described([3])
    hidden = replace(part, target=np.array([0, HIDDEN, 1]))
    with pytest.raises(DataError, match="without a target"):
        random_candidates(hidden, 0)
    wide = replace(part, candidates=np.zeros((3, 12), dtype=np.int64))
    with pytest.raises(DataError, match="11 random images cannot be drawn from 10"):
        random_candidates(wide, 0)
