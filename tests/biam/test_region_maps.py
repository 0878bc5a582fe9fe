"""Maps of tags over an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mlzoo_biam.attention import TagMaps, box, normalised, over_image, tag_maps
from mlzoo_biam.config import BiAMConfig
from mlzoo_biam.networks import BiAM

GOLDEN = Path(__file__).parents[1] / "golden" / "biam"


def test_maps_are_the_recorded_region_scores() -> None:
    with np.load(GOLDEN / "biam_eval_A.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    with np.load(GOLDEN / "biam_weights_A.npz", allow_pickle=False) as file:
        weights = {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}
    config = BiAMConfig(channels=int(arrays["channel_dim"]), heads=int(arrays["heads"]))
    network = BiAM(config, 512, (14, 14), 4096, arrays["vecs"].shape[1])
    network.load_state_dict(weights)
    regions = arrays["features_u8"].astype(np.float32) * arrays["feature_scale"]
    network.train()
    for image in range(2):
        maps = tag_maps(network, regions[image], arrays["x_g"][image], arrays["vecs"])
        expected = arrays["m"][image].T.reshape(-1, 14, 14)
        np.testing.assert_allclose(maps.maps, expected, atol=1e-5 * np.abs(expected).max())
        np.testing.assert_array_equal(maps.regions, arrays["topk_regions"][image].T)
        np.testing.assert_allclose(maps.scores, arrays["logits"][image], rtol=1e-4, atol=1e-5)
    assert network.training


def test_each_map_goes_from_0_to_1_and_a_flat_one_is_0() -> None:
    maps = np.array([[[1, 3], [2, 5]], [[-7, -7], [-7, -7]]], dtype=np.float32)
    np.testing.assert_array_equal(normalised(maps), [[[0, 0.5], [0.25, 1]], [[0, 0], [0, 0]]])


def test_map_is_stretched_over_an_image_of_any_shape() -> None:
    maps = np.array([[[0, 1], [0, 1]]], dtype=np.float32)
    stretched = over_image(maps, 3, 8)
    assert stretched.shape == (1, 3, 8)
    expected = [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1]
    np.testing.assert_allclose(stretched[0], np.tile(expected, (3, 1)), atol=1e-6)


@pytest.mark.parametrize(
    ("region", "expected"),
    [(0, (0, 0, 30, 50)), (2, (60, 0, 90, 50)), (3, (0, 50, 30, 100)), (5, (60, 50, 90, 100))],
)
def test_regions_are_boxes_row_by_row(region: int, expected: tuple[float, ...]) -> None:
    assert box(region, (2, 3), height=100, width=90) == expected


def test_heat_and_boxes_of_a_tag_have_the_size_of_the_image() -> None:
    maps = TagMaps(
        scores=np.zeros(1, np.float32),
        maps=np.arange(6, dtype=np.float32).reshape(1, 2, 3),
        regions=np.array([[5, 4]]),
    )
    heat = maps.heat(100, 90)
    assert heat.shape == (1, 100, 90)
    assert (heat.min(), heat.max()) == (0, 1)
    assert maps.boxes(0, 100, 90) == [(60, 50, 90, 100), (30, 50, 60, 100)]
