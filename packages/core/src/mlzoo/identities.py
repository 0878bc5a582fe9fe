"""Whether numbers obey what must hold among them, within what rounding leaves open, in exact arithmetic.

A number printed as 58.1 was at least 58.05 and at most 58.15 before it was rounded. Every kind of identity
follows its parts up or down, so that the ends of the parts' ranges give the ends of its own: it holds if that
range, rounded likewise, has the printed number. No tolerance is chosen anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from mlzoo.specs import Identity

Range: TypeAlias = tuple[Fraction, Fraction]
"""The least and the most that a number was before it was rounded."""

COMPUTED = 1e-6
"""How far numbers that were computed and not printed may be from each other, relative to the larger."""


def decimals_of(value: float) -> int:
    """Places behind the point with which a number is written, none for 60.0: its source may have printed
    more, of which the last were zeros."""
    exponent = Decimal(repr(float(value))).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def rounded(value: float, decimals: int) -> Range:
    """What a finite number can have been that is printed with so many decimals."""
    exact, half = Fraction(repr(float(value))), Fraction(1, 2 * 10**decimals)
    return exact - half, exact + half


def disagreement(identity: Identity, numbers: Mapping[str, Range], where: str = "") -> str:
    """How numbers do not obey an identity, such as ``the harmonic mean of u 52.8 and s 64.7 is
    58.0969 to 58.1979``.

    Args:
        identity: of a metric.
        numbers: ranges by name, of one evaluation.
        where: ``dataset/split``, by which weights are told.

    Returns:
        A clause; empty if they obey, or the identity says nothing of them: a part is not there, or the
        weights of this split are not known.
    """
    if not applies(identity, numbers, where):
        return ""
    low, high, power = _bounds(identity, [numbers[name] for name in identity.of], where)
    least, most = (_power(end, power) for end in numbers[identity.metric])
    if most >= low and (high is None or least <= high):
        return ""
    parts = " and ".join(f"{name} {_middle(numbers[name])}" for name in identity.of)
    if high is None:
        return f"it must be at least {parts}"
    ends = [f"{float(end) ** (1 / power):.6g}" for end in (low, high)]
    return f"the {identity.kind.replace('-', ' ')} of {parts} is {' to '.join(dict.fromkeys(ends))}"


def applies(identity: Identity, numbers: Iterable[str], where: str = "") -> bool:
    """Whether an identity says something of numbers of these names."""
    known = identity.kind != "weighted-mean" or _split(where) in identity.weights
    return known and {identity.metric, *identity.of} <= set(numbers)


def disagreements(
    identities: Iterable[Identity], metrics: Mapping[str, float], where: str = ""
) -> list[str]:
    """A sentence for each identity that computed metrics do not obey; NaN obeys everything.

    Args:
        identities: of the task's evaluators.
        metrics: of one split, by name.
        where: ``dataset/split``.
    """
    numbers = {name: _computed(value) for name, value in metrics.items() if math.isfinite(value)}
    found = ((each, disagreement(each, numbers, where)) for each in identities)
    return [f"{each.metric} is {metrics[each.metric]:.6g}; {said}" for each, said in found if said]


def _computed(value: float) -> Range:
    exact = Fraction(value)
    slack = abs(exact) * Fraction(COMPUTED) + Fraction(COMPUTED) ** 2
    return exact - slack, exact + slack


def _bounds(
    identity: Identity, parts: list[Range], where: str
) -> tuple[Fraction, Fraction | None, int]:
    """The ends of what the metric can be, each to the power that comes third, which makes a root exact."""
    lows, highs = ([part[end] for part in parts] for end in (0, 1))
    count = len(parts)
    if identity.kind == "at-least":
        return max(lows), None, 1
    if identity.kind == "difference":
        signed = lows[0] - highs[1], highs[0] - lows[1]
        straddles = signed[0] <= 0 <= signed[1]
        return Fraction(0) if straddles else min(map(abs, signed)), max(map(abs, signed)), 1
    if identity.kind == "geometric-mean":
        products = [math.prod(max(end, Fraction(0)) for end in ends) for ends in (lows, highs)]
        return Fraction(products[0]), Fraction(products[1]), count
    if identity.kind == "harmonic-mean":
        return _harmonic(lows), _harmonic(highs), 1
    weights = [Fraction(w) for w in identity.weights.get(_split(where), (1,) * count)]
    low, high = (
        sum((w * end for w, end in zip(weights, ends, strict=True)), Fraction(0)) / sum(weights)
        for ends in (lows, highs)
    )
    return low, high, 1


def _harmonic(values: list[Fraction]) -> Fraction:
    """0 where a value is not above 0."""
    if min(values) <= 0:
        return Fraction(0)
    return len(values) / sum((1 / value for value in values), Fraction(0))


def _power(value: Fraction, power: int) -> Fraction:
    """Of what is not negative where there is a root."""
    return value if power == 1 else max(value, Fraction(0)) ** power


def _split(where: str) -> str:
    """Without the view."""
    return where.partition("@")[0]


def _middle(number: Range) -> str:
    return f"{float(sum(number) / 2):.6g}"
