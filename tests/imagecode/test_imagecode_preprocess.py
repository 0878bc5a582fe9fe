"""What CLIP sees of an image: equal to the published preprocessing in every bit, or fast and nearly so."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlzoo_imagecode.images.preprocess import (
    crop,
    fast_crop,
    grid,
    normalised,
    preprocessing,
    square_of,
)

GOLDEN = np.load(
    Path(__file__).parents[1] / "golden" / "imagecode" / "clip_preprocess.npz", allow_pickle=False
)
MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]
SIZES = [
    (45, 70), (64, 41), (32, 32), (23, 35), (33, 32), (32, 35), (37, 32), (20, 21), (9, 90), (101, 64),
    (640, 360), (1, 7), (31, 33), (48, 32), (32, 49),
]  # fmt: skip


def plain(image: Image.Image, n: int) -> np.ndarray:
    """The formulas one after the other: float32 [3, n, n]."""
    width, height = image.size
    short = min(width, height)
    size = tuple(n if side == short else int(n * side / short) for side in (width, height))
    image = image.resize(size, Image.Resampling.BICUBIC)
    top, left = int(round((size[1] - n) / 2.0)), int(round((size[0] - n) / 2.0))  # noqa: RUF046
    pixels = np.array(image.crop((left, top, left + n, top + n)).convert("RGB"))
    planes = []
    for channel in range(3):
        x = pixels[:, :, channel].astype(np.float32) / np.float32(255)
        planes.append((x - np.float32(MEAN[channel])) / np.float32(STD[channel]))
    return np.stack(planes)


def noise(width: int, height: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def smooth(width: int, height: int) -> Image.Image:
    return Image.fromarray(noise(16, 9)).resize((width, height), Image.Resampling.BICUBIC)


def pixels_of(image: Image.Image, size: int) -> np.ndarray:
    pixels: np.ndarray = normalised(crop(image, size)[None])[0]
    return pixels


@pytest.mark.parametrize("number", range(4))
def test_pixels_equal_the_published_ones_in_every_bit(number: int) -> None:
    expected = GOLDEN[f"pixels{number}"]
    found = pixels_of(Image.fromarray(GOLDEN[f"image{number}"]), int(GOLDEN["n_px"]))
    assert found.dtype == np.float32
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("size", [7, 32, 33])
@pytest.mark.parametrize("sides", SIZES)
def test_odd_margins_and_small_images_follow_the_formulas(
    sides: tuple[int, int], size: int
) -> None:
    image = Image.fromarray(noise(*sides))
    assert np.array_equal(pixels_of(image, size), plain(image, size))


def test_long_side_is_cut_down_as_a_division_of_floats_is() -> None:
    random = np.random.default_rng(1)
    for width, height, size in random.integers(1, 5000, (3000, 3)).tolist():
        if max(width, height) <= 100 * min(width, height):
            wide, high, left, top = grid(width, height, size)
            short = min(width, height)
            long = int(size * max(width, height) / short)
            assert (wide, high) == ((size, long) if width == short else (long, size))
            assert (left, top) == (round((wide - size) / 2), round((high - size) / 2))


def test_half_a_pixel_goes_to_the_even_offset() -> None:
    assert [grid(32 + margin, 32, 32).left for margin in (1, 3, 5, 7)] == [0, 2, 2, 4]


@pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize("sides", [(45, 70), (23, 35)])
def test_other_colours_become_rgb_after_they_are_resized(mode: str, sides: tuple[int, int]) -> None:
    rgb = Image.fromarray(noise(*sides))
    if mode == "CMYK":
        image = Image.fromarray(noise(*sides, 4), "CMYK")
    elif mode == "RGBA":
        image = Image.fromarray(noise(*sides, 4), "RGBA")
    elif mode == "PA":
        image = Image.fromarray(noise(*sides, 2), "LA").convert("PA")
    else:
        image = rgb.convert(mode)
    assert image.mode == mode
    assert np.array_equal(pixels_of(image, 32), plain(image, 32))
    found = fast_crop(image, 32)
    assert (found.shape, found.dtype) == ((32, 32, 3), np.uint8)


def test_orientation_tag_is_not_looked_at(tmp_path: Path) -> None:
    image = smooth(60, 40)
    tags = Image.Exif()
    tags[0x0112] = 6  # turned by a right angle
    for name, words in (("turned.jpg", {"exif": tags}), ("plain.jpg", {})):
        image.save(tmp_path / name, quality=90, **words)
    with Image.open(tmp_path / "turned.jpg") as turned, Image.open(tmp_path / "plain.jpg") as other:
        assert turned.getexif()[0x0112] == 6
        assert np.array_equal(crop(turned, 32), crop(other, 32))


def test_jpgs_grey_and_of_four_inks_are_read(tmp_path: Path) -> None:
    for image in (smooth(60, 40).convert("L"), smooth(60, 40).convert("CMYK")):
        file = io.BytesIO()
        image.save(file, "JPEG")
        with Image.open(file) as opened:
            assert opened.mode == image.mode
            assert np.array_equal(pixels_of(opened, 32), plain(opened, 32))


@pytest.mark.parametrize("make", [smooth, lambda *sides: Image.fromarray(noise(*sides))])
@pytest.mark.parametrize("sides", [(640, 360), (320, 240), (683, 1024), (100, 90)])
@pytest.mark.parametrize("size", [224, 32])
def test_fast_way_is_at_most_two_grey_levels_off_in_a_hundredth_of_the_values(
    make, sides: tuple[int, int], size: int
) -> None:
    image = make(*sides)
    difference = np.abs(fast_crop(image, size).astype(int) - crop(image, size))
    assert difference.max() <= 2
    assert (difference > 0).mean() < 0.01
    assert (difference > 1).mean() < 1e-4


def test_fast_way_changes_no_image_that_has_its_size() -> None:
    image = Image.fromarray(noise(50, 32))
    assert np.array_equal(fast_crop(image, 32), crop(image, 32))


def test_image_that_would_become_huge_is_refused() -> None:
    for way in (crop, fast_crop):
        with pytest.raises(ValueError, match="3×900 pixels, expected sides of at most 100 to 1"):
            way(Image.fromarray(noise(3, 900)), 32)


def test_many_crops_are_normalised_at_once() -> None:
    crops = noise(32, 32 * 5).reshape(5, 32, 32, 3)
    together = normalised(crops)
    assert together.shape == (5, 3, 32, 32)
    assert together.flags.c_contiguous
    for one, image in zip(together, crops, strict=True):
        assert np.array_equal(one, normalised(image[None])[0])
    assert normalised(crops[:0]).shape == (0, 3, 32, 32)


def test_ways_have_names_of_their_own() -> None:
    assert preprocessing(fast=True) != preprocessing(fast=False)
    image = smooth(60, 40)
    assert np.array_equal(square_of(image, 32, fast=False), crop(image, 32))
    assert np.array_equal(square_of(image, 32, fast=True), fast_crop(image, 32))


def test_what_workers_import_has_no_torch_in_it() -> None:
    code = (
        "import sys, mlzoo_imagecode.images.reading, mlzoo_imagecode.images.arrays;"
        "print(sorted({'torch', 'pydantic', 'transformers', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
