"""Image files as one array, read with Pillow by several threads.

Files are hostile input: only plain raster formats are opened, a picture that declares absurdly many
pixels is never decoded, and every file that cannot be used is named in one error.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from mlzoo.data.checks import MAX_BYTES
from mlzoo.data.manifest import human_size
from mlzoo.errors import DataError
from mlzoo.progress import Progress, default_progress

if TYPE_CHECKING:
    from PIL import Image

Color = Literal["auto", "grey", "rgb"]
Float32 = npt.NDArray[np.float32]

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM")
MAX_PIXELS = 2**26
"""Cap on the pixels of one picture, 8192 x 8192."""
GREY_MODES = {"1", "L", "LA"}
DEEP_MODES = {"I;16", "I;16L", "I;16B", "I;16N"}
COLOR_MODES = {"P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"}
LARGE_BYTES = 10**9
EXIF_ORIENTATION = 0x0112
NAMED = 3
SECONDS_BETWEEN_MESSAGES = 5.0


@dataclass(frozen=True)
class ImageFormat:
    """How image files become arrays.

    Attributes:
        color: one channel, three, or whatever all of them have.
        size: height and width to which each is resized; None takes them as they are.
    """

    color: Color = "auto"
    size: int | None = None


class UnusableError(Exception):
    """Why one image cannot be used."""


def local_path(folder: Path, name: str) -> Path:
    """The file of that name inside a folder; ``/`` and the backslash both part folders.

    Raises:
        UnusableError: the name leads out of the folder.
    """
    relative = PureWindowsPath(name)
    if relative.anchor or ".." in relative.parts or not relative.parts:
        raise UnusableError("leads out of the folder")
    return folder.joinpath(*relative.parts)


def read_images(
    folder: Path,
    names: Sequence[str],
    form: ImageFormat,
    source: str,
    progress: Progress | None = None,
) -> Float32:
    """All images, float32 [N, C, H, W] in [0, 1], with C = 1 for grey and 3 for colour.

    Args:
        folder: where the names start.
        names: relative paths.
        form: channels and size.
        source: who names them, for messages.
        progress: told a large size, and how far a long reading has come; standard error if
            omitted.

    Raises:
        DataError: the first few of the images that are missing, damaged, too large, of several
            frames or outside the folder, and their number; different sizes or kinds; or more than
            32 GiB in all.
    """
    shown = progress or default_progress()
    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")  # Pillow's own complaints: what is unusable is refused

        def each(task: Callable[[int], Any], doing: str) -> list[Any]:
            done = _watched(pool.map(_attempt(task), range(len(names))), len(names), doing, shown)
            return _without_problems(done, names, source)

        heads = each(lambda row: _head(local_path(folder, names[row])), "looked at")
        channels, height, width = _common_shape(heads, names, form, source)
        images = _allocate((len(names), channels, height, width), source, shown)

        def decode(row: int) -> None:
            _decode(local_path(folder, names[row]), images[row], form.size)

        each(decode, "read")
    return images


def _attempt(task: Callable[[int], Any]) -> Callable[[int], Any]:
    """The task, with what goes wrong as its result."""

    def attempted(row: int) -> Any:
        from PIL import Image, UnidentifiedImageError

        try:
            return task(row)
        except UnusableError as problem:
            return problem
        except FileNotFoundError:
            return UnusableError("is missing")
        except Image.DecompressionBombError:
            return UnusableError("declares too many pixels")
        except UnidentifiedImageError:
            return UnusableError(f"is no image of the kinds {', '.join(FORMATS)}")
        except MemoryError:
            return UnusableError("needs too much memory")
        # Pillow's decoders raise almost anything on damaged bytes.
        except Exception as error:
            text = " ".join(str(error).split()) or type(error).__name__
            return UnusableError(f"is damaged: {text}")

    return attempted


def _watched(done: Iterable[Any], total: int, doing: str, progress: Progress) -> Iterator[Any]:
    """The same items; a long way is reported every few seconds."""
    reported = time.monotonic()
    for count, item in enumerate(done, 1):
        if time.monotonic() - reported > SECONDS_BETWEEN_MESSAGES:
            reported = time.monotonic()
            progress.message(f"{doing} {count} of {total} images")
        yield item


def _without_problems(done: Iterable[Any], names: Sequence[str], source: str) -> list[Any]:
    found = list(done)
    bad = [row for row, item in enumerate(found) if isinstance(item, UnusableError)]
    if bad:
        lines = [f"{names[row]} {found[row]}" for row in bad[:NAMED]]
        if len(bad) > NAMED:
            lines.append(f"and {len(bad) - NAMED} more")
        raise DataError(
            f"{source}: {len(bad)} of {len(names)} images cannot be used: {'; '.join(lines)}"
        )
    return found


def _open(path: Path) -> Image.Image:
    from PIL import Image

    if not path.is_file():
        raise FileNotFoundError(path)
    image = Image.open(path, formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise UnusableError(
            f"declares {image.width} x {image.height} pixels; at most {MAX_PIXELS:,}"
        )
    if getattr(image, "n_frames", 1) != 1:
        raise UnusableError(f"has {image.n_frames} frames; expected a single picture")  # type: ignore[attr-defined]
    return image


def _head(path: Path) -> tuple[int, int, int]:
    """Channels (1 or 3), height and width, upright, without decoding the picture."""
    with _open(path) as image:
        if image.mode in GREY_MODES | DEEP_MODES:
            channels = 1
        elif image.mode in COLOR_MODES:
            channels = 3
        else:
            raise UnusableError(f"has pixels of kind {image.mode}; store such images as train.npz")
        lying = image.getexif().get(EXIF_ORIENTATION, 1) >= 5
        width, height = (image.height, image.width) if lying else image.size
        return channels, height, width


def _decode(path: Path, target: Float32, size: int | None) -> None:
    """One upright picture into ``target``, [C, H, W], scaled to [0, 1]."""
    from PIL import Image, ImageOps

    with _open(path) as opened:
        image = ImageOps.exif_transpose(opened)
        deep = image.mode in DEEP_MODES
        if deep:  # Pillow makes 8 bits of 16 by clipping them, so they become floats first
            image = Image.fromarray(np.asarray(image, dtype=np.float32))
        else:
            image = image.convert("L" if len(target) == 1 else "RGB")
        if size is not None:
            image = image.resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    np.divide(planes, 65535 if deep else 255, out=target, dtype=np.float32, casting="same_kind")


def _common_shape(
    heads: Sequence[tuple[int, int, int]], names: Sequence[str], form: ImageFormat, source: str
) -> tuple[int, int, int]:
    """Channels, height and width of the array.

    Raises:
        DataError: the images differ in what the format leaves open.
    """
    channels = {"auto": heads[0][0], "grey": 1, "rgb": 3}[form.color]
    for name, head in zip(names, heads, strict=True):
        if form.color == "auto" and head[0] != channels:
            kinds = {1: "grey", 3: "in colour"}
            raise DataError(
                f"{source}: {names[0]} is {kinds[channels]}, {name} is {kinds[head[0]]}",
                fix="Make them alike with --color grey or --color rgb.",
            )
        if form.size is None and head[1:] != heads[0][1:]:
            one, other = (f"{width} x {height}" for _, height, width in (heads[0], head))
            raise DataError(
                f"{source}: {names[0]} has {one} pixels, {name} has {other}",
                fix="Make them alike with --image-size N.",
            )
    return (channels, form.size, form.size) if form.size else (channels, *heads[0][1:])


def _allocate(shape: tuple[int, ...], source: str, progress: Progress) -> Float32:
    size = 4 * math.prod(shape)
    what = (
        f"{source}: {shape[0]} images of {' x '.join(map(str, shape[1:]))} take {human_size(size)}"
    )
    fix = "Make them smaller with --image-size N."
    if size > MAX_BYTES:
        raise DataError(f"{what}; at most {human_size(MAX_BYTES)} are read", fix=fix)
    if size > LARGE_BYTES:
        progress.message(what)
    try:
        return np.empty(shape, dtype=np.float32)
    except MemoryError as error:
        raise DataError(f"{what}, more memory than there is", fix=fix) from error
