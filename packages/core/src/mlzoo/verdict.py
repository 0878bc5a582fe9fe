"""The rules by which a published number is judged, in this one place.

A number is **not comparable** when it was reached under other conditions than the runs: other data (demo
data, another split version, limited data, hidden labels), other options than its preset, or another rule of
selecting the epoch. Otherwise, with Δ = ours - published:

- one run proves nothing: within the tolerance it is *consistent (one seed)*, else *below* or *above*;
- several runs **match** if their mean is within the tolerance of the published number, or, of at least
  :data:`LEAST_FOR_SPREAD` runs, if one more run would be expected within reach of it: the published number is
  itself a single run, so it is held against the 95 % prediction interval of the runs, not against that of
  their mean;
- else they are **below** or **above**.

Runs are judged together only if they differ in nothing but their seed and the data's repetition
(:func:`mlzoo.report.groups.group_runs`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from mlzoo.estimate import Estimate
from mlzoo.specs import IMPORTED, ModelSpec, Published

Verdict = Literal["matches", "consistent (one seed)", "below", "above", "not comparable"]

LEAST_FOR_SPREAD = 3
"""Two runs have too wide a spread to match anything by it."""


def judge(
    model: ModelSpec,
    results: Mapping[str, Any],
    options: Mapping[str, Any],
    departures: Sequence[str],
) -> list[dict[str, Any]]:
    """Every published number of the run's dataset beside ours, with verdict and reason.

    Args:
        options: the run's, all of them.
        departures: those in which it differs from its preset.
    """
    return [
        _judge_one(number, results, options, departures)
        for number in model.published
        if number.dataset == results["dataset"]
    ]


def _judge_one(
    number: Published,
    results: Mapping[str, Any],
    options: Mapping[str, Any],
    departures: Sequence[str],
) -> dict[str, Any]:
    ours = results["metrics"].get(number.split, {}).get(number.metric)
    rule = results["selection"]["rule"]
    reason = hindrance(number, results["data"], options, departures, rule)
    verdict: Verdict = "not comparable"
    if not reason and (ours is None or math.isnan(ours)):
        reason = f"the run has no {number.metric} on {number.split}"
    if not reason:
        verdict, reason = verdict_of(number, Estimate(1, ours, None, None, None))
    return {
        "metric": number.metric,
        "split": number.split,
        "published": number.value,
        "source": number.source,
        "verified": number.verified,
        "options": dict(number.options),
        "ours": ours,
        "verdict": verdict,
        "reason": reason,
    }


def hindrance(
    number: Published,
    data: Mapping[str, Any],
    options: Mapping[str, Any],
    departures: Sequence[str],
    rule: str,
) -> str:
    """Why runs do not speak of a published number; empty if they do.

    Args:
        data: what ``results.json`` says of the data.
        options: of the runs.
        departures: those that differ from the preset.
        rule: by which the epoch of our number was selected.
    """
    if data.get("incomparable"):
        return str(data["incomparable"])
    if number.split in data.get("hidden", ()):
        return f"the labels of {number.split} are hidden"
    if data["limited"]:
        return "the run used limited data"
    if rule == IMPORTED and number.selection != IMPORTED:
        return f"published under {number.selection}, these weights were imported"
    if others := [f"{k}={v}" for k, v in number.options.items() if options.get(k) != v]:
        return f"published with {', '.join(others)}"
    if departures := [key for key in departures if key not in number.options]:
        return f"options differ from the preset: {', '.join(departures)}"
    if number.selection != rule:
        return f"published under {number.selection}, run under {rule}"
    return ""


def verdict_of(number: Published, ours: Estimate) -> tuple[Verdict, str]:
    """Verdict and reason of runs that can be compared with a number."""
    difference = ours.mean - number.value
    side: Verdict = "below" if difference < 0 else "above"
    within = abs(difference) <= number.tolerance
    if ours.n == 1:
        return ("consistent (one seed)" if within else side), ""
    if within:
        return "matches", f"within the tolerance of {number.tolerance:g}"
    if ours.n >= LEAST_FOR_SPREAD and ours.spread is not None and abs(difference) <= ours.spread:
        return "matches", f"within the spread of {ours.n} runs, ±{ours.spread:.2g}"
    return side, f"differs by {difference:+.2g}, tolerance {number.tolerance:g}"
