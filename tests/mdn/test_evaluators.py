"""The scores on predictions whose right answer is known."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlzoo.errors import NonFiniteError, PluginError, UsageError
from mlzoo_mdn.dcor import squared_distance_correlation
from mlzoo_mdn.evaluators import (
    probe_r2,
    published_batch_accuracy,
    score,
    score_classification,
    score_dependence,
)
from mlzoo_mdn.metrics import CLASSIFICATION_METRICS, DEPENDENCE_METRICS, METRICS

GOLDEN = Path(__file__).parents[1] / "golden" / "mdn"


def make_predictions(count=200, columns=1, seed=0, **changes):
    random = np.random.default_rng(seed)
    arrays = {
        "probability": random.uniform(size=count),
        "label": np.arange(count) % 2,
        "metadata": random.normal(size=(count, columns)),
        "features": random.normal(size=(count, 6)).astype(np.float32),
    }
    return {**arrays, **changes}


def test_score_returns_exactly_the_declared_metrics_as_plain_floats():
    scores = score(make_predictions())
    assert scores.keys() == METRICS.keys()
    assert all(type(value) is float and math.isfinite(value) for value in scores.values())
    json.dumps(scores)
    assert score_classification(make_predictions()).keys() == CLASSIFICATION_METRICS.keys()
    assert score_dependence(make_predictions()).keys() == DEPENDENCE_METRICS.keys()


def test_exactly_one_metric_is_the_main_one():
    assert [name for name, metric in METRICS.items() if metric.main] == ["accuracy"]


def test_accuracies_and_recalls_are_exact_percentages():
    scores = score_classification(
        make_predictions(
            5,
            label=np.array([0, 0, 0, 1, 1]),
            probability=np.array([0.1, 0.2, 0.9, 0.6, 0.4]),
        )
    )
    assert scores["accuracy"] == 60
    assert scores["recall_0"] == pytest.approx(200 / 3)
    assert scores["recall_1"] == 50
    assert scores["balanced_accuracy"] == pytest.approx((200 / 3 + 50) / 2)
    assert scores["recall_gap"] == pytest.approx(200 / 3 - 50)


def test_a_probability_of_one_half_predicts_label_zero():
    scores = score_classification(make_predictions(10, probability=np.full(10, 0.5)))
    assert (scores["recall_0"], scores["recall_1"]) == (100, 0)


def test_metadata_gap_compares_above_with_below_the_median_within_a_label():
    label = np.repeat([0, 1], 5)
    metadata = np.tile([1.0, 2, 3, 4, 5], 2)[:, None]
    right = np.array([1, 1, 0, 0, 1, 1, 1, 1, 1, 0], dtype=bool)  # 2 of 2 and 1 of 2 in both
    probability = np.where(right, label, 1 - label).astype(float)
    predictions = make_predictions(10, label=label, metadata=metadata, probability=probability)
    assert score_classification(predictions)["metadata_gap"] == 50
    predictions["metadata"] = np.hstack([np.ones((10, 1)), metadata])
    assert score_classification(predictions)["metadata_gap"] == 50
    predictions["metadata"] = np.ones((10, 1))
    assert score_classification(predictions)["metadata_gap"] == 0


@pytest.mark.parametrize("high", [1, 3])
def test_metadata_gap_compares_the_two_values_of_binary_metadata(high):
    column = np.tile(np.repeat([1.0, 0.0], [high, 4 - high]), 2)[:, None]
    label = np.repeat([0, 1], 4)
    right = column[:, 0] == 1
    predictions = make_predictions(
        8, label=label, metadata=column, probability=np.where(right, label, 1.0 - label)
    )
    assert score_classification(predictions)["metadata_gap"] == 100


def test_dependence_is_measured_within_each_label_and_pooled():
    predictions = make_predictions(columns=2)
    features, metadata, label = (predictions[key] for key in ("features", "metadata", "label"))
    scores = score_dependence(predictions)
    for key, rows in (("0", label == 0), ("1", label == 1), ("pooled", label >= 0)):
        expected = squared_distance_correlation(features[rows], metadata[rows])
        assert scores[f"dcor2_{key}"] == expected


def test_dependence_through_the_label_alone_shows_in_the_pooled_number_only():
    random = np.random.default_rng(0)
    label = np.repeat([0, 1], 500)
    features = 3 * label[:, None] + random.normal(size=(1000, 6))
    metadata = 3 * label[:, None] + random.uniform(size=(1000, 1))
    scores = score_dependence(
        make_predictions(1000, label=label, features=features, metadata=metadata)
    )
    assert abs(scores["dcor2_0"]) < 0.01
    assert abs(scores["dcor2_1"]) < 0.01
    assert scores["dcor2_pooled"] > 0.5
    assert scores["probe_r2"] < 0.02


def test_probe_finds_a_linear_trace_and_nothing_in_noise():
    random = np.random.default_rng(0)
    features = random.normal(size=(400, 20))
    noise = random.normal(size=(400, 1))
    trace = features[:, :1] - features[:, 1:2] + noise  # two thirds of its variance
    assert probe_r2(features, trace) == pytest.approx(2 / 3, abs=0.06)
    assert -0.1 < probe_r2(features, noise) < 0.03
    both = probe_r2(features, np.hstack([trace, noise]))
    assert both == pytest.approx((probe_r2(features, trace) + probe_r2(features, noise)) / 2)


def test_probe_does_not_depend_on_scale_and_offset_of_the_features():
    random = np.random.default_rng(1)
    features = random.normal(size=(100, 4))
    trace = features[:, :1] + 0.5 * random.normal(size=(100, 1))
    moved = features * np.array([1e-4, 1, 1e3, 7]) + 1e4
    assert probe_r2(moved, trace) == pytest.approx(probe_r2(features, trace), rel=1e-6)


def test_probe_of_constant_metadata_or_features_finds_nothing():
    random = np.random.default_rng(0)
    samples = random.normal(size=(50, 3))
    assert probe_r2(samples, np.ones((50, 1))) == 0
    assert -0.2 < probe_r2(np.ones((50, 3)), samples) <= 0


def test_labels_with_too_few_samples_give_nan_where_nothing_is_defined():
    scores = score(make_predictions(6))
    undefined = {name for name, value in scores.items() if math.isnan(value)}
    assert undefined == {"dcor2_0", "dcor2_1", "probe_r2"}
    scores = score(make_predictions(12, label=np.ones(12)))
    undefined = {name for name, value in scores.items() if math.isnan(value)}
    assert undefined == {"recall_0", "balanced_accuracy", "recall_gap", "dcor2_0", "probe_r2"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"features": np.zeros((200, 3, 2))},
            r"features of shape \[200, 3, 2\]; expected \[n, f\]",
        ),
        ({"metadata": np.zeros(200)}, r"metadata of shape \[200\]; expected \[n, k\]"),
        ({"probability": np.zeros((200, 1))}, r"probability of shape \[200, 1\]; expected \[n\]"),
        ({"probability": np.zeros(7)}, "with n = 200 labels"),
    ],
)
def test_mis_shaped_predictions_are_named(changes, message):
    with pytest.raises(PluginError, match=message):
        score(make_predictions(**changes))


def test_missing_predictions_are_named():
    predictions = make_predictions()
    del predictions["features"], predictions["metadata"]
    with pytest.raises(PluginError, match="lack metadata, features"):
        score(predictions)


def test_predictions_that_are_not_finite_are_named():
    predictions = make_predictions()
    predictions["features"][17, 2] = np.nan
    with pytest.raises(NonFiniteError, match="features, row 17"):
        score(predictions)


def test_batch_accuracy_rounds_as_published():
    golden = np.load(GOLDEN / "binary_acc.npz")
    probability, label = golden["p"], golden["t"]
    accuracy = published_batch_accuracy(probability, label, len(label))
    assert accuracy == float(golden["acc_percent"])


def test_batch_accuracy_rounds_every_batch_half_to_even_and_leaves_out_the_rest():
    label = np.zeros(19)
    probability = np.array([1] * 7 + [0] * 1 + [1] * 5 + [0] * 3 + [0] * 3)
    # 1 of 8 is 12.5 %, rounded to 12; 3 of 8 is 37.5 %, rounded to 38; the last three do not count.
    assert published_batch_accuracy(probability, label, 8) == (12 + 38) / 2


@pytest.mark.parametrize("batch_size", [0, 5])
def test_batch_accuracy_without_a_full_batch_is_refused(batch_size):
    with pytest.raises(UsageError, match=f"batch size is {batch_size}, and there are 4"):
        published_batch_accuracy(np.zeros(4), np.zeros(4), batch_size)


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("mlzoo_mdn.metrics", {"numpy", "torch", "sklearn", "pydantic"}),
        ("mlzoo_mdn.dataset_config", {"numpy", "torch", "sklearn"}),
        ("mlzoo_mdn.evaluators", {"torch", "sklearn"}),
        ("mlzoo_mdn.data", {"torch", "sklearn"}),
    ],
)
def test_importing_a_module_imports_nothing_heavier(module, absent):
    code = f"import sys, {module}; print({absent!r} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"
