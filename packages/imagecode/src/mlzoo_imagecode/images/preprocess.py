"""From an image to the pixels that CLIP's published weights were trained to see (Radford et al. 2021).

The short side is resized to R pixels with Pillow's bicubic filter and the long side in proportion, rounded
down; the middle R×R are cut out, at an offset rounded to the nearest pixel and from a half to the even one;
colours become RGB only then; values are divided by 255, the mean subtracted, divided by the standard
deviation. Orientation tags (EXIF) are not looked at. The processors of transformers round offsets down and
so are a pixel off where the margin is odd.

Imports no torch, so that processes that read images start fast.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mlzoo.data.image_files import check_proportions
from mlzoo_imagecode.contextual import Bytes, Floats

MEAN = (0.48145466, 0.4578275, 0.40821073)
"""Of CLIP's training images: red, green and blue, from 0 to 1."""

STD = (0.26862954, 0.26130258, 0.27577711)

PREPROCESSING = "Pillow bicubic 1"
"""Name and version of what :func:`crop` does; features are kept under it."""

FAST_PREPROCESSING = "tensor bicubic 1"
"""The same of :func:`fast_crop`."""


class Grid(NamedTuple):
    """Where the square of an image lies: the image's size after resizing, and the square's corner."""

    width: int
    height: int
    left: int
    top: int


def grid(width: int, height: int, size: int) -> Grid:
    """Of an image of ``width`` × ``height`` pixels whose square has the side ``size``.

    Raises:
        ValueError: one side is far longer than the other.
    """
    check_proportions(width, height)
    short = min(width, height)
    wide, high = (size if side == short else size * side // short for side in (width, height))
    # Python rounds a half to the even number, as the published preprocessing does.
    return Grid(wide, high, round((wide - size) / 2), round((high - size) / 2))


def crop(image: Image.Image, size: int) -> Bytes:
    """The square of an image, uint8 [size, size, 3].

    Args:
        image: of 8 bits a channel; grey, palette, transparent and CMYK images become RGB at the end.
        size: R, its side.

    Raises:
        ValueError: one side of the image is far longer than the other.
        OSError: its file is cut off or damaged.
    """
    wide, high, left, top = grid(*image.size, size)
    resized = image.resize((wide, high), Image.Resampling.BICUBIC)
    square = resized.crop((left, top, left + size, top + size))
    return np.asarray(square.convert("RGB"))


def fast_crop(image: Image.Image, size: int) -> Bytes:
    """Nearly the square of an image, uint8 [size, size, 3], made several times faster by torch.

    Colours become RGB first; torch resizes 8-bit pixels with weights of fewer digits than Pillow's. Of RGB
    images most values are equal: on photographs and noise up to 2 of 255 grey levels off, in less than 1 % of
    the values (the tests hold it to that). Palette, transparent and CMYK images differ more: Pillow resizes
    palettes without a filter, weights colours by their opacity, and mixes inks before they become RGB.

    Imports torch, which a process that reads images does once.

    Raises:
        ValueError, OSError: as :func:`crop`.
    """
    import torch
    from torch.nn.functional import interpolate

    wide, high, left, top = grid(*image.size, size)
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    pixels = torch.from_numpy(np.array(rgb))  # [H, W, 3]
    resized = interpolate(
        pixels.permute(2, 0, 1)[None],  # [1, 3, H, W], channels last in memory: torch's fast way
        size=(high, wide),
        mode="bicubic",
        antialias=True,
    )[0]
    square = resized[:, top : top + size, left : left + size]  # [3, R, R]
    return np.ascontiguousarray(square.permute(1, 2, 0).numpy())


def preprocessing(fast: bool) -> str:
    """Name and version of the way from an image to its square."""
    return FAST_PREPROCESSING if fast else PREPROCESSING


def square_of(image: Any, size: int, *, fast: bool) -> Bytes:
    """:func:`crop`, or :func:`fast_crop`."""
    return fast_crop(image, size) if fast else crop(image, size)


def normalised(crops: Bytes) -> Floats:
    """Pixels as the encoder takes them, float32 [n, 3, R, R], of squares uint8 [n, R, R, 3]."""
    pixels = crops.transpose(0, 3, 1, 2).astype(np.float32, order="C")  # [n, 3, R, R]
    mean, std = (np.array(values, dtype=np.float32)[:, None, None] for values in (MEAN, STD))
    pixels /= np.float32(255)
    pixels -= mean
    pixels /= std
    return pixels
