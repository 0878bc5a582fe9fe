"""A few image sets with descriptions, in the published layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

STATIC = "open-images-{0}_0123456789abcde{0}"
VIDEO = "MSR-VTT-videoTrainValVideo_video{0}-shot1_0"
TRAIN = [*(STATIC.format(i) for i in range(4)), *(VIDEO.format(i) for i in range(8))]
VALID = [STATIC.format(5), VIDEO.format(20), "YouCook-video0020-shot9_0"]
TEST = [VIDEO.format(30), STATIC.format(7)]
FRAMES = [0, 2, 3, 9, 10, 11, 12, 20, 100, 101]
"""Of a video: their order as numbers is not that of their names as text."""


def write_images(folder: Path, names: list[str]) -> None:
    """Ten jpgs of 12 x 10 pixels a set; the red of an image is ten times its position."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for position in range(10):
            frame = position if "open-images" in name else FRAMES[position]
            pixels = np.full((10, 12, 3), (10 * position, number, 128), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"img{frame}.jpg")


def labelled(names: list[str]) -> dict[str, dict[str, str]]:
    """Of each set, descriptions of the images at positions 7 and 2, in this order."""
    return {name: {"7": f" the seventh of {name}", "2": f"number two of {name} "} for name in names}


def write_json(path: Path, value: Any) -> Path:
    """Plain JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def write_yaml(path: Path, rows: dict[str, dict[str, str]]) -> Path:
    """Annotations, tags by set and target, as published."""
    lines = []
    for name, own in rows.items():
        lines.append(f'"{name}":')
        for number, (target, tags) in enumerate(own.items()):
            lines += [f'  "{target}":', f'    "description": "d {number}"']
            lines += [f'    "annotation": "{tags}"', f'    "visualization_id": "{number}"']
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_imagecode(root: Path) -> Path:
    """Twelve sets to learn from, three of valid, two of test; 24, 6 and 3 descriptions."""
    root.mkdir(parents=True, exist_ok=True)
    write_images(root / "image-sets", [*TRAIN, *VALID, *TEST])
    write_json(root / "train_data.json", labelled(TRAIN))
    write_json(root / "valid_data.json", labelled(VALID))
    unlabelled = {TEST[0]: ["one", "two"], TEST[1]: ["three"]}
    write_json(root / "test_data_unlabeled.json", unlabelled)
    return root


def write_simple(root: Path, *, train: bool = True) -> Path:
    """Pairs of positions 7 and 5, and of 2 and 4."""

    def pairs(names: list[str]) -> list[dict[str, Any]]:
        return [
            {
                "directory": name,
                "pos_idx": positive,
                "neg_idx": negative,
                "caption": f"{positive} of {name}",
            }
            for name in names
            for positive, negative in ((7, 5), (2, 4))
        ]

    root.mkdir(parents=True, exist_ok=True)
    write_json(root / "valid_simple.json", pairs(VALID))
    if train:
        write_json(root / "train_simple.json", pairs(TRAIN))
    return root
