"""What scoring a run again has changed: metrics, verdicts, and the record of what they were."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Change:
    """A metric that is not what it was.

    Attributes:
        split: a split, or a view of it.
        honest: of the honestly selected weights, beside a selection on test data.
        old, new: in the metric's unit; None where there is no value.
    """

    split: str
    honest: bool
    metric: str
    old: float | None
    new: float | None

    @property
    def difference(self) -> float | None:
        """New minus old."""
        return None if self.old is None or self.new is None else self.new - self.old


@dataclass(frozen=True)
class Rescored:
    """What scoring again has found.

    Attributes:
        directory: of the run.
        results: its ``results.json`` as it now is, or would be.
        versions: of each evaluator that was asked, the recorded version and the installed one.
        changes: metrics that differ.
        verdicts: published numbers that are judged otherwise: metric, split, former and new verdict.
        tables: names of table files that differ.
        warnings: for the person.
    """

    directory: Path
    results: Mapping[str, Any]
    versions: Mapping[str, tuple[str | None, str]]
    changes: Sequence[Change]
    verdicts: Sequence[tuple[str, str, str, str]]
    tables: Sequence[str]
    warnings: Sequence[str]
    changed: bool


def metrics_of(results: Mapping[str, Any], *, honest: bool) -> dict[str, dict[str, Any]]:
    """By split, of the selected weights or of the honestly selected ones beside them."""
    part = results.get("honest") or {} if honest else results
    found: dict[str, dict[str, Any]] = part.get("metrics", {})
    return found


def changes_of(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Metrics that differ between two contents of ``results.json``, the first as a file holds it."""
    found = []
    for honest in (False, True):
        before, now = (metrics_of(results, honest=honest) for results in (old, new))
        for split, metrics in now.items():
            for metric in dict.fromkeys([*metrics, *before[split]]):
                values = _plain(before[split].get(metric)), _plain(metrics.get(metric))
                if values[0] != values[1]:
                    found.append(Change(split, honest, metric, *values))
    return found


def _plain(value: float | None) -> float | None:
    """As a file holds it: NaN and infinities are nothing."""
    return value if value is not None and math.isfinite(value) else None


def other_verdicts(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[tuple[str, str, str, str]]:
    """Published numbers that are judged otherwise: metric, split, former and new verdict."""
    before, now = _verdicts_of(old), _verdicts_of(new)
    return [
        (metric, split, before[metric, split, value, source], verdict)
        for (metric, split, value, source), verdict in now.items()
        if before.get((metric, split, value, source), verdict) != verdict
    ]


def _verdicts_of(results: Mapping[str, Any]) -> dict[tuple[str, str, str, str], str]:
    return {
        (
            str(n.get("metric")),
            str(n.get("split")),
            str(n.get("published")),
            str(n.get("source")),
        ): str(n.get("verdict"))
        for n in results.get("published", ())
    }


def former_of(changes: Sequence[Change]) -> dict[str, Any]:
    """The values before, as ``results.json`` has them: only what changed."""
    former: dict[str, dict[str, dict[str, float | None]]] = {}
    for change in changes:
        part = former.setdefault("honest" if change.honest else "metrics", {})
        part.setdefault(change.split, {})[change.metric] = change.old
    return former
