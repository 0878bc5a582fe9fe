"""The data of the task: what they promise, their world for validation, limits, fingerprints."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlzoo.errors import DataError, UsageError
from mlzoo_tfvaegan.scaling import Scaler
from mlzoo_tfvaegan.zero_shot import Split, ZeroShotData

SEEN, UNSEEN, EACH = 6, 3, 12


def world(**changes: Any) -> ZeroShotData:
    """Nine classes of twelve samples; of the seen ones the last three are test_seen; the features grow
    from row to row, so that every part has a range of its own."""
    random = np.random.default_rng(0)
    label = np.repeat(np.arange(SEEN + UNSEEN), EACH)
    rows = np.arange(len(label))
    seen, held = label < SEEN, rows % EACH >= EACH - 3
    train = rows[seen & ~held]
    attributes = random.normal(size=(SEEN + UNSEEN, 4)).astype(np.float32)
    given: dict[str, Any] = {
        "features": random.random((len(label), 5)) + rows[:, None],
        "label": label,
        "attributes": attributes / np.linalg.norm(attributes, axis=1, keepdims=True),
        "class_names": tuple("abcdefghi"),
        "split": Split(train, rows[seen & held], rows[~seen]),
        "validation_split": Split(
            train[(label[train] < 4) & (train % EACH < 7)],
            train[(label[train] < 4) & (train % EACH >= 7)],
            train[label[train] >= 4],
        ),
    }
    return ZeroShotData(**{**given, **changes})


def test_parts_come_scaled_to_the_range_of_the_training_rows() -> None:
    data = world()
    assert data.train.features.dtype == np.float32
    assert data.train.features.min() == 0
    assert data.train.features.max() == 1
    assert data.test_unseen.features.min() > 1  # not clipped
    assert np.array_equal(data.test.features[: len(data.test_seen)], data.test_seen.features)
    assert np.array_equal(data.test.label, np.append(data.test_seen.label, data.test_unseen.label))
    assert data.seen.tolist() == list(range(6))
    assert data.unseen.tolist() == [6, 7, 8]
    assert data.classes.tolist() == list(range(9))


def test_world_for_validation_is_scaled_by_its_own_training_rows() -> None:
    data = world()
    inner = data.validation
    assert inner is not None
    assert inner.validation is None
    assert inner.seen.tolist() == [0, 1, 2, 3]
    assert inner.unseen.tolist() == [4, 5]
    assert inner.train.features.max() == 1
    low = data.features[inner.split.train].min(axis=0)
    width = data.features[inner.split.train].max(axis=0) - low
    expected = (data.features[inner.split.test_unseen] - low) / width
    assert np.allclose(inner.test_unseen.features, expected)
    assert len(inner.attributes) == len(data.attributes)


def test_no_world_for_validation_without_its_split() -> None:
    assert world(validation_split=None).validation is None


@pytest.mark.parametrize("scaling", ["minmax", "standard", "none"])
def test_scaling_in_pieces_is_scaling_at_once(
    scaling: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = np.random.default_rng(1).normal(size=(50, 4))
    rows = np.arange(0, 50, 2)
    whole = Scaler.fit(features, rows, scaling).transform(features)
    monkeypatch.setattr("mlzoo_tfvaegan.scaling.ROWS", 7)
    pieces = Scaler.fit(features, rows, scaling)
    assert np.array_equal(pieces.transform(features), whole)
    assert np.array_equal(pieces.transform(features, rows), whole[rows])


def test_constant_feature_and_features_of_zeros_stay_finite() -> None:
    features = np.zeros((6, 3))
    features[4:] = 2.0
    scaler = Scaler.fit(features, np.arange(4), "minmax")
    assert scaler.transform(features)[:4].max() == 0
    assert np.array_equal(scaler.transform(features)[4:], np.full((2, 3), 2, dtype=np.float32))


def test_targets_of_a_sigmoid_decoder_span_0_to_1_over_all_classes() -> None:
    targets = world().bce_attributes
    assert targets.dtype == np.float32
    assert np.allclose(targets.min(axis=0), 0)
    assert np.allclose(targets.max(axis=0), 1)


def changed(data: ZeroShotData, name: str, place: Any, value: Any) -> ZeroShotData:
    array = getattr(data, name).copy()
    array[place] = value
    return replace(data, **{name: array})


def other_worlds() -> dict[str, ZeroShotData]:
    data = world()
    split, inner = data.split, data.validation_split
    assert inner is not None
    return {
        "feature": changed(data, "features", (3, 2), 0.5),
        "type of the features": replace(data, features=data.features.astype(np.float32)),
        "label": changed(data, "label", 0, 1),
        "class embedding": changed(data, "attributes", 0, data.attributes[1]),
        "train": replace(data, split=replace(split, train=split.train[1:]), validation_split=None),
        "order of train": replace(data, split=replace(split, train=split.train[::-1])),
        "test_seen": replace(data, split=replace(split, test_seen=split.test_seen[1:])),
        "test_unseen": replace(data, split=replace(split, test_unseen=split.test_unseen[1:])),
        "validation": replace(data, validation_split=replace(inner, train=inner.train[1:])),
        "no validation": replace(data, validation_split=None),
    }


def test_fingerprint_differs_when_anything_does() -> None:
    prints = [world().fingerprint()] + [data.fingerprint() for data in other_worlds().values()]
    assert len(set(prints)) == len(prints)
    assert world().fingerprint() == world().fingerprint()


def test_models_that_scale_the_same_data_differently_can_be_compared() -> None:
    unscaled = replace(world(), scaling="none")
    assert unscaled.fingerprint() == world().fingerprint()
    assert unscaled.family() == world().family()


def test_family_is_of_all_splits_of_one_dataset() -> None:
    others = other_worlds()
    alike = {name for name, data in others.items() if data.family() == world().family()}
    assert alike == {
        "class embedding",
        "train",
        "order of train",
        "test_seen",
        "test_unseen",
        "validation",
        "no validation",
    }


def test_limit_keeps_every_class_while_it_can() -> None:
    data = world(ceilings={"zsl_top1": 90.0}).limited(9)
    assert not data.ceilings
    assert data.seen.tolist() == list(range(6))
    assert data.unseen.tolist() == [6, 7, 8]
    assert [len(rows) for rows in data.split.arrays().values()] == [9, 9, 9]
    assert np.unique(data.test_unseen.label, return_counts=True)[1].tolist() == [3, 3, 3]
    inner = data.validation
    assert inner is not None
    assert len(inner.train) == 9
    assert inner.unseen.tolist() == [4, 5]
    assert world().limited(1000).fingerprint() == world().fingerprint()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_limit_below_the_number_of_classes_keeps_the_first(count: int) -> None:
    data = world().limited(count)
    assert data.seen.tolist() == list(range(count))
    assert np.array_equal(data.test_seen.label, data.seen)
    assert data.unseen.tolist() == list(range(6, 6 + min(count, 3)))
    assert data.validation is not None
    assert len(data.validation.seen) == min(count, 4)
    assert np.isfinite(data.test.features).all()


def test_limit_prefers_classes_that_are_tested() -> None:
    data = world()
    kept = data.split.test_seen[data.label[data.split.test_seen] >= 4]
    limited = replace(data, split=replace(data.split, test_seen=kept)).limited(3)
    assert limited.seen.tolist() == [0, 4, 5]
    assert np.unique(limited.test_seen.label).tolist() == [4, 5]


def test_limit_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1, got 0"):
        world().limited(0)


def broken_worlds() -> dict[str, dict[str, Any]]:
    data = world()
    split, inner = data.split, data.validation_split
    assert inner is not None
    tested = np.append(inner.test_seen, split.test_seen[:1])
    return {
        "features must be": {"features": data.features.astype(np.float16)},
        "label must be": {"label": data.label.astype(np.int32)},
        "labels must lie in 0 to 8": {"label": data.label + 1},
        "attributes must be": {"attributes": data.attributes.astype(np.float64)},
        "length 1": {"attributes": 2 * data.attributes},
        "8 names for 9 classes": {"class_names": tuple("abcdefgh")},
        "split.train must be": {"split": replace(split, train=split.train[:0])},
        "must name rows": {"split": replace(split, test_unseen=split.test_unseen + 1)},
        "a sample twice": {"split": replace(split, train=np.append(split.train, split.test_seen))},
        "both seen and unseen": {
            "split": Split(
                split.train[1:], split.test_seen, np.append(split.test_unseen, split.train[0])
            )
        },
        "which train has not": {"split": replace(split, train=split.train[split.train > EACH])},
        "has test samples": {"validation_split": replace(inner, test_seen=tested)},
    }


@pytest.mark.parametrize("message", broken_worlds())
def test_broken_promise_is_told(message: str) -> None:
    with pytest.raises(DataError, match=message):
        world(**broken_worlds()[message])


def test_description_counts_classes_and_samples() -> None:
    found = world(facts={"version": "v1"}, incomparable="own features").describe()
    assert found["classes"] == {"seen": 6, "unseen": 3}
    assert found["samples"] == {"train": 54, "test_seen": 18, "test_unseen": 36}
    assert found["validation_classes"] == {"seen": 4, "unseen": 2}
    assert found["version"] == "v1"
    assert found["incomparable"] == "own features"
    assert "incomparable" not in world().describe()


def test_references_name_chance_and_ceiling() -> None:
    found = world(ceilings={"zsl_top1": 90.0}).references()
    assert found["zsl_top1"] == {"chance": pytest.approx(100 / 3), "ceiling": 90.0}
    assert found["zsl_top5"] == {"chance": 100.0}
    assert found["gzsl_h"] == {"chance": pytest.approx(100 / 9)}
