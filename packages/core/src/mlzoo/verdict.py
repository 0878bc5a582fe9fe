"""What one run says about a published number.

One seed never proves a number, so a single run is at most *consistent*; the verdicts over seeds
build on this. A number is not comparable at all when it was reached under other conditions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from mlzoo.specs import IMPORTED, ModelSpec, Published

Verdict = Literal["consistent (one seed)", "below", "above", "not comparable"]


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
    others = [f"{k}={v}" for k, v in number.options.items() if options.get(k) != v]
    departures = [key for key in departures if key not in number.options]
    rule = results["selection"]["rule"]
    verdict: Verdict
    reason = ""
    if results["data"].get("incomparable"):
        verdict, reason = "not comparable", results["data"]["incomparable"]
    elif number.split in results["data"].get("hidden", ()):
        verdict, reason = "not comparable", f"the labels of {number.split} are hidden"
    elif ours is None or math.isnan(ours):
        verdict, reason = "not comparable", f"the run has no {number.metric} on {number.split}"
    elif results["data"]["limited"]:
        verdict, reason = "not comparable", "the run used limited data"
    elif rule == IMPORTED and number.selection != IMPORTED:
        verdict = "not comparable"
        reason = f"published under {number.selection}, these weights were imported"
    elif others:
        verdict, reason = "not comparable", f"published with {', '.join(others)}"
    elif departures:
        verdict, reason = (
            "not comparable",
            f"options differ from the preset: {', '.join(departures)}",
        )
    elif number.selection != rule:
        verdict = "not comparable"
        reason = f"published under {number.selection}, run under {rule}"
    elif abs(ours - number.value) <= number.tolerance:
        verdict = "consistent (one seed)"
    else:
        verdict = "below" if ours < number.value else "above"
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
