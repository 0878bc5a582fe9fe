"""The squared distance correlation against its definition and the published values."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mlzoo.errors import MlzooError
from mlzoo_mdn import dcor
from mlzoo_mdn.dcor import squared_distance_correlation, squared_distance_covariance

GOLDEN = Path(__file__).parents[1] / "golden" / "mdn"


def centred_distances(samples):
    """The definition: all differences, U-centred. Returns A [n, n]."""
    samples = np.asarray(samples, dtype=np.float64).reshape(len(samples), -1)
    distances = np.linalg.norm(samples[:, None] - samples[None], axis=-1)
    n = len(distances)
    rows = distances.sum(axis=1)
    centred = distances - rows[:, None] / (n - 2) - rows / (n - 2)
    centred += rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0)
    return centred


def plain_covariance(x, y):
    n = len(x)
    return (centred_distances(x) * centred_distances(y)).sum() / (n * (n - 3))


def plain_correlation(x, y):
    return plain_covariance(x, y) / np.sqrt(plain_covariance(x, x) * plain_covariance(y, y))


def related_samples(n, p, q, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, p))
    y = random.uniform(size=(n, q)) + 0.3 * x[:, :1]
    return x, y


@pytest.mark.parametrize("name", ["dcor_1d", "dcor_multi", "dcor_indep"])
def test_correlation_and_covariances_equal_the_published_values(name):
    golden = np.load(GOLDEN / f"{name}.npz")
    x, y = golden["x"], golden["y"]
    assert squared_distance_correlation(x, y) == pytest.approx(float(golden["dcor2"]), rel=1e-10)
    for first, second, key in ((x, y, "xy"), (x, x, "xx"), (y, y, "yy")):
        expected = float(golden[f"dcov2_{key}"])
        assert squared_distance_covariance(first, second) == pytest.approx(expected, rel=1e-10)


def test_correlation_within_labels_and_pooled_equals_the_published_values():
    golden = np.load(GOLDEN / "dcor_per_group.npz")
    features, labels, confounder = golden["features"], golden["labels"], golden["cf"]
    for key, rows in (("dc0", labels == 0), ("dc1", labels == 1), ("dc_pooled", labels >= 0)):
        value = squared_distance_correlation(features[rows], confounder[rows])
        assert value == pytest.approx(float(golden[key]), rel=1e-10)


@pytest.mark.parametrize(
    ("n", "p", "q"), [(4, 1, 1), (5, 3, 1), (4, 2, 2), (61, 1, 4), (61, 4, 1), (130, 7, 3)]
)
@pytest.mark.parametrize("entries", [1, 300, 1 << 18])
def test_blocks_of_any_height_equal_the_definition(monkeypatch, n, p, q, entries):
    monkeypatch.setattr(dcor, "BLOCK_ENTRIES", entries)
    x, y = related_samples(n, p, q)
    assert squared_distance_covariance(x, y) == pytest.approx(plain_covariance(x, y), rel=1e-9)
    assert squared_distance_correlation(x, y) == pytest.approx(plain_correlation(x, y), rel=1e-9)


def test_the_order_of_the_arguments_does_not_matter():
    x, y = related_samples(50, 5, 1)
    assert squared_distance_correlation(x, y) == squared_distance_correlation(y, x)


def test_the_order_of_the_samples_does_not_matter():
    x, y = related_samples(50, 5, 2)
    order = np.random.default_rng(1).permutation(50)
    shuffled = squared_distance_correlation(x[order], y[order])
    assert shuffled == pytest.approx(squared_distance_correlation(x, y), rel=1e-12)


def test_a_sample_with_itself_has_correlation_one():
    x, _ = related_samples(40, 6, 1)
    assert squared_distance_correlation(x, 3 * x + 2) == pytest.approx(1, rel=1e-12)


def test_independent_samples_scatter_around_zero_and_may_be_negative():
    random = np.random.default_rng(0)
    values = [
        squared_distance_correlation(random.normal(size=(60, 4)), random.normal(size=60))
        for _ in range(200)
    ]
    assert min(values) < 0
    assert abs(np.mean(values)) < 0.01


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9 / 3])
def test_a_constant_sample_has_correlation_zero(constant):
    x, y = related_samples(30, 4, 1)
    assert squared_distance_correlation(x, np.full(30, constant)) == 0
    assert squared_distance_correlation(np.full((30, 4), constant), y) == 0


def test_a_variance_of_zero_up_to_rounding_has_correlation_zero():
    x, _ = related_samples(30, 4, 1)
    single = np.zeros(30)
    single[7] = 0.1  # the U-centred distances of a single outlier vanish
    assert squared_distance_covariance(single, single) == pytest.approx(0, abs=1e-15)
    assert squared_distance_correlation(x, single) == 0
    assert squared_distance_correlation(x, np.eye(30)) == 0  # all samples equally far apart


def test_repeated_samples_equal_the_definition():
    random = np.random.default_rng(2)
    x = random.normal(size=(5, 3))[random.integers(5, size=80)] + 0.1
    y = random.integers(3, size=80)
    assert squared_distance_correlation(x, y) == pytest.approx(plain_correlation(x, y), rel=1e-10)


def test_an_offset_of_the_features_costs_no_digits():
    x, y = related_samples(80, 5, 1)
    x = np.round(x * 2**20) / 2**20  # exact after the shift as well
    shifted = squared_distance_correlation(x + 2**30, y - 2**10)
    assert shifted == pytest.approx(squared_distance_correlation(x, y), rel=1e-9)


def test_a_far_outlier_does_not_blur_the_distances_of_the_others():
    x, y = related_samples(80, 5, 1)
    x[3] += 1e7
    assert squared_distance_covariance(x, y) == pytest.approx(plain_covariance(x, y), rel=1e-8)


def test_float32_and_whole_numbers_are_computed_in_float64():
    x, y = related_samples(200, 5, 1)
    x, y = x.astype(np.float32), np.round(10 * y).astype(np.int8)
    assert squared_distance_correlation(x, y) == pytest.approx(plain_correlation(x, y), rel=1e-10)


def test_memory_stays_far_below_a_matrix_of_distances():
    x, y = related_samples(3000, 8, 1)
    tracemalloc.start()
    squared_distance_correlation(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000**2 * 8 / 4


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((3, 2)), np.zeros(3), "at least 4 samples, got 3"),
        (np.zeros((5, 2)), np.zeros(6), "got 5 and 6"),
        (np.zeros((5, 2, 2)), np.zeros(5), r"x of shape \[n\] or \[n, p\], got \[5, 2, 2\]"),
        (np.zeros((5, 0)), np.zeros(5), r"got \[5, 0\]"),
        (np.zeros(5), np.array([0, 1, np.nan, 2, 3]), "y with NaN"),
    ],
)
def test_unusable_samples_are_named(x, y, message):
    with pytest.raises(MlzooError, match=message):
        squared_distance_correlation(x, y)
    with pytest.raises(ValueError, match=message):
        squared_distance_covariance(x, y)


def test_agrees_with_the_dcor_package():
    package = pytest.importorskip("dcor")
    x, y = related_samples(150, 84, 1)
    expected = package.u_distance_correlation_sqr(x, y[:, 0])
    assert squared_distance_correlation(x, y) == pytest.approx(float(expected), rel=1e-10)
