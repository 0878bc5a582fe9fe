"""A handful of test images that pictures show, with their region maps, kept among the predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlzoo_biam.multilabel import MultiLabelData

if TYPE_CHECKING:
    from mlzoo_biam.networks import BiAM

IMAGES = 6
TAGS = 3
"""Highest scores of each image that get a map."""


def shown_images(data: MultiLabelData) -> npt.NDArray[np.int64]:
    """int64 [m], positions in test: the first images with seen and unseen tags, then with any."""
    labels = data.test.own_labels
    counts = [labels.positives_of_images(tags) for tags in (data.unseen, data.seen)]
    both = np.flatnonzero((counts[0] > 0) & (counts[1] > 0))[:IMAGES]
    rest = np.setdiff1d(np.arange(len(labels)), both)[: IMAGES - len(both)]
    return np.concatenate([both, rest]).astype(np.int64)


def shown_maps(
    network: BiAM, data: MultiLabelData, scores: npt.NDArray[np.float32]
) -> dict[str, npt.NDArray[Any]]:
    """Arrays of the predictions of test that figures read.

    Args:
        network: in evaluation mode.
        data: the task data.
        scores: float32 [n, C] of test.

    Returns:
        ``shown_image`` int64 [m], positions in test; ``shown_tag`` int64 [m, 3], their highest scores,
        best first; ``shown_map`` float32 [m, 3, rows, columns], the score of each region;
        ``shown_picture`` float32 [m, height, width] from 0 to 1, where the data can draw them.
    """
    from mlzoo_biam.attention import tag_maps

    images = shown_images(data)
    tags = np.argsort(-scores[images], axis=1, kind="stable")[:, :TAGS]  # [m, 3]
    regions, scene = data.test.read(images)
    maps = [
        tag_maps(network, x, x_g, data.vectors[chosen]).maps  # [3, rows, columns]
        for x, x_g, chosen in zip(regions, scene, tags, strict=True)
    ]
    found: dict[str, npt.NDArray[Any]] = {
        "shown_image": images,
        "shown_tag": tags,
        "shown_map": np.stack(maps),
    }
    if data.picture is not None:
        found["shown_picture"] = np.stack([data.picture(x) for x in regions])
    return found
