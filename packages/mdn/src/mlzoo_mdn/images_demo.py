"""A small ``images`` folder with a planted answer."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from pathlib import Path

import numpy as np

from mlzoo.errors import UsageError
from mlzoo.files import atomic_write
from mlzoo_mdn.confounded import LABELS
from mlzoo_mdn.data import CEILINGS
from mlzoo_mdn.image_table import TABLE
from mlzoo_mdn.synthetic import RANGES, generate_independent

GROUP_SIZES = {"train": 60, "val": 20, "test": 40}
LABEL_NAMES = ("control", "patient")
DARKEST, BRIGHTEST = -0.05, 0.5
"""What becomes 0 and 255: the noise reaches below 0, the brightest blob about 0.45."""


def write_images_demo(root: Path, seed: int = 0) -> dict[str, object]:
    """Writes ``images.csv`` and synthetic grey images, and says what is planted in them.

    Everything is written aside and moved into place once it is whole, the table last.

    Raises:
        UsageError: table or folder are there already; they might be somebody's data.
    """
    for path in (root / TABLE, root / "images"):
        if path.exists():
            raise UsageError(f"{path} exists", fix="Move it away, or choose another folder.")
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".demo-", dir=root) as name:
        aside = Path(name)
        rows = _write_images(aside / "images", seed)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        with atomic_write(aside / TABLE) as file:
            file.write(text.getvalue().encode())
        os.replace(aside / "images", root / "images")
        os.replace(aside / TABLE, root / TABLE)
    ranges = {f"label {LABEL_NAMES[label]}": list(RANGES[label]) for label in LABELS}
    return {
        "main_effect": {"distribution": "uniform", **ranges},
        "confounder": {"distribution": "uniform", **ranges},
        "accuracy_ceilings": dict(CEILINGS),
        "images_of_each_label": dict(GROUP_SIZES),
    }


def _write_images(folder: Path, seed: int) -> list[list[object]]:
    """Writes the pictures; returns the rows of the table, its header first."""
    from PIL import Image

    folder.mkdir()
    rows: list[list[object]] = [["file", "label", "split", "confounder"]]
    seeds = np.random.SeedSequence(seed).spawn(len(GROUP_SIZES))
    for (split, size), child in zip(GROUP_SIZES.items(), seeds, strict=True):
        groups = generate_independent(size, child)
        scaled = (groups.images[:, 0] - DARKEST) / (BRIGHTEST - DARKEST)  # [2N, 32, 32]
        pixels = np.rint(255 * scaled.clip(0, 1)).astype(np.uint8)
        for number, picture in enumerate(pixels):
            name = f"{split}-{number:03}.png"
            Image.fromarray(picture).save(folder / name)
            label = LABEL_NAMES[groups.labels[number]]
            rows.append([f"images/{name}", label, split, f"{groups.confounder[number]:.6f}"])
    return rows
