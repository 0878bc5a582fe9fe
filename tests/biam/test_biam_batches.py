"""Which images a step of BiAM sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mlzoo.errors import DataError
from mlzoo_biam.batches import Sampler, trainable
from mlzoo_biam.config import BiAMConfig
from mlzoo_biam.labels import Labels

NO_SHARDS = np.zeros(0, dtype=np.int64)


def sampler(kept, shards=NO_SHARDS, **options):
    config = BiAMConfig(**{"batch_size": 4, **options})
    return Sampler(config, np.asarray(kept, dtype=bool), np.asarray(shards, dtype=np.int64))


def epoch(which, seed=0):
    return list(which.epoch(torch.Generator().manual_seed(seed)))


def test_images_without_a_seen_positive_or_with_too_many_are_left_out():
    labels = np.array([[1, -1, -1, 1], [-1, -1, -1, 1], [1, 1, 1, -1], [0, 0, 1, 0]])
    found = trainable(Labels.from_dense(labels, 0), slice(0, 3), None)
    assert found.tolist() == [True, False, True, True]
    assert trainable(Labels.from_dense(labels, 0), slice(0, 3), 2).tolist() == [
        True,
        False,
        False,
        True,
    ]


def test_no_image_to_learn_from_is_an_error():
    with pytest.raises(DataError, match="no training image has a positive label"):
        trainable(Labels.from_dense(np.full((2, 3), -1), -1), slice(0, 2), None)


def test_a_shuffled_epoch_has_every_kept_image_once_in_full_batches():
    kept = np.ones(23, dtype=bool)
    kept[[3, 7]] = False
    batches = epoch(sampler(kept))
    assert [len(batch) for batch in batches] == [4, 4, 4, 4, 4, 1]
    assert sorted(np.concatenate(batches)) == np.flatnonzero(kept).tolist()
    assert np.concatenate(epoch(sampler(kept), 1)).tolist() != np.concatenate(batches).tolist()


def test_with_replacement_every_step_draws_anew_and_then_drops():
    kept = np.arange(40) % 2 == 0
    batches = epoch(sampler(kept, sampling="replacement"))
    assert len(batches) <= 10
    assert all(kept[batch].all() and len(set(batch)) == len(batch) <= 4 for batch in batches)
    drawn = np.concatenate(batches)
    assert len(set(drawn)) < len(drawn), "some image came twice"


def test_shards_are_visited_once_each_and_their_images_shuffled_within():
    kept = np.ones(30, dtype=bool)
    kept[12] = False
    batches = epoch(sampler(kept, [0, 10, 14, 30]))
    assert sorted(np.concatenate(batches)) == np.flatnonzero(kept).tolist()
    shard_of = [set(np.searchsorted([10, 14, 30], batch, side="right")) for batch in batches]
    assert all(len(shards) == 1 for shards in shard_of), "a batch is of one shard"


def test_published_visits_to_shards_are_draws_with_images_in_order():
    found = epoch(
        sampler(
            np.ones(30, dtype=bool),
            [0, 10, 20, 30],
            sampling="replacement",
            shards_per_epoch=7,
            batches_per_shard=2,
        )
    )
    assert len(found) == 7 * 2
    for first, second in zip(found[::2], found[1::2], strict=True):
        assert first.tolist() == list(range(first[0], first[0] + 4))
        assert second.tolist() == list(range(first[0] + 4, first[0] + 8))
        assert first[0] % 10 == 0


def test_fewer_shards_an_epoch_are_different_ones():
    found = epoch(sampler(np.ones(30, dtype=bool), [0, 10, 20, 30], shards_per_epoch=2))
    assert len({rows[0] // 10 for rows in found}) == 2
