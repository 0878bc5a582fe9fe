"""One image's regions as they were published: a dictionary with numbers in base64, checked before use."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlzoo.data.checks import first_not_finite
from mlzoo.errors import DataError
from mlzoo_imagecode.contextual import Floats

FIELDS = ("img_h", "img_w", "features", "boxes")
TOLERANCE = 1.0
"""Pixels by which a box may stand out of its image: detectors clip at W or W - 1, and sizes are rounded."""
LARGEST = 1 << 24
"""No image is higher or wider; up to here float32 holds every whole number."""
GET = "Fetch the file again, or have the features extracted anew."


@dataclass(frozen=True, eq=False)
class Record:
    """Regions of an image.

    Attributes:
        height, width: of the image in pixels.
        features: float32 [n, F].
        boxes: float32 [n, 4], x1, y1, x2, y2 in pixels.
    """

    height: int
    width: int
    features: Floats
    boxes: Floats

    def published(self) -> dict[str, Any]:
        """As the published files have it, before it is pickled."""
        return {
            "img_h": self.height,
            "img_w": self.width,
            "features": base64.b64encode(self.features.astype("<f4").tobytes()),
            "boxes": base64.b64encode(self.boxes.astype("<f4").tobytes()),
        }


def record_of(value: Any, what: str, width: int | None = None) -> Record:
    """The regions that a published dictionary describes.

    Args:
        value: the dictionary; other entries than :data:`FIELDS` do not matter.
        what: names file and image in errors.
        width: F, if it is known.

    Raises:
        DataError: an entry is missing or no number of pixels, bytes are no base64 or no whole regions,
            features have another width or are not finite, a box lies outside the image or is turned over.
    """
    if not isinstance(value, Mapping):
        raise DataError(f"{what}: expected a dictionary, found {type(value).__name__}.", GET)
    if missing := [name for name in FIELDS if name not in value]:
        raise DataError(f"{what} lacks {', '.join(map(repr, missing))}.", GET)
    height, wide = (_pixels(value[name], f"{what}, {name}") for name in ("img_h", "img_w"))
    boxes = _floats(value["boxes"], f"{what}, boxes")
    if boxes.size % 4 or not boxes.size:
        raise DataError(
            f"{what}: boxes have {boxes.nbytes} bytes, expected 16 a region and one or more.", GET
        )
    boxes = boxes.reshape(-1, 4)  # [n, 4]
    features = _rows(_floats(value["features"], f"{what}, features"), len(boxes), width, what)
    _require_inside(boxes, height, wide, what)
    return Record(height, wide, features, boxes)


def _pixels(value: Any, what: str) -> int:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(
        value, bool
    )
    if not number or not 0 < value <= LARGEST or value != int(value):
        raise DataError(f"{what}: {value!r:.40} is no number of pixels.", GET)
    return int(value)


def _floats(value: Any, what: str) -> Floats:
    """Finite float32 [any]."""
    if not isinstance(value, str | bytes):
        raise DataError(f"{what}: expected base64, found {type(value).__name__}.", GET)
    try:
        content = binascii.a2b_base64(value, strict_mode=True)
    except ValueError as error:
        raise DataError(f"{what} are no whole base64: {error}.", GET) from error
    if len(content) % 4:
        raise DataError(f"{what} have {len(content)} bytes, no multiple of 4.", GET)
    array = np.frombuffer(content, "<f4").astype(np.float32, copy=False)
    if (bad := first_not_finite(array)) is not None:
        raise DataError(f"{what}: number {bad[0]} is {array[bad]}, expected finite ones.", GET)
    return array


def _rows(flat: Floats, regions: int, width: int | None, what: str) -> Floats:
    """float32 [n, F] of features one after the other."""
    if width is None and flat.size and flat.size % regions == 0:
        width = flat.size // regions
    if width is None or flat.size != regions * width:
        per_region = f"{flat.size / regions:g} numbers a region ({regions} boxes)"
        expected = "a whole number" if width is None else str(width)
        raise DataError(f"{what}: features have {per_region}, expected {expected}.", GET)
    return flat.reshape(regions, width)


def _require_inside(boxes: Floats, height: int, width: int, what: str) -> None:
    x1, y1, x2, y2 = boxes.T
    fine = (x1 <= x2) & (y1 <= y2) & (np.minimum(x1, y1) >= -TOLERANCE)
    fine &= (x2 <= width + TOLERANCE) & (y2 <= height + TOLERANCE)
    if not fine.all():
        number = int(fine.argmin())
        corners = ", ".join(f"{value:g}" for value in boxes[number])
        raise DataError(
            f"{what}: box {number} ({corners}) is not inside the image of {width} × {height} pixels.",
            GET,
        )
