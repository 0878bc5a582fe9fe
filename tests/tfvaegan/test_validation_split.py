"""The split in which settings are chosen: no test sample, val classes unseen, a seeded hold-out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlzoo_tfvaegan.promises import check_split, check_untested
from mlzoo_tfvaegan.validation_split import validation_split
from mlzoo_tfvaegan.zero_shot import Split

SEEN, UNSEEN, EACH = 9, 4, 10
LABEL = np.repeat(np.arange(SEEN + UNSEEN), EACH)
ROWS = np.random.default_rng(0).permutation(len(LABEL))
HELD = (LABEL < SEEN) & (np.arange(len(LABEL)) % EACH < 2)
SPLIT = Split(
    train=ROWS[((LABEL < SEEN) & ~HELD)[ROWS]],
    test_seen=np.flatnonzero(HELD),
    test_unseen=np.flatnonzero(LABEL >= SEEN),
)
OF_SEEN = np.flatnonzero(LABEL < SEEN)
# As in old files: with the samples of test_seen.
TRAIN, VAL = OF_SEEN[LABEL[OF_SEEN] < 6], OF_SEEN[LABEL[OF_SEEN] >= 6]


def classes(rows: Any) -> list[int]:
    return sorted(set(LABEL[rows].tolist()))


def made(train: Any = TRAIN, val: Any = VAL, **options: Any) -> tuple[Split, dict[str, Any]]:
    split, facts = validation_split(LABEL, SPLIT, train, val, **options)
    assert split is not None
    return split, facts


def test_classes_are_those_of_the_lists_and_test_samples_are_left_out() -> None:
    split, facts = made()
    assert classes(split.train) == classes(split.test_seen) == [0, 1, 2, 3, 4, 5]
    assert classes(split.test_unseen) == [6, 7, 8]
    every = np.concatenate(list(split.arrays().values()))
    assert np.array_equal(np.sort(every), np.sort(SPLIT.train))
    assert facts == {
        "left_out_of_validation": {"train_loc": 12, "val_loc": 6},
        "validation": "classes of train_loc and val_loc",
    }


def test_hold_out_is_a_share_of_every_class() -> None:
    split, _ = made(hold_out=0.25)
    assert np.bincount(LABEL[split.test_seen]).tolist() == [2] * 6
    assert np.bincount(LABEL[split.train]).tolist() == [6] * 6


def test_seed_decides_the_hold_out_and_nothing_else_does() -> None:
    first, again, other = made(seed=1)[0], made(seed=1)[0], made(seed=2)[0]
    assert np.array_equal(first.test_seen, again.test_seen)
    assert not np.array_equal(first.test_seen, other.test_seen)
    assert np.array_equal(first.test_unseen, other.test_unseen)


def test_both_versions_of_the_lists_give_the_same_split() -> None:
    of_train = np.isin(TRAIN, SPLIT.train)
    cleaned, facts = made(TRAIN[of_train][::-1], VAL[np.isin(VAL, SPLIT.train)])
    assert "left_out_of_validation" not in facts
    for name, rows in made()[0].arrays().items():
        assert np.array_equal(cleaned.arrays()[name], rows)


@pytest.mark.parametrize(
    ("train", "val", "reason"),
    [
        (None, None, "the split file has no train_loc and val_loc"),
        (TRAIN, None, "the split file has no train_loc and val_loc"),
        (SPLIT.test_unseen, VAL, "train_loc or val_loc holds no training sample"),
        (TRAIN, np.append(VAL, TRAIN), "train_loc and val_loc share 6 classes"),
    ],
)
def test_classes_are_drawn_where_the_lists_do_not_serve(train: Any, val: Any, reason: str) -> None:
    split, facts = made(train, val, seed=3)
    assert facts["validation"] == f"3 classes drawn with seed 3: {reason}"
    assert len(classes(split.test_unseen)) == 3  # a third of nine: fewer than the four unseen ones
    assert len(classes(split.train)) == 6
    drawn = {tuple(classes(made(train, val, seed=seed)[0].test_unseen)) for seed in range(9)}
    assert len(drawn) > 1


@given(data=st.data())
def test_split_keeps_its_promises_whatever_the_sizes(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=4, max_size=8))
    label = np.repeat(np.arange(len(sizes)), sizes)
    unseen = data.draw(st.integers(1, len(sizes) - 2))
    rows = np.random.default_rng(0).permutation(len(label))
    seen = rows[label[rows] >= unseen]
    first = np.unique(label[seen], return_index=True)[1]
    train = np.concatenate([seen[first], np.delete(seen, first)[1:]])
    held = np.delete(seen, first)[:1]
    split = Split(train, held, rows[label[rows] < unseen])
    found, facts = validation_split(
        label, split, None, None, hold_out=data.draw(st.floats(0.01, 0.99)), seed=5
    )
    if found is None:
        assert facts == {"validation": "none: too few seen classes or samples"}
        return
    check_split(found.arrays(), label, "validation")
    check_untested(found.arrays(), np.append(split.test_seen, split.test_unseen))
    assert len(np.unique(label[found.test_unseen])) <= unseen
    assert sum(map(len, found.arrays().values())) == len(train)


def test_one_seen_class_is_too_few() -> None:
    label = np.array([0, 0, 0, 1, 1])
    split = Split(np.array([0, 1]), np.array([2]), np.array([3, 4]))
    assert validation_split(label, split, None, None)[0] is None
