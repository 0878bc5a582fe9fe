"""Accuracies of the task ``zero-shot``: against the oracle, against plain loops, and wrong arrays."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlzoo.errors import NonFiniteError, PluginError
from mlzoo_tfvaegan.evaluators import (
    harmonic_mean,
    per_class,
    per_class_accuracy,
    score,
    within_top,
)
from mlzoo_tfvaegan.metrics import METRICS
from mlzoo_tfvaegan.zero_shot import Split, ZeroShotData

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "tfvaegan" / "metrics.npz"


def world(train, test_seen, test_unseen) -> ZeroShotData:
    """Labels alone matter here."""
    parts = [np.array(part, dtype=np.int64) for part in (train, test_seen, test_unseen)]
    ends = np.cumsum([0, *map(len, parts)])
    rows = [np.arange(a, b) for a, b in pairwise(ends)]
    label = np.concatenate(parts)
    count = int(label.max()) + 1
    return ZeroShotData(
        features=np.zeros((len(label), 1), dtype=np.float32),
        label=label,
        attributes=np.eye(count, dtype=np.float32),
        class_names=tuple(f"class {i}" for i in range(count)),
        split=Split(*rows),
    )


def test_accuracies_by_class_match_the_oracle() -> None:
    with np.load(GOLDEN) as golden:
        for case in range(4):
            g = {k.split("/")[1]: golden[k] for k in golden.files if k.startswith(f"case{case}/")}
            found = per_class_accuracy(g["labels"], g["predicted"], g["classes"])
            np.testing.assert_allclose(found.accuracy, g["per_class"], rtol=1e-12)
            np.testing.assert_allclose(found.mean, g["mean_over_nonempty"], rtol=1e-12)
            assert found.empty == np.isnan(g["per_class"]).sum()
            if not found.empty:  # the published formula has no mean otherwise
                assert found.mean == pytest.approx(float(g["gzsl_acc"]), abs=1e-6)
                assert found.mean == pytest.approx(float(g["zsl_acc"]), abs=1e-6)
            accepted = np.where(g["accept_mask"], g["predicted"], -1)
            if not found.empty:
                masked = per_class_accuracy(g["labels"], accepted, g["classes"])
                assert masked.mean == pytest.approx(float(g["masked_acc"]), abs=1e-6)
        for s, u, h in zip(golden["H_seen"], golden["H_unseen"], golden["H"], strict=True):
            assert harmonic_mean(s, u) == pytest.approx(h, abs=1e-15)


def test_the_first_of_equal_scores_wins_as_in_the_oracle() -> None:
    with np.load(GOLDEN) as golden:
        for case in range(4):
            tied, first = golden[f"case{case}/tied_logits"], golden[f"case{case}/tied_argmax"]
            classes = np.arange(tied.shape[1])
            for label in classes:
                within = within_top(np.full(len(tied), label), tied, classes, 1)
                np.testing.assert_array_equal(within, first == label)


SMALL = world(train=[0, 2, 5], test_seen=[0, 2, 2, 5], test_unseen=[1, 1, 4])


def small_predictions() -> dict[str, np.ndarray]:
    return {
        "label": np.array([0, 2, 2, 5, 1, 1, 4]),
        # columns are the classes 0, 1, 2, 4, 5
        "scores": np.array(
            [
                [0.9, 0.0, 0.0, 0.0, 0.1],  # right
                [0.0, 0.0, 0.5, 0.5, 0.0],  # right: first of equals
                [0.6, 0.0, 0.4, 0.0, 0.0],  # wrong
                [0.0, 0.2, 0.0, 0.8, 0.0],  # wrong
                [0.0, 0.7, 0.0, 0.0, 0.3],  # right
                [0.5, 0.3, 0.0, 0.2, 0.0],  # wrong, right among unseen
                [0.0, 0.4, 0.0, 0.4, 0.2],  # wrong, second of equals
            ],
            dtype=np.float32,
        ),
    }


def test_scores_of_a_small_world_are_those_worked_out_by_hand() -> None:
    found = score(small_predictions(), SMALL)
    assert set(found) == set(METRICS)
    assert found["gzsl_seen"] == pytest.approx(100 * (1 + 1 / 2 + 0) / 3)
    assert found["gzsl_unseen"] == pytest.approx(100 * (1 / 2 + 0) / 2)
    assert found["gzsl_h"] == pytest.approx(100 * 2 * 0.5 * 0.25 / 0.75)
    assert found["zsl_top1"] == pytest.approx(100 * (1 + 0) / 2)
    assert found["zsl_top5"] == 100  # there are but two


def test_table_by_class_of_a_small_world_is_that_worked_out_by_hand() -> None:
    found = per_class(small_predictions(), SMALL)
    assert list(found["class"]) == [0, 1, 2, 4, 5]
    assert found["name"] == [f"class {i}" for i in (0, 1, 2, 4, 5)]
    assert list(found["kind"]) == ["seen", "unseen", "seen", "unseen", "seen"]
    assert list(found["samples"]) == [1, 2, 2, 1, 1]
    np.testing.assert_allclose(found["accuracy"], [100, 50, 50, 0, 0])
    np.testing.assert_allclose(found["accuracy_among_unseen"], [np.nan, 100, np.nan, 0, np.nan])
    taken_for = [None, "class 0", "class 0", "class 1", "class 4"]
    assert found["most_often_taken_for"] == taken_for
    assert list(found["times"]) == [0, 1, 1, 1, 1]


def test_scores_of_a_model_for_unseen_classes_alone_count_where_given() -> None:
    only_unseen = np.full((7, 2), np.nan)  # rows of seen classes are not read
    only_unseen[4:] = [[0, 1], [0, 1], [0, 1]]
    found = score({**small_predictions(), "unseen_scores": only_unseen}, SMALL)
    plain = score(small_predictions(), SMALL)
    assert found["zsl_top1"] == pytest.approx(50)
    assert {k: v for k, v in found.items() if not k.startswith("zsl")} == {
        k: v for k, v in plain.items() if not k.startswith("zsl")
    }
    only_unseen[4:] = [[1, 0], [1, 0], [0, 1]]
    assert score({**small_predictions(), "unseen_scores": only_unseen}, SMALL)["zsl_top1"] == 100


def test_a_seen_class_without_test_samples_is_left_out_of_the_mean() -> None:
    sparse = world(train=[0, 2, 5], test_seen=[0, 5], test_unseen=[1, 4])
    scores = np.eye(5, dtype=np.float32)[[0, 0, 1, 3]]
    found = score({"label": np.array([0, 5, 1, 4]), "scores": scores}, sparse)
    assert found["gzsl_seen"] == 50
    assert found["gzsl_unseen"] == 100


def test_nothing_seen_to_score_is_nan_and_not_zero() -> None:
    none_seen = world(train=[0, 2], test_seen=[], test_unseen=[1])
    found = score({"label": np.array([1]), "scores": np.array([[0.1, 0.7, 0.2]])}, none_seen)
    assert found["gzsl_unseen"] == 100
    assert all(np.isnan(found[name]) for name in ("gzsl_seen", "gzsl_h", "ausuc"))


def test_harmonic_mean_of_two_zeros_is_zero() -> None:
    assert harmonic_mean(0.0, 0.0) == 0.0


@given(st.integers(0, 2**32 - 1))
def test_accuracies_and_ranks_equal_plain_loops(seed: int) -> None:
    random = np.random.RandomState(seed)
    classes = np.sort(random.choice(20, size=random.randint(1, 8), replace=False))
    label = random.choice(classes, size=random.randint(1, 30))
    scores = random.randint(0, 4, size=(len(label), len(classes)))  # many ties
    predicted = classes[scores.argmax(axis=1)]
    found = per_class_accuracy(label, predicted, classes)
    for c, accuracy, samples in zip(classes, found.accuracy, found.samples, strict=True):
        rows = [i for i in range(len(label)) if label[i] == c]
        assert samples == len(rows)
        if rows:
            assert accuracy == pytest.approx(sum(predicted[i] == c for i in rows) / len(rows))
        else:
            assert np.isnan(accuracy)
    for k in (1, 2, 5):
        for i, within in enumerate(within_top(label, scores, classes, k)):
            ranked = sorted(range(len(classes)), key=lambda j: (-scores[i, j], j))
            assert within == (label[i] in classes[ranked[:k]])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"scores": None}, PluginError, "lack scores"),
        ({"label": np.arange(3)}, PluginError, r"label of shape \[3\].*\[7\]"),
        ({"label": np.array([1, 3, 3, 6, 2, 2, 5])}, PluginError, "start at 0"),
        ({"scores": np.zeros((7, 6))}, PluginError, r"\[7, 6\].*\[7, 5\]"),
        ({"scores": np.full((7, 5), "a")}, PluginError, "type <U1"),
        ({"unseen_scores": np.zeros((3, 2))}, PluginError, r"\[3, 2\].*\[7, 2\]"),
        ({"scores": np.full((7, 5), np.nan)}, NonFiniteError, "scores, row 0"),
        ({"unseen_scores": np.full((7, 2), np.inf)}, NonFiniteError, "unseen_scores, row 4"),
    ],
)
def test_wrong_arrays_are_refused_with_what_was_expected(change, error, words) -> None:
    predictions = {**small_predictions(), **change}
    predictions = {name: array for name, array in predictions.items() if array is not None}
    with pytest.raises(error, match=words):
        score(predictions, SMALL)
