"""Sets of small jpgs as ImageCoDe's archive has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, width: int = 48, height: int = 36) -> Image.Image:
    """A smooth picture of random colours."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def write_sets(root: Path, sets: int, images: int = 10, *, width: int = 48) -> list[str]:
    """Write ``<root>/set<k>/img<N>.jpg`` with numbers that skip some; the names in their order."""
    names = []
    for number in range(sets):
        folder = root / f"set{number}"
        folder.mkdir(parents=True)
        for position in range(images):
            name = f"set{number}/img{2 * position + number % 2}.jpg"
            picture(1000 * number + position, width).save(root / name, quality=90)
            names.append(name)
    return names
