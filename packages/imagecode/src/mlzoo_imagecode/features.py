"""Features of a part's images and descriptions by encoders that do not change meanwhile."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from mlzoo.progress import Progress
from mlzoo_imagecode.clip.encoders import ClipEncoders
from mlzoo_imagecode.clip.tokens import Tokenizer
from mlzoo_imagecode.config import ClipOptions
from mlzoo_imagecode.contextual import Bytes, Floats, Part
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

    @torch.no_grad()
    def encode_images(crops: Bytes) -> Floats:
        made = encoders.image(normalised(torch.from_numpy(crops).to(device)))  # [m, d]
        return np.asarray(made.float().cpu().numpy())

    @torch.no_grad()
    def encode_text(texts: list[str]) -> Floats:
        ids = torch.from_numpy(tokens.encode(texts))  # [m, C]
        return np.asarray(encoders.text(ids, BUCKETS).float().cpu().numpy())

    images = np.zeros((len(part.images), encoders.width), dtype=np.float32)
    used = np.unique(part.candidates)
    blocks = np.array_split(used, -(-len(used) // config.images_at_once))
    size, fast = encoders.image_size, config.fast_images
    for rows, crops in crops_ahead(part.images, blocks, size, fast=fast):
        images[rows] = encode_images(crops)
    texts = [
        encode_text(list(part.texts[at : at + TEXTS_AT_ONCE]))
        for at in range(0, len(part), TEXTS_AT_ONCE)
    ]
    return Features(images, np.concatenate(texts))
