"""A complete CLIP of a few thousand weights in a folder, to try things out with. It knows nothing."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import torch

from mlzoo_imagecode.clip.encoders import ClipEncoders
from mlzoo_imagecode.clip.scratch import random_clip
from mlzoo_imagecode.clip.tokens import CONTEXT, PIECES, ClipTokens
from mlzoo_imagecode.clip.vocabulary import (
    WORD_END,
    Merge,
    Vocabulary,
    byte_symbols,
    vocabulary_of,
)
from mlzoo_imagecode.clip.writing import write_clip

SENTENCES = """\
the man in the white shirt is looking straight at the camera while the woman beside him looks down.
a girl with a red scarf holds a cup in her left hand and nobody else is visible.
you can see the whole car and there are three people standing behind it.
the dog is in the air and its tongue is out.
both of her hands are on the table and the knife is not touching the bread yet.
the text on the screen is only half visible and the background is blue.
two birds sit on the branch; the one on the right has its wings open.
the child in the front is smiling, with eyes closed, and the ball is in the upper right corner.
there is no snow on the roof and the door of the house is open.
the picture is blurry because the player turns around and kicks the ball.
"""
"""From which the merges of the vocabulary are learned."""


def tiny_clip_folder(
    folder: Path,
    seed: int = 0,
    image_size: int = 32,
    *,
    patch: int = 8,
    width: int = 32,
    depth: int = 2,
    heads: int = 2,
    embedding: int = 32,
    context: int = CONTEXT,
    merges: int = 200,
) -> None:
    """Write a tiny random CLIP with a byte-pair vocabulary, as transformers saves one.

    Both :func:`mlzoo_imagecode.clip.folder.open_clip` and transformers' ``CLIPModel`` open it. Weights follow
    from the seed alone.

    Args:
        folder: made if it is not there.
        seed: of the weights.
        image_size, patch, width, depth, heads, embedding, context: sizes.
        merges: of the vocabulary, as many as the sentences give at most; it has 514 tokens more.

    Raises:
        RunError: a file cannot be written.
    """
    tokenizer = ClipTokens(small_vocabulary(merges), context)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        clip = random_clip(
            vocabulary=tokenizer.size,
            context=context,
            image_size=image_size,
            patch=patch,
            width=width,
            depth=depth,
            heads=heads,
            embedding=embedding,
        )
    write_clip(folder, ClipEncoders(clip), tokenizer)


def small_vocabulary(merges: int = 200) -> Vocabulary:
    """Bytes, the most frequent merges of a few English sentences, start and end."""
    return vocabulary_of(_learned(SENTENCES, merges), "the tiny vocabulary")


def _learned(text: str, count: int) -> list[Merge]:
    """The most frequent pair of neighbours becomes a token, again and again (Sennrich et al. 2016).

    Of equally frequent pairs the alphabet's first is taken: the trainer of the library of tokenisers
    takes any.
    """
    symbols = byte_symbols()
    words = Counter(PIECES.findall(text))
    split = [[symbols[byte] for byte in word.encode()] for word in words]
    for parts in split:
        parts[-1] += WORD_END
    found: list[Merge] = []
    while len(found) < count:
        pairs: Counter[Merge] = Counter()
        for parts, often in zip(split, words.values(), strict=True):
            for pair in pairwise(parts):
                pairs[pair] += often
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        found.append(best)
        for parts in split:
            _join(parts, best)
    return found


def _join(parts: list[str], pair: Merge) -> None:
    """A pair becomes one token wherever it stands."""
    at = 0
    while at < len(parts) - 1:
        if (parts[at], parts[at + 1]) == pair:
            parts[at : at + 2] = ["".join(pair)]
        at += 1
