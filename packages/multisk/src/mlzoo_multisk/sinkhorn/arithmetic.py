"""Which arithmetic a plan needs."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from mlzoo_multisk.sinkhorn.spread import Spread

Arithmetic: TypeAlias = Literal["auto", "linear", "log", "clamped"]
ARITHMETICS: tuple[str, ...] = get_args(Arithmetic)


def linear_or_log(
    scores: Tensor, low: float, high: float, epsilon: float, spread: Spread
) -> Literal["linear", "log"]:
    """Linear where exponentials can hold a plan of scores between ``low`` and ``high``, else log.

    The largest entry exp(m s / ε) is divided out at once, so nothing overflows; but an entry that
    underflows is lost, and the steps, which multiply by up to c/1e-5 each, could have made it matter.
    So the smallest, after division by the sum of K·B·K entries, must be a normal number of the scores'
    dtype:

        (largest m s - smallest m s) / ε + ln(K·B·K) <= -ln(tiny),

    which is 87.3 for float32 and 708.4 for float64. Scores that are NaN are none of linear's.

    Args:
        scores: [*, B, K], of which shape and dtype are looked at; a GPU is not waited for.
        low, high: between which they are.
        epsilon: ε.
        spread: the slices' multipliers m.
    """
    *_, rows, anchors = scores.shape
    extremes = (spread.multipliers[0], spread.multipliers[-1])
    exponents = [m * s / epsilon for m in extremes for s in (low, high)]
    width = max(exponents) - min(exponents) + math.log(anchors * rows * anchors)
    fits = width <= -math.log(torch.finfo(scores.dtype).tiny) and not math.isnan(low + high)
    return "linear" if fits else "log"
