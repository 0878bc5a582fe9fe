"""From an image file to the numbers that published ImageNet weights were trained to see.

:data:`IMAGENET` is as torchvision documents it for its ``IMAGENET1K_V1`` weights: RGB; the short side
resized to 256 pixels, bilinear with antialiasing; the middle 224×224; values divided by 255, the mean
subtracted, divided by the standard deviation. Orientation tags (EXIF) are not looked at, as there.
:data:`WHOLE` cuts nothing off: all of an image becomes 224×224, whatever its shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mlzoo.data.image_files import check_proportions, decoded, pillow


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
    with decoded(path) as image:
        return np.asarray(_square(image.convert("RGB"), preprocessing))


def _square(image: Any, how: Preprocessing) -> Any:
    bilinear = pillow().Resampling.BILINEAR  # with antialiasing
    if how.resize is None:
        return image.resize((how.crop, how.crop), bilinear)
    width, height = image.size
    check_proportions(width, height)
    short = min(width, height)
    size = tuple(how.resize if side == short else how.resize * side // short for side in image.size)
    left, top = (round((side - how.crop) / 2) for side in size)
    resized = image.resize(size, bilinear)
    return resized.crop((left, top, left + how.crop, top + how.crop))
