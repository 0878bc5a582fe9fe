"""Descriptions of sets of images without any pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlzoo_imagecode.contextual import Bytes, Index, Part


@dataclass
class NoImages:
    """Names alone."""

    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    def crops(self, rows: Index, size: int, *, fast: bool = False) -> Bytes:
        raise AssertionError("nobody looks at the images")

    def digest(self) -> str:
        return str(len(self.names))


def described(counts: Sequence[int], choices: int = 10) -> Part:
    """Sets of ``choices`` images with so many descriptions each, of the images 0, 1, 2 …"""
    sets = tuple(f"set{number:05d}" for number in range(len(counts)))
    of_row = np.repeat(np.arange(len(counts)), counts)
    place = np.concatenate([np.arange(count) for count in counts])
    return Part(
        images=NoImages([f"{name}/img{k}.jpg" for name in sets for k in range(choices)]),
        sets=sets,
        set_of_image=np.repeat(np.arange(len(counts)), choices),
        position=np.tile(np.arange(choices), len(counts)),
        frame=np.tile(np.arange(choices), len(counts)),
        video=np.arange(len(counts)) % 5 > 0,
        candidates=of_row[:, None] * choices + np.arange(choices),
        target=place % choices,
        texts=tuple(f"text {row}" for row in range(len(of_row))),
    )


def published_counts() -> Part:
    """As many sets and descriptions as ImageCoDe's train has: 7,317 and 16,594."""
    return described([1] * 1306 + [2] * 2745 + [3] * 3266)
