"""The picture of ``mlzoo predict --figure``: images, and where their tags are seen in them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from mlzoo.errors import UsageError
from mlzoo.files import atomic_write
from mlzoo_biam.attention import normalised, over_image

if TYPE_CHECKING:
    from mlzoo_biam.predict import NewImage, Tagged

Floats = npt.NDArray[np.float32]
Draw = Callable[[Floats], Floats]

FORMATS = ("png", "pdf", "svg", "jpg", "jpeg")
PIXELS = 224
"""Side of a map where there is no image to lay it over."""
MOST_COLUMNS = 8
LONGEST = 640
"""Pixels of the longer side of an image in the picture."""


def write_figure(
    path: Path, found: Sequence[Tagged], tags: Sequence[str], draw: Draw | None
) -> None:
    """A row for each image: itself, and the map of each tag that was named.

    Args:
        path: its ending says which format.
        found: images, their maps, and the places of the named tags.
        tags: names of all candidates.
        draw: makes a picture of regions, where there is no file.

    Raises:
        UsageError: an unknown format.
        RunError: the file cannot be written.
    """
    kind = path.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise UsageError(f"--figure: {path.name} must end in one of {', '.join(FORMATS)}.")
    columns = min(MOST_COLUMNS, max(len(order) for *_, order in found))
    size = (2.1 * (columns + 1), 2.3 * len(found))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(found), columns + 1, squeeze=False)
    for axes, (image, maps, order) in zip(grid, found, strict=True):
        pixels = _pixels(image, draw)
        height, width = (PIXELS, PIXELS) if pixels is None else pixels.shape[:2]
        shown = order[:columns]
        heat = over_image(normalised(maps.maps[shown]), height, width)  # [t, height, width]
        for ax in axes:
            ax.set_axis_off()
        if pixels is not None:
            axes[0].imshow(pixels, cmap="gray", vmin=0, vmax=1)
        axes[0].set_title(Path(image.name).name, fontsize=8)
        for ax, place, each in zip(axes[1:], shown, heat, strict=False):
            if pixels is not None:
                ax.imshow(pixels, cmap="gray", vmin=0, vmax=1)
            ax.imshow(each, cmap="inferno", vmin=0, vmax=1, alpha=1.0 if pixels is None else 0.55)
            ax.set_title(f"{tags[place]}  {maps.scores[place]:.2f}", fontsize=8)
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=130)
    with atomic_write(path) as file:
        file.write(content.getvalue())


def _pixels(image: NewImage, draw: Draw | None) -> Floats | None:
    """float32 [height, width, 3] or [height, width] from 0 to 1, if there is something to show."""
    if image.file is None:
        return draw(image.regions) if draw is not None else None
    from PIL import Image

    with Image.open(image.file) as file:
        file.thumbnail((LONGEST, LONGEST))
        pixels = np.asarray(file.convert("RGB"), dtype=np.float32)
    return pixels / np.float32(255)
