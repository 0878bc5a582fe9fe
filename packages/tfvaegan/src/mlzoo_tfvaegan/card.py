"""A check of published zero-shot numbers against each other, for this model's card and any other's."""

from __future__ import annotations

from collections.abc import Iterable

from mlzoo import Published

PARTS = ("gzsl_unseen", "gzsl_seen", "gzsl_h")
SLACK = 1e-9
"""For the arithmetic of decimals that no float holds exactly."""


def check_harmonic_means(published: Iterable[Published], decimals: int = 1) -> list[str]:
    """Where H = 2 u s / (u + s) does not hold among numbers of one dataset, split and choice of options.

    H grows with u and with s: of numbers rounded to ``decimals`` it lies between the H of what both
    were at least and of what both were at most. Groups without all of ``gzsl_unseen``, ``gzsl_seen``
    and ``gzsl_h`` are passed over.

    Returns:
        A sentence for each group that fails, with the dataset and the numbers; empty if all hold.
    """
    groups: dict[str, dict[str, float]] = {}
    for number in published:
        options = (f"{name}={value}" for name, value in sorted(number.options.items()))
        groups.setdefault(" ".join([number.dataset, *options, number.split]), {})[number.metric] = (
            number.value
        )
    half = 0.5 * 10**-decimals + SLACK
    wrong = []
    for where, values in groups.items():
        if not values.keys() >= set(PARTS):
            continue
        u, s, h = (values[part] for part in PARTS)
        least, most = _harmonic_mean(u - half, s - half), _harmonic_mean(u + half, s + half)
        if not least - half <= h <= most + half:
            exact = round(_harmonic_mean(u, s), decimals + 1)
            wrong.append(f"{where}: u = {u} and s = {s} make H = {exact}, not {h}")
    return wrong


def _harmonic_mean(u: float, s: float) -> float:
    return 2 * u * s / (u + s) if min(u, s) > 0 else 0.0
