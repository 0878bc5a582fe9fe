"""Strips of handwritten digits: the embedded dataset of the task ``contextual-retrieval``.

A strip is ten pictures that resemble each other and differ in one property each; about half are videos,
whose frames change little by little. One to three descriptions of a strip each single out one picture:
some say what is in it, others compare it with the rest ("the second darkest picture", "the only one that is
not green"), and those of videos often tell when ("the last picture before it turns red"). Handwriting of
train, val and test is disjoint.

Every description is right of exactly one picture, so that all can be found: ceilings are 100 %. A model that
looks at one picture at a time cannot know which is the odd one out, and one that knows no order cannot know
which is the first of several that look alike.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from mlzoo_imagecode.contextual import ContextualData, Part
from mlzoo_imagecode.cross.regions.cut import CutRegions
from mlzoo_imagecode.dataset_config import DigitStripsOptions
from mlzoo_imagecode.images.arrays import ArrayImages
from mlzoo_imagecode.metric_specs import TAGS
from mlzoo_imagecode.strips import Strips, Writers, draw_strips
from mlzoo_imagecode.strips.world import FRAMES

COUNTS: dict[Writers, int] = {"val": 300, "test": 500}
"""Strips to choose the epoch on, and to score."""
GRID, CELLS = 3, 4
"""Regions of a picture for the cross-encoders: 3 × 3 that overlap by half, and the whole one; 4 × 4 cells."""


def load(root: Path, options: DigitStripsOptions) -> ContextualData:
    """The strips of a seed; no file is read."""
    counts: dict[Writers, int] = {"train": options.strips, **COUNTS}
    drawn = {name: _drawn(count, options.data_seed, name) for name, count in counts.items()}
    parts = {name: _part(name, strips) for name, strips in drawn.items()}
    test = drawn["test"]
    told = [TAGS[column] for column in np.flatnonzero(test.tag.any(axis=0))]
    right = ["accuracy", "accuracy_video", "accuracy_static", *(f"accuracy_{tag}" for tag in told)]
    return ContextualData(
        train=parts["train"],
        parts={"val": parts["val"], "test": parts["test"]},
        facts={"data_seed": options.data_seed, "kinds in test (%)": test.kinds()},
        ceilings={**dict.fromkeys(right, 100.0), "mean_rank": 1.0, "mean_distance": 0.0},
    )


@lru_cache(maxsize=4)
def _drawn(count: int, seed: int, writers: Writers) -> Strips:
    """Several runs of a process draw the same strips once; nobody may write into them."""
    strips = draw_strips(count, seed, writers=writers)
    strips.pixels.flags.writeable = False
    return strips


def _part(name: str, strips: Strips) -> Part:
    count, side = len(strips), strips.pixels.shape[2]
    kinds = np.where(strips.video, "video", "still")
    sets = tuple(f"{name}-{kind}-{number}" for number, kind in enumerate(kinds))
    frame = strips.frame.reshape(-1)
    names = [f"{sets[row // FRAMES]}/img{number}.jpg" for row, number in enumerate(frame)]
    pixels = strips.pixels.reshape(-1, side, side, 3)
    return Part(
        images=ArrayImages(pixels, names),
        regions=CutRegions(pixels, GRID, CELLS),
        sets=sets,
        set_of_image=np.repeat(np.arange(count), FRAMES),
        position=np.tile(np.arange(FRAMES), count),
        frame=frame,
        video=strips.video,
        candidates=strips.strip[:, None] * FRAMES + np.arange(FRAMES),
        target=strips.target,
        texts=strips.texts,
        tag=strips.tag,
        annotated=np.ones_like(strips.tag),
    )
