"""Regions of small pictures are the means of their pixels, wherever the boxes lie."""

from __future__ import annotations

import numpy as np
import pytest

from mlzoo.errors import DataError
from mlzoo_imagecode.cross.regions.cut import CutRegions, cut_regions, grid_boxes


def pictures(count: int = 3, height: int = 32, width: int = 40, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3))
    return drawn.astype(np.uint8)


def plain(picture: np.ndarray, box: np.ndarray, side: int) -> np.ndarray:
    """Cell by cell, each of all pixels that it touches."""
    x1, y1, x2, y2 = box.astype(int)
    crop = picture[y1:y2, x1:x2].astype(float)
    height, width = crop.shape[:2]
    found = np.empty((side, side, 3))
    for row in range(side):
        for column in range(side):
            top, bottom = row * height // side, -(-(row + 1) * height // side)
            left, right = column * width // side, -(-(column + 1) * width // side)
            found[row, column] = crop[top:bottom, left:right].mean(axis=(0, 1))
    return found.reshape(-1) / 127.5 - 1


@pytest.mark.parametrize(
    ("height", "width", "grid", "side"), [(32, 32, 3, 8), (31, 45, 4, 5), (9, 7, 2, 8)]
)
def test_features_are_means_of_the_pixels_of_cells(
    height: int, width: int, grid: int, side: int
) -> None:
    pixels = pictures(2, height, width)
    features, boxes = cut_regions(pixels, grid, side)
    assert features.shape == (2, grid**2 + 1, 3 * side**2)
    assert boxes.shape == (2, grid**2 + 1, 4)
    assert features.dtype == boxes.dtype == np.float32
    for image in range(2):
        for region, box in enumerate(boxes[image]):
            expected = plain(pixels[image], box, side)
            np.testing.assert_allclose(features[image, region], expected, atol=1e-6)


def test_the_whole_comes_first_and_neighbours_share_half() -> None:
    assert grid_boxes(32, 40, 3).tolist()[:5] == [
        [0, 0, 40, 32],
        [0, 0, 20, 16],
        [10, 0, 30, 16],
        [20, 0, 40, 16],
        [0, 8, 20, 24],
    ]
    assert grid_boxes(32, 40, 1).tolist() == [[0, 0, 40, 32], [0, 0, 40, 32]]


@pytest.mark.parametrize(("height", "width", "grid"), [(33, 47, 5), (10, 12, 9)])
def test_boxes_cover_the_picture_and_stay_inside(height: int, width: int, grid: int) -> None:
    covered = np.zeros((height, width), int)
    for x1, y1, x2, y2 in grid_boxes(height, width, grid)[1:]:
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height
        covered[y1:y2, x1:x2] += 1
    assert covered.all()


def test_values_are_minus_one_for_black_and_one_for_white() -> None:
    pixels = np.stack([np.zeros((16, 16, 3)), np.full((16, 16, 3), 255)]).astype(np.uint8)
    features, _ = cut_regions(pixels, 3)
    assert (features[0] == -1).all()
    assert (features[1] == 1).all()


def test_pictures_are_cut_alike_alone_and_together_and_left_as_they_were() -> None:
    pixels = pictures(10)
    before = pixels.copy()
    features, boxes = cut_regions(pixels, 3)
    for row in range(10):
        own, places = cut_regions(pixels[row : row + 1], 3)
        np.testing.assert_array_equal(own[0], features[row])
        np.testing.assert_array_equal(places[0], boxes[row])
    np.testing.assert_array_equal(pixels, before)


def test_source_cuts_the_rows_asked_for() -> None:
    pixels = pictures(6)
    source = CutRegions(pixels, 3)
    rows = np.array([5, 1, 1])
    read = source.read(rows)
    np.testing.assert_array_equal(read.features, cut_regions(pixels[rows], 3)[0])
    assert read.counts.tolist() == [10] * 3
    assert read.sizes.tolist() == [[32, 40]] * 3
    assert (len(source), source.regions, source.width) == (6, 10, 192)
    assert read.inputs(11).features.shape == (3, 11, 192)
    with pytest.raises(IndexError, match="outside the 6 images"):
        source.read(np.array([-1]))


def test_digest_knows_pixels_and_cut() -> None:
    pixels = pictures(4)
    digests = {
        CutRegions(pixels, 3).digest(),
        CutRegions(pixels, 2).digest(),
        CutRegions(pixels, 3, 4).digest(),
        CutRegions(pictures(4, seed=1), 3).digest(),
    }
    assert len(digests) == 4
    assert CutRegions(pixels.copy(), 3).digest() in digests


def test_what_cannot_be_cut_is_refused() -> None:
    for bad in (pictures()[0], pictures()[..., :1], pictures().astype(np.float32)):
        with pytest.raises(DataError, match=r"not uint8 \[m, H, W, 3\]"):
            cut_regions(bad, 3)
    for grid in (0, 32):
        with pytest.raises(DataError, match=f"a grid of {grid} does not fit pictures of 32 × 40"):
            CutRegions(pictures(), grid)
