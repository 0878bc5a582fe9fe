"""Sets of ten jpgs in the order of their numbers, and what is said of folders and files that are not so."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from jpg_sets import picture, write_sets
from PIL import Image

from mlzoo.errors import DataError
from mlzoo_imagecode.images.arrays import ArrayImages
from mlzoo_imagecode.images.folder import READ_WHOLE, JpgImages, frames_of
from mlzoo_imagecode.images.preprocess import crop, fast_crop


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")


def test_frames_are_ordered_by_their_number_and_not_by_their_name(tmp_path: Path) -> None:
    numbers = [100, 7, 21, 0, 9, 10, 11, 99, 3, 1000]
    touch(tmp_path / "s", *(f"img{number}.jpg" for number in numbers))
    touch(tmp_path / "s", ".DS_Store", "._img5.jpg", "notes.txt")
    found = frames_of(tmp_path / "s")
    assert [number for number, _ in found] == sorted(numbers)
    assert [path.name for _, path in found] == [f"img{number}.jpg" for number in sorted(numbers)]
    assert all(path.parent == tmp_path / "s" for _, path in found)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (
            [f"img{n}.jpg" for n in range(9)],
            r"exactly 10 images .*there are 9 \(img0.jpg, img1.jpg",
        ),
        ([f"img{n}.jpg" for n in range(11)], "there are 11"),
        (
            [f"img{n}.jpg" for n in range(10)] + ["cover.JPEG"],
            "there are 10 .*img9.jpg, cover.JPEG",
        ),
        ([f"img{n}.jpg" for n in range(9)] + ["img08.jpg"], "different numbers; there are 10"),
        ([f"img{n}.jpg" for n in range(9)] + ["img-3.jpg"], "there are 9 .*img-3.jpg"),
        ([f"img{n}.jpg" for n in range(9)] + ["img٣.jpg"], "there are 9"),
        ([f"img{n}.jpg" for n in range(9)] + [f"img{'9' * 200}.jpg"], "there are 9"),
        ([f"img{n}.jpg" for n in range(40)], "img11.jpg and 28 others"),
        (["a.png"], "there are 0[.]"),
    ],
)
def test_folder_without_exactly_ten_images_is_told_with_what_is_there(
    tmp_path: Path, names: list[str], told: str
) -> None:
    touch(tmp_path / "some-set", *names)
    with pytest.raises(DataError, match=told) as error:
        frames_of(tmp_path / "some-set")
    assert "some-set" in error.value.message
    assert error.value.fix


def test_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="some-set cannot be read: No such file") as error:
        frames_of(tmp_path / "some-set")
    assert "archive" in error.value.fix


def test_other_numbers_of_images_can_be_asked_for(tmp_path: Path) -> None:
    touch(tmp_path / "s", "img5.jpg", "img3.jpg")
    assert [number for number, _ in frames_of(tmp_path / "s", 2)] == [3, 5]


def test_crops_of_files_are_those_of_their_decoded_images(tmp_path: Path) -> None:
    names = write_sets(tmp_path, 2, 3)
    images = JpgImages(tmp_path, names)
    rows = np.array([4, 0, 4, 2])
    for fast, way in ((False, crop), (True, fast_crop)):
        found = images.crops(rows, 20, fast=fast)
        assert (found.shape, found.dtype) == ((4, 20, 20, 3), np.uint8)
        for one, row in zip(found, rows, strict=True):
            with Image.open(tmp_path / names[row]) as image:
                assert np.array_equal(one, way(image, 20))
    assert images.crops(rows[:0], 20).shape == (0, 20, 20, 3)
    assert list(images.names) == names
    assert len(images) == 6


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-300]), "[Tt]runcated"),
        (lambda path: path.write_bytes(b"<html>"), "not an image of a known format"),
        (lambda path: path.write_bytes(b""), "not an image of a known format"),
        (Path.unlink, "there is no such file"),
        (lambda path: picture(0, 3000, 20).save(path), "expected sides of at most 100 to 1"),
        (
            lambda path: Image.fromarray(np.zeros((30, 30), np.uint16)).save(path, "PNG"),
            "expected 8 bits a channel",
        ),
    ],
)
@pytest.mark.parametrize("fast", [False, True])
def test_damaged_file_is_one_error_that_names_it(
    tmp_path: Path, damage, told: str, fast: bool
) -> None:
    images = JpgImages(tmp_path, write_sets(tmp_path, 1))
    damage(tmp_path / "set0" / "img6.jpg")
    with pytest.raises(DataError, match=told) as error:
        images.crops(np.arange(10), 20, fast=fast)
    assert f"{tmp_path}/set0/img6.jpg" in error.value.message
    assert "\n" not in error.value.message


def test_digest_is_of_names_and_content_and_not_of_place_or_time(tmp_path: Path) -> None:
    names = write_sets(tmp_path / "one", 2, 3)
    digest = JpgImages(tmp_path / "one", names).digest()
    shutil.copytree(tmp_path / "one", tmp_path / "two", copy_function=shutil.copyfile)
    assert JpgImages(tmp_path / "two", names).digest() == digest
    assert JpgImages(tmp_path / "two", names[::-1]).digest() != digest
    assert JpgImages(tmp_path / "two", names[:-1]).digest() != digest
    changed = tmp_path / "two" / names[3]
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    assert JpgImages(tmp_path / "two", names).digest() != digest
    changed.unlink()
    with pytest.raises(DataError, match=names[3]):
        JpgImages(tmp_path / "two", names).digest()


def test_digest_of_many_files_sees_every_size_and_reads_some(tmp_path: Path) -> None:
    names = [f"s/img{number}.jpg" for number in range(3 * READ_WHOLE)]
    touch(tmp_path / "s")
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(bytes([number % 251] * 9))
    digest = JpgImages(tmp_path, names).digest()
    for row in (0, len(names) - 1):  # the first and the last are read whole
        (tmp_path / names[row]).write_bytes(b"otherwise")
        assert JpgImages(tmp_path, names).digest() != digest
        (tmp_path / names[row]).write_bytes(bytes([row % 251] * 9))
    assert JpgImages(tmp_path, names).digest() == digest
    for row in range(1, len(names), 37):
        (tmp_path / names[row]).write_bytes(b"longer than before")
        other = JpgImages(tmp_path, names).digest()
        assert other != digest
        digest = other


def test_arrays_are_cropped_as_files_are() -> None:
    pixels = np.stack([np.asarray(picture(seed)) for seed in range(4)])
    images = ArrayImages(pixels, [f"s/{n}" for n in range(4)])
    found = images.crops(np.array([3, 1]), 20)
    assert np.array_equal(found[0], crop(picture(3), 20))
    fast = images.crops(np.array([3, 1]), 20, fast=True)
    assert np.array_equal(fast[1], fast_crop(picture(1), 20))
    assert (len(images), images.names[2]) == (4, "s/2")


def test_arrays_of_the_right_size_come_as_they_are_and_as_a_copy() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    images = ArrayImages(pixels.copy(), ["a", "b", "c"])
    found = images.crops(np.array([2, 0]), 8)
    assert np.array_equal(found, pixels[[2, 0]])
    assert np.array_equal(found[0], crop(Image.fromarray(pixels[2]), 8))
    found[:] = 0
    assert np.array_equal(images.pixels, pixels)


def test_digest_of_arrays_is_of_pixels_and_names() -> None:
    pixels = np.zeros((2, 4, 4, 3), np.uint8)
    digest = ArrayImages(pixels, ["a", "b"]).digest()
    assert ArrayImages(pixels.copy(), ["a", "b"]).digest() == digest
    assert ArrayImages(pixels, ["a", "c"]).digest() != digest
    other = pixels.copy()
    other[1, 2, 2, 0] = 1
    assert ArrayImages(other, ["a", "b"]).digest() != digest


@pytest.mark.parametrize(
    ("pixels", "names"),
    [
        (np.zeros((2, 4, 4, 3), np.float32), "ab"),
        (np.zeros((2, 4, 4), np.uint8), "ab"),
        (np.zeros((2, 4, 4, 4), np.uint8), "ab"),
        (np.zeros((0, 4, 4, 3), np.uint8), ""),
        (np.zeros((2, 4, 4, 3), np.uint8), "a"),
    ],
)
def test_arrays_of_another_form_are_refused(pixels: np.ndarray, names: str) -> None:
    with pytest.raises(DataError):
        ArrayImages(pixels, list(names))
