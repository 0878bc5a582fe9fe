"""The learning rate of an epoch, in closed form. Imports no torch."""

from __future__ import annotations

from math import cos, pi
from typing import Literal


def learning_rate(
    epoch: int,
    *,
    base: float,
    minimum: float = 0.0,
    epochs: int = 1,
    warmup: int = 0,
    schedule: Literal["cosine", "constant"] = "cosine",
) -> float:
    """Linear warm-up to ``base``, then half a cosine towards ``minimum``:

        lr(e) = base · e / w                                            e = 1 … w
        lr(e) = minimum + (base - minimum) (1 + cos(π (e - w - 1) / (n - w))) / 2     e = w+1 … n

    Epochs w and w+1 both have ``base``; the last is one step above ``minimum``. With the schedule
    ``constant`` every epoch has ``base``. The published log prints another number from epoch w+2 on,
    which is one step too far; training went by this one.

    Args:
        epoch: e, from 1.
        base: the full rate.
        minimum: where the cosine would end.
        epochs: n, of the whole training.
        warmup: w, epochs of warm-up.
        schedule: its kind.
    """
    if schedule == "constant":
        return base
    if epoch <= warmup:
        return base * epoch / warmup
    done = (epoch - warmup - 1) / (epochs - warmup)
    return minimum + (base - minimum) * (1 + cos(pi * done)) / 2
