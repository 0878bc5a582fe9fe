"""What the classifiers look at: a feature beside the decoder's view of it (spec "discriminative feature
transform"; sec. 3.3 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor

from mlzoo_tfvaegan.networks import Decoder

ROWS = 1024
"""Rows that go through the decoder at a time."""


@torch.no_grad()
def discriminative(decoder: Decoder | None, *blocks: Tensor) -> Tensor:
    """[X, Dec(X), h(X)] for the rows of all blocks, one below the other, in one new matrix.

    Nothing of that size exists beside it: at CUB size 22057 x 6456 float32, 570 MB.

    Args:
        decoder: Dec, with hidden layer h; None leaves features as they are.
        blocks: each [n, R], such as real and synthesised features.

    Returns:
        [sum of n, R + A + H], of the first block's type, on its device, without gradient. A single
        block without a decoder is returned itself.
    """
    if decoder is None:
        return blocks[0] if len(blocks) == 1 else torch.cat(blocks)
    width, attributes = blocks[0].shape[1], decoder.fc3.out_features
    rows = sum(map(len, blocks))
    made = blocks[0].new_empty(rows, width + attributes + decoder.fc3.in_features)
    start = 0
    for block in blocks:
        for x in block.split(ROWS):  # [<= ROWS, R]
            piece = made[start : start + len(x)]
            hidden = decoder.hidden(x)  # [., H]
            piece[:, :width] = x
            piece[:, width : width + attributes] = decoder.output(hidden)
            piece[:, width + attributes :] = hidden
            start += len(x)
    return made
