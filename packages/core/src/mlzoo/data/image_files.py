"""Image files of strangers: decoded if they are whole and of 8 bits a channel. Imports no torch."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlzoo.errors import MlzooError

PLAIN_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
"""Pillow's modes of 8 bits a channel or less; others lose their range on the way to RGB."""

FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What is decoded, by content. Pillow also knows PostScript, which it has another program run."""

LONGEST = 100  # sides to one another; longer images would take gigabytes when they are resized


@contextmanager
def decoded(path: Path) -> Iterator[Any]:
    """An image of one of the :data:`PLAIN_MODES` in Pillow's form; its pixels are decoded as they are used.

    Orientation tags (EXIF) are not looked at.

    Raises:
        ValueError: it cannot be read whole, has more than 8 bits a channel, or what is done with it inside
            the block fails; says why in a line.
    """
    image_module = pillow()
    try:
        with image_module.open(path, formats=FORMATS) as image:
            if image.mode not in PLAIN_MODES:
                raise ValueError(f"pixels of mode {image.mode}, expected 8 bits a channel")
            yield image
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


def check_proportions(width: int, height: int) -> None:
    """Refuse an image that is resized by its short side and would become huge.

    Raises:
        ValueError: one side is more than :data:`LONGEST` times the other.
    """
    if max(width, height) > LONGEST * min(width, height):
        raise ValueError(f"{width}×{height} pixels, expected sides of at most {LONGEST} to 1")


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
