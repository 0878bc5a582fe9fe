"""Features of a part's images and descriptions by encoders that do not change meanwhile."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from mlzoo.data.fingerprint import fingerprint
from mlzoo.progress import Progress
from mlzoo_imagecode.clip.encoders import ClipEncoders
from mlzoo_imagecode.clip.tokens import Tokenizer
from mlzoo_imagecode.config import ClipOptions
from mlzoo_imagecode.contextual import Bytes, Floats, Index, Part
from mlzoo_imagecode.encoding import image_features, text_features
from mlzoo_imagecode.images.reading import crops_ahead
from mlzoo_imagecode.network import BUCKETS, normalised

TEXTS_AT_ONCE = 64


class Features(NamedTuple):
    """What encoders make of a part.

    Attributes:
        images: float32 [N, d], not normalised; perhaps mapped from the disk.
        text: float32 [n, d], likewise.
    """

    images: Floats
    text: Floats


def features_of(
    part: Part,
    encoders: ClipEncoders,
    tokens: Tokenizer,
    config: ClipOptions,
    *,
    keep: bool,
    progress: Progress,
) -> Features:
    """Encode every image that a description chooses among, and every description, once.

    Args:
        part: the descriptions.
        encoders: of images and text.
        tokens: for the descriptions.
        config: how images are read, and how many at once.
        keep: whether the features are looked for, and kept, on the disk: for encoders that stay.
        progress: is told how far it is.
    """
    device = encoders.log_scale.device
    size, fast, block = encoders.image_size, config.fast_images, config.images_at_once
    ids = torch.from_numpy(tokens.encode(part.texts))  # [n, C]
    used = np.unique(part.candidates)
    keep = keep and len(used) == len(part.images)  # of a part that is limited, nothing is kept
    identity = encoders.identity() if keep else {}

    @torch.no_grad()
    def encode_images(crops: Bytes) -> Floats:
        made = encoders.image(normalised(torch.from_numpy(crops).to(device)))  # [m, d]
        return np.asarray(made.float().cpu().numpy())

    @torch.no_grad()
    def encode_text(rows: Index) -> Floats:
        made = encoders.text(ids[torch.from_numpy(rows)], BUCKETS)  # [m, d]
        return np.asarray(made.float().cpu().numpy())

    text = text_features(
        part.texts,
        encode_text,
        identity={**identity, "tokens": fingerprint({"ids": ids.numpy()})},
        width=encoders.width,
        progress=progress,
        block=TEXTS_AT_ONCE,
        in_memory=None if keep else True,
    )
    if keep:
        images = image_features(
            part.images, encode_images, identity=identity, size=size, width=encoders.width,
            fast=fast, progress=progress, block=block,
        )  # fmt: skip
    else:
        images = np.zeros((len(part.images), encoders.width), dtype=np.float32)
        blocks = np.array_split(used, -(-len(used) // block))
        for rows, crops in crops_ahead(part.images, blocks, size, fast=fast):
            images[rows] = encode_images(crops)
    return Features(images, text)


def distances_to_target(part: Part, images: Floats) -> Floats:
    """float32 [n, k]: how far each candidate's feature is from the described one's, both of length 1; 0 where
    nobody knows the target. The paper's measure of how alike the images of a set are.

    Args:
        part: the descriptions.
        images: float32 [N, d], features.
    """
    unit = images / np.maximum(np.linalg.norm(images, axis=1, keepdims=True), 1e-12)
    found = np.zeros(part.candidates.shape, dtype=np.float32)
    for row in np.flatnonzero(part.target >= 0):
        of_row = unit[part.candidates[row]]  # [k, d]
        found[row] = np.linalg.norm(of_row - of_row[part.target[row]], axis=1)
    return found
