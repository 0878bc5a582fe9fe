"""ImageCoDe's images: read by two processes, resized the fast way, and not read again at all.

python benchmarks/imagecode_images.py [--json FILE] [--repeats 3] [--quick]

Jpgs of 640x360 pixels of smooth random pictures with some noise, about 40 kB each, that lie in the memory of
the disk's cache. "one process" decodes, resizes and cuts one after the other; two processes do the same
in their own time, their start and the way of the pixels back included. The fast way is held
against the exact one; how far it is off is recorded. A second run has its features from the cache, their
digest and that of the images included; it stands against reading the images again by two processes, and a
network that takes no time.
"""

# The processes that read images import this file, and are to start without torch: see main.
from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mlzoo.progress import Progress
from mlzoo_imagecode.contextual import Bytes, Floats
from mlzoo_imagecode.images.folder import JpgImages, read_crops
from mlzoo_imagecode.images.preprocess import crop, fast_crop
from mlzoo_imagecode.images.reading import crops_ahead

SIZE, BLOCK, WIDTH, HEIGHT = 224, 80, 640, 360
IMAGES, FILES = 3000, 200


def write_files(folder: Path, count: int) -> JpgImages:
    """Smooth random pictures with noise."""
    names = []
    for number in range(count):
        random = np.random.default_rng(number)
        coarse = Image.fromarray(random.integers(0, 256, (9, 16, 3), np.uint8))
        smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
        noisy = smooth + random.normal(0, 6, smooth.shape)
        name = f"set{number // 10}/img{number % 10}.jpg"
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / name, quality=85)
        names.append(name)
    return JpgImages(folder, names)


def blocks_of(images: JpgImages, count: int) -> list[Any]:
    """So many images, some of them several times, in blocks."""
    rows = np.arange(count) % len(images)
    return [rows[at : at + BLOCK] for at in range(0, count, BLOCK)]


def checksum(crops: Bytes) -> int:
    """Cheap beside reading."""
    return int(crops[:, ::16, ::16].sum(dtype=np.int64))


def by_one(images: JpgImages, blocks: list[Any], fast: bool = False) -> list[int]:
    """One after the other."""
    return [checksum(read_crops(images.paths(rows), SIZE, fast=fast)) for rows in blocks]


def read_ahead(images: JpgImages, blocks: list[Any], workers: int) -> list[int]:
    """By processes, or by threads."""
    return [checksum(crops) for _, crops in crops_ahead(images, blocks, SIZE, workers=workers)]


def means(crops: Bytes) -> Floats:
    """A network that takes no time."""
    return np.asarray(crops[:, ::32, ::32].reshape(len(crops), -1), np.float32)


def features(images: JpgImages, cache: Path | None) -> Floats:
    """Of all images, by a new object each time, as a new run has it."""
    from mlzoo_imagecode.encoding import image_features

    return image_features(
        JpgImages(images.root, images.names),
        means,
        identity={"weights": "none"},
        size=SIZE,
        width=3 * (SIZE // 32) ** 2,
        progress=Progress(quiet=True),
        workers=2,
        in_memory=cache is None,
        folder=cache,
    )


def reading_row(images: JpgImages, count: int, options: argparse.Namespace) -> Mapping[str, Any]:
    """Two processes beside one."""
    from _measure import Call, compare

    blocks = blocks_of(images, count)
    calls: dict[str, Call] = {
        "mlzoo": partial(read_ahead, images, blocks, 2),
        "one process": partial(by_one, images, blocks),
        "threads": partial(read_ahead, images, blocks, 0),
    }
    expected = calls["one process"]()
    assert all(call() == expected for call in calls.values())
    some = blocks[0][:20]
    ((_, ours),) = crops_ahead(images, [some], SIZE, workers=2)
    assert np.array_equal(ours, images.crops(some, SIZE))
    what = f"{count} jpgs of {WIDTH} x {HEIGHT} read by two processes"
    return compare(what, calls, options, against=("one process",))


def fast_rows(images: JpgImages, options: argparse.Namespace) -> list[Mapping[str, Any]]:
    """The fast way beside the exact one, with and without decoding."""
    from _measure import Call, compare

    rows = np.arange(len(images))
    exact, fast = (images.crops(rows, SIZE, fast=way).astype(int) for way in (False, True))
    off = np.abs(exact - fast)
    difference = {"largest": int(off.max()), "share": float((off > 0).mean())}
    assert difference["largest"] <= 2
    assert difference["share"] < 0.01
    print(f"the fast way: up to {off.max()} of 255 off in {100 * difference['share']:.2f} %")
    decoded = []
    for path in images.paths(rows):
        with Image.open(path) as image:
            image.load()
            decoded.append(image)
    blocks = blocks_of(images, len(images))
    whole: dict[str, Call] = {
        "mlzoo": partial(by_one, images, blocks, True),
        "exact": partial(by_one, images, blocks),
    }
    resized: dict[str, Call] = {
        "mlzoo": lambda: [fast_crop(image, SIZE) for image in decoded],
        "exact": lambda: [crop(image, SIZE) for image in decoded],
    }
    count = len(images)
    found = (
        compare(f"{count} jpgs read the fast way", whole, options, against=("exact",)),
        compare(f"{count} images resized the fast way", resized, options, against=("exact",)),
    )
    return [row | {"grey_levels_off": difference} for row in found]


def cached_row(
    files: JpgImages, count: int, cache: Path, options: argparse.Namespace
) -> Mapping[str, Any]:
    """The second run over so many images, the same files several times."""
    from _measure import Call, compare

    images = JpgImages(files.root, [files.names[row % len(files)] for row in range(count)])
    calls: dict[str, Call] = {
        "mlzoo": partial(features, images, cache),
        "read again": partial(features, images, None),
    }
    first, second, again = features(images, cache), features(images, cache), calls["read again"]()
    assert np.array_equal(first, second)
    assert np.array_equal(first, again)  # type: ignore[arg-type]
    what = f"features of {count} images, second run"
    return compare(what, calls, options, against=("read again",))


def main() -> None:
    from _measure import arguments, report

    options = arguments(__doc__, repeats=3)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        images = write_files(root, 20 if options.quick else FILES)
        count = 40 if options.quick else IMAGES
        rows = [
            reading_row(images, count, options),
            *fast_rows(images, options),
            cached_row(images, count, root / "cache", options),
        ]
    report([dict(row) for row in rows], options)


if __name__ == "__main__":
    main()
