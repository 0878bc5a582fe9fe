"""CLIP's text encoder on texts that are cut in groups of similar length, against padding to 77 tokens.

    python benchmarks/imagecode_text.py [--json FILE] [--device cuda] [--threads 1] [--repeats 5] [--quick]

The encoder has the size of ViT-B/16's (width 512, 12 layers, 8 heads, 49408 tokens) and random weights. The
lengths of 36 texts are spread as those of ImageCoDe's descriptions: 25 tokens with start and end on average,
60 at most. "padded" is what the published program computes; "cut after the longest" needs no groups. Features
and gradients are compared before. Rows: features alone, and a step's forward and backward.
"""

from __future__ import annotations

import argparse
from functools import partial
from statistics import NormalDist

import numpy as np
import torch
from _measure import Call, Row, arguments, compare, report
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from mlzoo_imagecode.clip.encoders import ClipEncoders
from mlzoo_imagecode.clip.scratch import random_clip
from mlzoo_imagecode.network import BUCKETS

TEXTS = 36
LOGARITHM = NormalDist(3.155, 0.43)
"""Of a description's number of tokens; so it is spread over those of the training sets."""


def encoder(options: argparse.Namespace) -> ClipEncoders:
    """The image encoder is of no use here and small."""
    clip = random_clip(
        vocabulary=300 if options.quick else 49408,
        context=77,
        image_size=16,
        patch=16,
        width=32 if options.quick else 512,
        depth=2 if options.quick else 12,
        heads=2 if options.quick else 8,
        embedding=32 if options.quick else 512,
    )
    return ClipEncoders(clip).to(options.device)


def made_up_texts(vocabulary: int) -> Tensor:
    """int64 [36, 77]: what the tokens are changes no time."""
    random = np.random.default_rng(0)
    shares = (np.arange(TEXTS) + 0.5) / TEXTS
    lengths = np.exp([LOGARITHM.inv_cdf(share) for share in shares]).astype(int)
    random.shuffle(lengths)
    ids = np.zeros((TEXTS, 77), dtype=np.int64)
    for row, length in zip(ids, lengths, strict=True):
        row[:length] = random.integers(1, vocabulary - 2, length)
        row[0], row[length - 1] = vocabulary - 2, vocabulary - 1
    print(f"{TEXTS} texts, {lengths.mean():.1f} tokens on average, {lengths.max()} at most")
    return torch.from_numpy(ids)


def padded(clip: ClipEncoders, ids: Tensor) -> Tensor:
    """All 77 tokens of every text."""
    features: Tensor = clip.clip.get_text_features(input_ids=ids).pooler_output
    return features


def gradients(clip: ClipEncoders, features: Tensor) -> dict[str, Tensor]:
    """Of some loss."""
    clip.zero_grad()
    (features * features.detach().cos()).sum().backward()
    return {n: p.grad.clone() for n, p in clip.named_parameters() if p.grad is not None}


def rows(options: argparse.Namespace) -> list[Row]:
    clip = encoder(options)
    ids = made_up_texts(clip.vocabulary)
    on_device = ids.to(options.device)
    ways = {
        "mlzoo": partial(clip.text, ids, BUCKETS),
        "padded": partial(padded, clip, on_device),
        "cut after the longest": partial(clip.text, ids),
    }
    expected = ways["padded"]()
    wanted = gradients(clip, expected)
    for way in ways.values():
        found = way()
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
        for name, gradient in gradients(clip, found).items():
            torch.testing.assert_close(gradient, wanted[name], rtol=1e-3, atol=1e-4)
    clip.zero_grad()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        ways["mlzoo"]()
    gflop = counter.get_total_flops() / 1e9

    def features(name: str) -> None:
        with torch.no_grad():
            ways[name]()

    def step(name: str) -> None:
        clip.zero_grad()
        ways[name]().square().sum().backward()

    against = ("padded", "cut after the longest")
    found = []
    for what, call, times in (("features", features, 1), ("forward and backward", step, 3)):
        calls: dict[str, Call] = {name: partial(call, name) for name in ways}
        title = f"CLIP's text encoder, {TEXTS} descriptions, {what}"
        found.append(
            compare(title, calls, options, against=against, accelerated=True, gflop=times * gflop)
        )
    return found


def main() -> None:
    options = arguments(__doc__, repeats=5)
    report(rows(options), options)


if __name__ == "__main__":
    main()
