"""The generator against the published data, and what its seeds share."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from mlzoo_mdn.synthetic import (
    CEILING_TRUE_EFFECT,
    CEILING_WITH_CONFOUNDER,
    gaussian_kernel,
    generate,
    generate_splits,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "mdn"


def per_image_reference(group_size, seed):
    """The plain formulation: one image after another. Returns [2N, 32, 32, 1] before the swap."""
    random = np.random.RandomState(seed)
    intervals = ((1, 4), (3, 6))
    confounder = np.concatenate([random.uniform(*pair, group_size) for pair in intervals])
    random = np.random.RandomState(seed + 1)
    main_effect = np.concatenate([random.uniform(*pair, group_size) for pair in intervals])
    images = np.zeros((2 * group_size, 32, 32, 1))
    for index in range(2 * group_size):
        kernel = gaussian_kernel(16, 5)
        images[index, :16, :16, 0] = main_effect[index] * kernel
        images[index, 16:, :16, 0] = confounder[index] * kernel
        images[index, 16:, 16:, 0] = main_effect[index] * kernel
        images[index, :, :, 0] += random.normal(0, 0.01, (32, 32))
    return images


def test_gaussian_kernel_equals_the_published_one_bit_for_bit():
    golden = np.load(GOLDEN / "gkern.npz")
    for length, sigmas in ((21, 3), (16, 5), (5, 1)):
        np.testing.assert_array_equal(
            gaussian_kernel(length, sigmas), golden[f"k{length}_s{sigmas}"]
        )


@pytest.mark.parametrize("name", ["synthetic_n5_s1234", "synthetic_n8_s4201"])
def test_generated_data_equals_the_published_data_bit_for_bit(name):
    golden = np.load(GOLDEN / f"{name}.npz")
    groups = generate(int(golden["N"]), int(golden["seed"]))
    assert groups.images.dtype == np.float64
    np.testing.assert_array_equal(groups.images, golden["x_nchw"])
    np.testing.assert_array_equal(groups.images.swapaxes(1, 3), golden["x"])
    np.testing.assert_array_equal(groups.labels, golden["labels"])
    np.testing.assert_array_equal(groups.confounder, golden["cf1"])
    np.testing.assert_array_equal(groups.second_confounder, golden["cf2"])
    np.testing.assert_array_equal(groups.main_effect, golden["mf"])


def test_a_thousand_images_of_each_label_match_the_published_summary():
    golden = np.load(GOLDEN / "synthetic_summary_n1000_s1234.npz")
    groups = generate(1000, 1234)
    images = groups.images.swapaxes(1, 3)[..., 0]
    np.testing.assert_array_equal(images[0], golden["x_first"])
    np.testing.assert_array_equal(images[-1], golden["x_last"])
    np.testing.assert_allclose(images.mean(axis=0), golden["x_mean_image"], rtol=1e-12)
    np.testing.assert_allclose(images.sum(axis=(1, 2)), golden["x_sum_per_image"], rtol=1e-12)
    np.testing.assert_allclose((images**2).sum(), golden["x_sqsum"], rtol=1e-12)
    np.testing.assert_array_equal(groups.confounder, golden["cf1"])
    np.testing.assert_array_equal(groups.second_confounder, golden["cf2"])
    np.testing.assert_array_equal(groups.main_effect, golden["mf"])


@pytest.mark.parametrize(("group_size", "seed"), [(1, 0), (4, 7), (33, 2**32 - 2)])
def test_one_call_for_all_images_equals_the_loop_over_images(group_size, seed):
    np.testing.assert_array_equal(
        generate(group_size, seed).images.swapaxes(1, 3), per_image_reference(group_size, seed)
    )


def test_default_seed_is_the_published_one():
    np.testing.assert_array_equal(generate(3).images, generate(3, 4201).images)


def test_published_streams_couple_the_confounder_of_val_to_the_main_effect_of_train():
    splits = generate_splits(20, seed=1234, streams="published")
    np.testing.assert_array_equal(splits["val"].confounder, splits["train"].main_effect)
    for split, seed in (("train", 1234), ("val", 1235), ("test", 1237)):
        np.testing.assert_array_equal(splits[split].images, generate(20, seed).images)


def test_independent_streams_share_no_number_between_splits_and_quantities():
    splits = generate_splits(500, seed=1234, streams="independent")
    columns = [
        column
        for groups in splits.values()
        for column in (groups.confounder, groups.second_confounder, groups.main_effect)
    ]
    for first, second in combinations(columns, 2):
        assert not np.intersect1d(first, second).size
        for label in (slice(0, 500), slice(500, None)):
            assert abs(np.corrcoef(first[label], second[label])[0, 1]) < 0.2


def test_independent_streams_depend_on_the_seed_alone():
    first, again, other = (
        generate_splits(6, seed=seed, streams="independent")["test"].images for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_independent_streams_draw_the_same_distribution():
    groups = generate_splits(4000, seed=3, streams="independent")["train"]
    for values in (groups.confounder, groups.main_effect):
        for label, (low, high) in enumerate(((1, 4), (3, 6))):
            of_label = values[groups.labels == label]
            assert low <= of_label.min() < low + 0.01
            assert high - 0.01 < of_label.max() <= high
    corner = groups.images[:, 0, 16:, :16]  # the block without a signal holds the noise alone
    assert abs(corner.mean()) < 1e-4
    assert corner.std() == pytest.approx(0.01, rel=0.01)


def test_ceilings_are_reached_by_the_best_thresholds():
    groups = generate_splits(20_000, seed=0, streams="independent")["test"]
    from_main_effect = (groups.main_effect > 3.5) == groups.labels
    from_both = (groups.main_effect + groups.confounder > 7) == groups.labels
    assert from_main_effect.mean() == pytest.approx(CEILING_TRUE_EFFECT, abs=0.01)
    assert from_both.mean() == pytest.approx(CEILING_WITH_CONFOUNDER, abs=0.01)
