"""What the cross-encoders read of an image: its own row, its regions, where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_regions import record, records

from mlzoo.data.readers import read_npz
from mlzoo.errors import DataError
from mlzoo_imagecode.cross.regions.boxes import ArrayRegions, RegionInputs, Regions, locations
from mlzoo_imagecode.cross.regions.converting import stacked

GOLDEN = Path(__file__).parents[1] / "golden" / "imagecode"
ORACLES = sorted(GOLDEN.glob("region_reader*.npz"))


def of_oracle(given: dict[str, Any], image: int) -> Regions:
    features, boxes = given[f"raw_features{image}"], given[f"raw_boxes{image}"]
    counts = np.array([len(boxes)])
    return Regions(features[None], boxes[None], counts, given[f"img_hw{image}"][None])


def together(most: int, own: dict[str, Any]) -> Regions:
    arrays = stacked(list(own.values()), most, 6)
    counts, sizes = arrays["counts"].astype(np.int64), arrays["sizes"].astype(np.int64)
    return Regions(arrays["features"], arrays["boxes"], counts, sizes)


def plain(features: np.ndarray, boxes: np.ndarray, height: int, width: int, rows: int) -> Any:
    """An image alone, number by number."""
    found, placed, mask = np.zeros((rows, features.shape[1])), np.zeros((rows, 5)), np.zeros(rows)
    found[0], placed[0], mask[0] = features.mean(axis=0), (0, 0, 1, 1, 1), 1
    for row, (feature, (x1, y1, x2, y2)) in enumerate(zip(features, boxes, strict=True), start=1):
        if row < rows:
            area = (y2 - y1) * (x2 - x1) / (width * height)
            found[row], mask[row] = feature, 1
            placed[row] = x1 / width, y1 / height, x2 / width, y2 / height, area
    return found, placed, mask


def close(inputs: RegionInputs, row: int, expected: Any) -> None:
    for found, wanted in zip(vars(inputs).values(), expected, strict=True):
        np.testing.assert_allclose(found[row], wanted, atol=1e-5)


@pytest.mark.parametrize("path", ORACLES, ids=lambda path: path.stem)
def test_rows_are_those_of_the_published_reader(path: Path) -> None:
    given = read_npz(path)
    for image in range(int(given["n_images"])):
        expected = [given[f"out_{name}{image}"] for name in ("features", "locations", "mask")]
        regions = of_oracle(given, image)
        inputs = regions.inputs(len(expected[0]))
        close(inputs, 0, expected)
        assert regions.counts[0] + 1 == given[f"num_boxes{image}"]
        assert inputs.features.dtype == inputs.locations.dtype == np.float32
        assert inputs.mask.dtype == np.int64


def test_without_a_number_rows_are_those_that_the_largest_image_needs() -> None:
    given = read_npz(GOLDEN / "region_reader.npz")
    (one,) = of_oracle(given, 1).inputs(None).mask
    assert len(one) == given["num_boxes1"]
    assert together(9, records(4, most=3)).inputs(None).features.shape == (4, 4, 6)


@pytest.mark.parametrize("rows", [1, 2, 4, 6, 37])
def test_a_batch_is_as_its_images_alone_clipped_or_padded(rows: int) -> None:
    own = records(8, most=5)
    inputs = together(7, own).inputs(rows)
    for row, image in enumerate(own.values()):
        close(inputs, row, plain(image.features, image.boxes, image.height, image.width, rows))


def test_what_lies_behind_the_last_region_does_not_matter() -> None:
    regions = together(7, records(8, most=5))
    expected = regions.inputs(7)
    for row, count in enumerate(regions.counts):
        regions.features[row, count:] = np.nan
        regions.boxes[row, count:] = np.nan
    for name, array in vars(regions.inputs(7)).items():
        np.testing.assert_array_equal(array, getattr(expected, name))


def test_location_of_a_whole_image_is_that_of_its_own_row() -> None:
    boxes = np.array([[0, 0, 640, 480], [320, 120, 640, 240]], np.float32)
    found = locations(boxes, np.array([480, 640]))
    np.testing.assert_allclose(found, [[0, 0, 1, 1, 1], [0.5, 0.25, 1, 0.5, 0.125]])
    assert found.dtype == np.float32


def test_arrays_that_do_not_fit_together_are_refused() -> None:
    one = record(0)
    arrays = stacked([one], 5, 6)
    counts, sizes = arrays["counts"].astype(np.int64), arrays["sizes"].astype(np.int64)
    with pytest.raises(DataError, match=r"boxes of regions are \[1, 4, 4\], expected \[1, 5, 4\]"):
        Regions(arrays["features"], arrays["boxes"][:, 1:], counts, sizes)
    for bad in (0, 6):
        with pytest.raises(DataError, match="counts of regions are outside 1 to 5"):
            Regions(arrays["features"], arrays["boxes"], np.array([bad]), sizes)


def test_regions_in_memory_are_read_by_row_and_digested_by_content() -> None:
    regions = together(5, records(6))
    source = ArrayRegions(*vars(regions).values())
    read = source.read(np.array([4, 0, 4]))
    for name, array in vars(read).items():
        np.testing.assert_array_equal(array, getattr(regions, name)[[4, 0, 4]])
    assert (len(source), source.regions, source.width) == (6, 5, 6)
    before = source.digest()
    regions.boxes[0, 0, 0] += 1
    assert ArrayRegions(*vars(regions).values()).digest() != before
