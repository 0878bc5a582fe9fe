"""Which arithmetic a plan needs."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

import torch

from mlzoo_multisk.sinkhorn.spread import Spread

Arithmetic: TypeAlias = Literal["auto", "linear", "log", "clamped"]
ARITHMETICS: tuple[str, ...] = get_args(Arithmetic)


def fits_linear(
    low: float,
    high: float,
    *,
    epsilon: float,
    rows: int,
    anchors: int,
    spread: Spread,
    dtype: torch.dtype,
) -> bool:
    """Whether products of factors can hold a plan of scores between ``low`` and ``high``.

    The largest entry exp(m s / ε) is divided out at once, so nothing overflows; but an entry that
    underflows is lost, and the steps, which multiply by up to c/1e-5 each, could have made it matter.
    So the smallest, after division by the sum of K·B·K entries, must be a normal number of ``dtype``:

        (largest m s - smallest m s) / ε + ln(K·B·K) <= -ln(tiny),

    which is 87.3 for float32 and 708.4 for float64. Scores that are NaN do not fit.
    """
    extremes = (spread.multipliers[0], spread.multipliers[-1])
    exponents = [m * s / epsilon for m in extremes for s in (low, high)]
    width = max(exponents) - min(exponents) if not math.isnan(low + high) else math.nan
    return width + math.log(anchors * rows * anchors) <= -math.log(torch.finfo(dtype).tiny)
