"""A group of runs held against every published number that speaks of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlzoo.errors import MlzooError
from mlzoo.estimate import Estimate, estimate
from mlzoo.planning import plan_of
from mlzoo.registry import registry
from mlzoo.report.groups import Group, Reading
from mlzoo.specs import Published
from mlzoo.verdict import Verdict, hindrance, verdict_of


@dataclass(frozen=True)
class Claim:
    """A published number and what the runs say about it.

    Attributes:
        number: as the model's card has it.
        reading: the column of ours that is held against it: of the weights that the rule selected, or of the
            honestly selected ones beside them.
        rule: by which that column's epoch was selected.
        ours: None if the runs have no such metric.
        verdict: by the rules of :mod:`mlzoo.verdict`.
        reason: in words.
    """

    number: Published
    reading: Reading
    rule: str
    ours: Estimate | None
    verdict: Verdict
    reason: str

    @property
    def difference(self) -> float | None:
        """Ours minus published."""
        return None if self.ours is None else self.ours.mean - self.number.value

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        ours = self.ours
        return {
            "dataset": self.number.dataset,
            "metric": self.number.metric,
            "split": self.number.split,
            "options": dict(self.number.options),
            "published": self.number.value,
            "tolerance": self.number.tolerance,
            "source": self.number.source,
            "verified": self.number.verified,
            "published_selection": self.number.selection,
            "selection": self.rule,
            "n": ours.n if ours else 0,
            "mean": ours.mean if ours else None,
            "sd": ours.sd if ours else None,
            "interval": list(ours.interval) if ours and ours.interval else None,
            "difference": self.difference,
            "verdict": self.verdict,
            "reason": self.reason,
        }


def claims_of(group: Group) -> list[Claim]:
    """Every published number of the group's dataset and options, judged.

    Under the rule ``test`` a number that was published under ``val`` is held against the honestly selected
    weights. Numbers that other options belong to are left out.

    Raises:
        MlzooError: the runs cannot be read with the plugins that are installed.
    """
    results = group.first.results
    model = registry().model(results["model"]).spec
    numbers = [each for each in model.published if each.dataset == results["dataset"]]
    options = group.first.config
    mine = [n for n in numbers if all(options.get(k) == v for k, v in n.options.items())]
    if not mine:
        return []
    departures = plan_of(group.first).departures()
    return [_claim(number, group, departures) for number in mine]


def claims_or_none(group: Group) -> tuple[list[Claim], str]:
    """The claims of a group, or none and why they could not be judged."""
    try:
        return claims_of(group), ""
    except MlzooError as error:
        return [], error.message


def _claim(number: Published, group: Group, departures: Sequence[str]) -> Claim:
    results = group.first.results
    rule, reading = results["selection"]["rule"], Reading(number.split)
    if group.honest and number.selection == results["honest"]["rule"] != rule:
        rule, reading = number.selection, Reading(number.split, "honest")
    reason = hindrance(number, results["data"], group.first.config, departures, rule)
    values = [v for v in group.values(reading, number.metric) if not math.isnan(v)]
    ours = estimate(values) if values else None
    verdict: Verdict = "not comparable"
    if not reason and (ours is None or len(values) < len(group.runs)):
        reason = (
            f"{len(group.runs) - len(values)} of {len(group.runs)} runs have no {number.metric}"
        )
    if not reason and ours is not None:
        verdict, reason = verdict_of(number, ours)
    return Claim(number, reading, rule, ours, verdict, reason)
