"""The order in which a pass reads videos that lie in shards."""

from __future__ import annotations

import numpy as np

from mlzoo_multisk.clips import Index

_ORDER = (0x0BDE,)
"""Spawn key that keeps the numbers of an order apart from those drawn for a video."""


def order_random(seed: int, number: int) -> np.random.RandomState:
    """The random numbers of the order of pass ``number``."""
    sequence = np.random.SeedSequence((seed, number), spawn_key=_ORDER)
    return np.random.RandomState(np.random.MT19937(sequence))


def windowed_order(seed: int, number: int, sizes: Index, window: int) -> Index:
    """The rows of a pass: shards in random order, their videos mixed within a window.

    The shards, in an order drawn for the pass, make a stream of rows. Each row waits in a buffer for a
    time drawn evenly between 0 and ``window`` rows of the stream. So the n-th row that leaves stood
    less than ``window`` places from n in the stream: what is read at any time lies within twice the
    window. The order follows from ``seed`` and ``number`` alone: to go on after n videos, take
    ``order[n:]``; of several processes each takes its share of the order and reads no other video.

    Args:
        seed: of the run.
        number: of the pass, from 0.
        sizes: int64 [S], videos of each shard; those of a shard are neighbouring rows.
        window: rows, at least 1; 1 leaves the stream as it is.

    Returns:
        int64 [N], every row once.

    Raises:
        ValueError: the window is below 1.
    """
    if window < 1:
        raise ValueError(f"the window must be at least 1, got {window}")
    random = order_random(seed, number)
    sizes = np.asarray(sizes, np.int64)
    shards = random.permutation(len(sizes))
    starts = np.cumsum(sizes) - sizes
    total = int(sizes.sum())
    # The stream: for each place, the first row of its shard plus how far it is into the shard.
    lengths = sizes[shards]
    begins = np.repeat(np.cumsum(lengths) - lengths, lengths)
    stream = np.repeat(starts[shards], lengths) + np.arange(total) - begins
    leaves = np.arange(total) + window * random.random_sample(total)
    if window == 1:
        return stream
    return np.asarray(stream[np.argsort(leaves, kind="stable")], np.int64)
