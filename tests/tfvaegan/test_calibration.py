"""The curve of calibrated stacking, against trying every γ."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlzoo_tfvaegan.calibration import calibrated, seen_unseen_curve
from mlzoo_tfvaegan.evaluators import per_class_accuracy, score
from mlzoo_tfvaegan.zero_shot import Split, ZeroShotData


def random_world(seed: int, step: float = 0.25) -> tuple[ZeroShotData, np.ndarray]:
    """A world of labels, and scores on a coarse grid: their differences are exact, ties are common."""
    random = np.random.RandomState(seed)
    ids = random.permutation(12)
    seen, unseen = np.split(ids[: random.randint(2, 12)], [1])
    if random.rand() < 0.5:
        seen, unseen = unseen, seen
    parts = [
        np.concatenate([seen, random.choice(seen, 3)]),
        random.choice(seen, random.randint(1, 20)),
        np.concatenate([unseen, random.choice(unseen, random.randint(0, 20))]),
    ]
    ends = np.cumsum([0, *map(len, parts)])
    label = np.concatenate(parts).astype(np.int64)
    data = ZeroShotData(
        features=np.zeros((len(label), 1), dtype=np.float32),
        label=label,
        attributes=np.eye(12, dtype=np.float32),
        class_names=tuple(map(str, range(12))),
        split=Split(*(np.arange(a, b) for a, b in pairwise(ends))),
    )
    test = len(label) - ends[1]
    scores = step * random.randint(-8, 9, size=(test, len(data.classes)))
    return data, scores.astype(np.float32)


def accuracies(data: ZeroShotData, scores: np.ndarray, gamma: float) -> tuple[float, float]:
    """s and u at one γ, by prediction."""
    label = data.label[len(data.split.train) :]
    predicted = data.classes[calibrated(scores, data, gamma).argmax(axis=1)]
    s, u = (per_class_accuracy(label, predicted, kind).mean for kind in (data.seen, data.unseen))
    return s, u


def every_gamma(data: ZeroShotData, scores: np.ndarray) -> np.ndarray:
    """One γ between any two at which anything can change, and one beyond either end."""
    is_seen = np.isin(data.classes, data.seen)
    differences = scores[:, is_seen, None].astype(float) - scores[:, None, ~is_seen]
    critical = np.unique(differences)
    between = (critical[1:] + critical[:-1]) / 2
    return np.concatenate([[critical[0] - 1], between, [critical[-1] + 1]])


@given(st.integers(0, 2**32 - 1))
def test_curve_equals_predicting_at_every_gamma(seed: int) -> None:
    data, scores = random_world(seed)
    curve = seen_unseen_curve(data.label[len(data.split.train) :], scores, data)
    assert len(curve.seen) == len(curve.unseen) == len(curve.gamma) + 1
    area, before = 0.0, None
    for gamma in every_gamma(data, scores):
        s, u = accuracies(data, scores, gamma)
        place = np.searchsorted(curve.gamma, gamma)
        assert curve.seen[place] == pytest.approx(s, abs=1e-12)
        assert curve.unseen[place] == pytest.approx(u, abs=1e-12)
        if before is not None:
            area += (s + before[0]) / 2 * (u - before[1])
        before = s, u
    assert curve.area == pytest.approx(area, abs=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_curve_goes_from_all_seen_to_all_unseen(seed: int) -> None:
    data, scores = random_world(seed)
    curve = seen_unseen_curve(data.label[len(data.split.train) :], scores, data)
    assert curve.unseen[0] == 0
    assert curve.seen[-1] == 0
    assert (np.diff(curve.seen) <= 0).all()
    assert (np.diff(curve.unseen) >= 0).all()
    found = score({"label": data.label[len(data.split.train) :], "scores": scores}, data)
    assert 100 * curve.unseen[-1] == pytest.approx(found["zsl_top1"])
    assert found["ausuc"] == curve.area


def test_perfect_scores_have_area_one_and_hopeless_ones_zero() -> None:
    data, _ = random_world(3)
    label = data.label[len(data.split.train) :]
    right = (label[:, None] == data.classes).astype(np.float32)
    assert seen_unseen_curve(label, right, data).area == pytest.approx(1)
    assert seen_unseen_curve(label, -right, data).area == pytest.approx(0, abs=1e-12)


def test_area_ignores_a_constant_added_to_all_seen_classes() -> None:
    data, scores = random_world(5)
    label = data.label[len(data.split.train) :]
    shifted = calibrated(scores, data, -2.5)
    first, second = (seen_unseen_curve(label, found, data) for found in (scores, shifted))
    assert first.area > 0
    assert second.area == pytest.approx(first.area, abs=1e-12)
    np.testing.assert_allclose(second.gamma, first.gamma + 2.5)


def test_calibration_changes_only_seen_columns_and_zero_changes_nothing() -> None:
    data, scores = random_world(7)
    np.testing.assert_array_equal(calibrated(scores, data, 0.0), scores)
    for row in calibrated(scores, data, 0.75) - scores:
        np.testing.assert_array_equal(row, np.where(np.isin(data.classes, data.seen), -0.75, 0))
