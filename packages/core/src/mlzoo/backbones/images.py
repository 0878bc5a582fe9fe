"""From an image file to the numbers that published ImageNet weights were trained to see.

:data:`IMAGENET` is as torchvision documents it for its ``IMAGENET1K_V1`` weights: RGB; the short side
resized to 256 pixels, bilinear with antialiasing; the middle 224×224; values divided by 255, the mean
subtracted, divided by the standard deviation. Orientation tags (EXIF) are not looked at, as there.
:data:`WHOLE` cuts nothing off: all of an image becomes 224×224, whatever its shape.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mlzoo.errors import MlzooError

PLAIN_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
"""Pillow's modes of 8 bits a channel or less; others lose their range on the way to RGB."""

FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What is decoded, by content. Pillow also knows PostScript, which it has another program run."""

LONGEST = 100  # sides to one another; longer images would take gigabytes when they are resized


@dataclass(frozen=True)
class Preprocessing:
    """How an image is made ready.

    Attributes:
        resize: length of the short side in pixels; the long side is rounded down. None: the whole image
            is resized to the square, so that its proportions change.
        crop: side of the square, cut from the middle where there is more.
        mean, std: of the channels red, green and blue, of values from 0 to 1.
    """

    resize: int | None = 256
    crop: int = 224
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def normalised(self, pixels: Tensor) -> Tensor:
        """uint8 [B, crop, crop, 3] to float32 [B, 3, crop, crop], on the device of the pixels."""
        mean, std = (torch.tensor(values, device=pixels.device) for values in (self.mean, self.std))
        scaled: Tensor = (pixels.float() / 255 - mean) / std
        return scaled.permute(0, 3, 1, 2).contiguous()


IMAGENET = Preprocessing()
"""What torchvision's ``IMAGENET1K_V1`` weights were trained to see."""

WHOLE = Preprocessing(resize=None)
"""All of the image, for features whose places are places of the image."""


def read_image(path: Path, preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """The square of an image as uint8 [crop, crop, 3].

    Raises:
        ValueError: it cannot be read whole, or has more than 8 bits a channel; says why.
    """
    image_module = pillow()
    try:
        with image_module.open(path, formats=FORMATS) as image:
            if image.mode not in PLAIN_MODES:
                raise ValueError(f"pixels of mode {image.mode}, expected 8 bits a channel")
            pixels = np.asarray(_square(image.convert("RGB"), preprocessing))
    except FileNotFoundError as error:
        raise ValueError("there is no such file") from error
    except image_module.UnidentifiedImageError as error:
        raise ValueError("not an image of a known format") from error
    except MemoryError:  # the machine's fault, not the image's
        raise
    except Exception as error:  # a damaged or hostile file can make a decoder fail in any way
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = str(reason).encode(errors="replace").decode()
        raise ValueError(" ".join(reason.split())[:200]) from error
    return pixels


def _square(image: Any, how: Preprocessing) -> Any:
    bilinear = pillow().Resampling.BILINEAR  # with antialiasing
    if how.resize is None:
        return image.resize((how.crop, how.crop), bilinear)
    width, height = image.size
    short = min(width, height)
    if max(width, height) > LONGEST * short:
        raise ValueError(f"{width}×{height} pixels, expected sides of at most {LONGEST} to 1")
    size = tuple(how.resize if side == short else how.resize * side // short for side in image.size)
    left, top = (round((side - how.crop) / 2) for side in size)
    resized = image.resize(size, bilinear)
    return resized.crop((left, top, left + how.crop, top + how.crop))


def pillow() -> Any:
    """Pillow's module ``PIL.Image``.

    Raises:
        MlzooError: it is not installed.
    """
    try:
        return importlib.import_module("PIL.Image")
    except ImportError as error:
        raise MlzooError(
            f"images need Pillow, which is not installed ({error}).",
            "pip install 'mlzoo-core[images]'",
        ) from error
