"""Features of many images or texts by encoders that stay, computed once and kept where that pays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mlzoo.progress import Progress
from mlzoo_imagecode.contextual import Bytes, Floats, Images, Index
from mlzoo_imagecode.feature_cache import Make, cache_folder, cached_rows
from mlzoo_imagecode.images.arrays import ArrayImages
from mlzoo_imagecode.images.preprocess import preprocessing
from mlzoo_imagecode.images.reading import crops_ahead

SHOWN = 2000
"""Things in memory up to which nobody is told how far it is: it takes moments."""

FEW = 200
"""Images or texts that are never kept on the disk."""

SMALL = 2**26
"""Bytes of features of images in memory, up to which they stay there, too."""

EncodeImages: TypeAlias = Callable[[Bytes], Floats]
"""Features float32 [m, d] of squares uint8 [m, R, R, 3]."""


def image_features(
    images: Images,
    encode: EncodeImages,
    *,
    identity: Mapping[str, str],
    size: int,
    width: int,
    fast: bool = False,
    progress: Progress,
    workers: int | None = None,
    block: int = 80,
    in_memory: bool | None = None,
    folder: Path | None = None,
) -> Floats:
    """Features of all images; they are read ahead while others are encoded.

    Args:
        images: N of them.
        encode: features of some.
        identity: what ``encode`` depends on beside the images: weights, precision.
        size: R, the side of what it sees.
        width: d, of a feature.
        fast: see :func:`mlzoo_imagecode.images.preprocess.fast_crop`.
        progress: told how many are done.
        workers: processes that read, see :func:`mlzoo_imagecode.images.reading.crops_ahead`.
        block: images at once. Changes memory and rounding, and no more.
        in_memory: nothing is kept on the disk. If omitted: of up to :data:`FEW` images, and of images that
            are in memory themselves where the features are small, as one makes those in seconds with small
            encoders.
        folder: of the kept features; ``features`` in the cache if omitted.

    Returns:
        float32 [N, d], read-only; mapped from the disk if it is kept there.

    Raises:
        DataError: an image is missing or damaged.
        RunError: a reading process was ended, the cache cannot be written, or features are not finite.
    """
    count = len(images)
    if in_memory is None:
        small = isinstance(images, ArrayImages) and 4 * count * width <= SMALL
        in_memory = count <= FEW or small
    with _reading(images, encode, size, fast, workers, block) as make:
        if in_memory:
            return _in_memory(count, width, make, progress, "images", block)
        whole = {
            **identity,
            "images": images.digest(),
            "size": str(size),
            "preprocessing": preprocessing(fast),
        }
        target = _folder(folder)
        return cached_rows(
            target, whole, count, width, make, progress=progress, title="images", block=block
        )


def text_features(
    texts: Sequence[str],
    encode: Make,
    *,
    identity: Mapping[str, str],
    width: int,
    progress: Progress,
    block: int = 256,
    in_memory: bool | None = None,
    folder: Path | None = None,
) -> Floats:
    """Features of texts, float32 [n, d]; arguments and errors as of :func:`image_features`.

    ``encode`` is given rows of the texts. ``identity`` names the vocabulary, too. Up to :data:`FEW` texts are
    not kept if ``in_memory`` is omitted.
    """

    if len(texts) <= FEW if in_memory is None else in_memory:
        return _in_memory(len(texts), width, encode, progress, "texts", block)
    whole = {**identity, "texts": _digest(texts)}
    return cached_rows(
        _folder(folder), whole, len(texts), width, encode,
        progress=progress, title="texts", block=block,
    )  # fmt: skip


@contextmanager
def _reading(
    images: Images, encode: EncodeImages, size: int, fast: bool, workers: int | None, block: int
) -> Iterator[Make]:
    """A maker of consecutive blocks. From the first it is asked for it reads ahead, to the end."""
    reading: Generator[tuple[Index, Bytes], None, None] | None = None

    def make(rows: Index) -> Floats:
        nonlocal reading
        if reading is None:
            blocks = _blocks(int(rows[0]), len(images), block)
            reading = crops_ahead(images, blocks, size, fast=fast, workers=workers)
        there, crops = next(reading)
        assert np.array_equal(there, rows)
        return encode(crops)

    try:
        yield make
    finally:
        if reading is not None:
            reading.close()


def _blocks(first: int, count: int, block: int) -> list[Index]:
    return [np.arange(at, min(at + block, count)) for at in range(first, count, block)]


def _in_memory(
    count: int, width: int, make: Make, progress: Progress, title: str, block: int
) -> Floats:
    found = np.empty((count, width), np.float32)
    progress.begin(f"features of {title}", count, 0)
    try:
        for rows in _blocks(0, count, block):
            found[rows] = make(rows)
            if count > SHOWN:
                progress.counted(int(rows[-1]) + 1, count)
    finally:
        progress.end()
    found.flags.writeable = False
    return found


def _folder(folder: Path | None) -> Path:
    return cache_folder() / "features" if folder is None else folder


def _digest(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
