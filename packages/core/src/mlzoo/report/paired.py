"""Whether two runs differ by more than chance: the tests of the task's evaluators over stored predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mlzoo.errors import MlzooError, PluginError, UsageError, did_you_mean
from mlzoo.plugins import Registered
from mlzoo.registry import registry, resolve
from mlzoo.report.differences import require_two
from mlzoo.run_directory import RunRecord

Fact: TypeAlias = str | int | float

LEVEL = 0.05
"""Below it two runs are told apart."""


@dataclass(frozen=True)
class Comparison:
    """What one evaluator's test says.

    Attributes:
        evaluator: its name.
        test: the test's name.
        p: how likely so large a difference would be if both runs were equally good.
        facts: what else the test says.
    """

    evaluator: str
    test: str
    p: float
    facts: Mapping[str, Fact]

    @property
    def distinguishable(self) -> bool:
        """Whether the difference is more than chance at :data:`LEVEL`."""
        return self.p < LEVEL


def compare_runs(one: RunRecord, other: RunRecord, split: str = "test") -> list[Comparison]:
    """Every paired test that the task's evaluators name, over one split of two finished runs.

    Args:
        one, other: runs of one task on equal data.
        split: such as ``test``, or ``test@view``.

    Raises:
        RunError: a run is not done.
        UsageError: the runs are one, of different tasks or on different data, a run scored no such split, or
            the task names no paired test.
        PluginError: a test fails or does not keep its contract.
    """
    task = _common_task(one, other, split)
    entries = [entry for entry in registry().evaluators_for(task) if entry.spec.paired]
    if not entries:
        raise UsageError(
            f"no evaluator of the task {task} names a paired test.",
            "mlzoo report RUN RUN shows both beside each other.",
        )
    return [paired_test(entry, one, other, split) for entry in entries]


def _common_task(one: RunRecord, other: RunRecord, split: str) -> str:
    """The task of two runs that can be compared on this split."""
    require_two(one, other)
    for run in (one, other):
        known = list(run.results["metrics"])
        if split not in known:
            raise UsageError(
                f"{run.directory} scored no split {split!r}.", did_you_mean(split, known)
            )
        if split in run.results["data"].get("hidden", ()):
            raise UsageError(f"the labels of {split} are hidden.", "Compare another split.")
    tasks = [run.results["task"] for run in (one, other)]
    if tasks[0] != tasks[1]:
        raise UsageError(
            f"the runs are of different tasks, {tasks[0]} and {tasks[1]}.",
            "Name two runs of one task.",
        )
    data = [run.results["data"]["fingerprint"] for run in (one, other)]
    if data[0] != data[1]:
        named = " and ".join(
            f"{run.results['dataset']} {digest[:8]}"
            for run, digest in zip((one, other), data, strict=True)
        )
        raise UsageError(
            f"the runs used different data, {named}.",
            "Name two runs on the same dataset with the same options of it and the same --limit.",
        )
    return str(tasks[0])


def paired_test(entry: Registered, one: RunRecord, other: RunRecord, split: str) -> Comparison:
    """What the test of one evaluator says, held against its contract.

    Raises:
        PluginError: it fails or does not keep its contract; errors of its own are raised as they are.
    """
    who = f"the paired test of {entry.spec.name!r} of {entry.plugin}"
    test = resolve(entry.spec.paired, entry.plugin)
    try:
        found = dict(test(one.predictions(split), other.predictions(split)))
    except MlzooError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise PluginError(f"{who} failed: {reason}", "--debug shows where.") from error
    facts = {str(name): _plain(value) for name, value in found.items()}
    name, p = facts.pop("test", None), facts.pop("p", None)
    if not isinstance(name, str) or not isinstance(p, int | float) or not 0 <= p <= 1:
        raise PluginError(f"{who} must return its name as 'test' and 'p' from 0 to 1, not {found}.")
    for key, value in facts.items():
        if not isinstance(value, str) and not math.isfinite(value):
            raise PluginError(f"{who} returned {value} as {key!r}.")
    return Comparison(entry.spec.name, name, float(p), facts)


def _plain(value: object) -> Fact:
    """A number of numpy as Python's; text stays, anything else becomes text."""
    plain = value.item() if hasattr(value, "item") else value
    return plain if isinstance(plain, str | int | float) else str(plain)
