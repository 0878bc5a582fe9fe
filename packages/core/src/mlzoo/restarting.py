"""What a folder already holds of the runs that are wanted: finished ones, and ones to go on with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from mlzoo.config import RESERVED
from mlzoo.errors import MlzooError, RunError
from mlzoo.files import json_text, take_lock
from mlzoo.planning import Plan, Repetition
from mlzoo.report.numbers import names_of
from mlzoo.run_directory import RunRecord, is_in_use

SHOWN = 5
"""Runs that were left alone, of those that are named."""


@dataclass(frozen=True)
class LeftAlone:
    """A run that is none of those that are wanted, and why."""

    directory: Path
    reason: str


@dataclass(frozen=True)
class Inventory:
    """What was found of the wanted runs, the newest of each.

    Attributes:
        done: finished.
        unfinished: killed, or interrupted; they can go on.
        failed: that failed before, and are to begin anew.
        others: with other options, data or versions, or damaged.
    """

    done: dict[Repetition, RunRecord] = field(default_factory=dict)
    unfinished: dict[Repetition, Path] = field(default_factory=dict)
    failed: dict[Repetition, Path] = field(default_factory=dict)
    others: list[LeftAlone] = field(default_factory=list)

    def told(self, plans: Sequence[Plan]) -> list[str]:
        """``3 of 5 runs are there, 1 goes on, 1 begins``; then what is left alone, by name."""
        wanted: list[Repetition] = [plan.repetition for plan in plans]
        done, unfinished = len(self.done), len(self.unfinished)
        begins = len(wanted) - done - unfinished
        parts = [f"{done} of {len(wanted)} runs {'is' if done == 1 else 'are'} there"]
        parts += [f"{unfinished} {'goes' if unfinished == 1 else 'go'} on"] if unfinished else []
        if begins:
            again = f" (failed before: {names_of([*self.failed])})" if self.failed else ""
            parts.append(f"{begins} {'begins' if begins == 1 else 'begin'}{again}")
        lines = [", ".join(parts)]
        lines += [f"left alone: {run.directory.name}: {run.reason}" for run in self.others[:SHOWN]]
        if len(self.others) > SHOWN:
            lines.append(f"left alone: {len(self.others) - SHOWN} more runs")
        return lines


def look_through(plans: Sequence[Plan], out: Path) -> Inventory:
    """What is there of these plans, which differ in their seed and their data's repetition alone.

    Data are loaded, once for each repetition, only to be compared with those of a run that fits otherwise.

    Raises:
        RunError: one of the runs is going on in another process.
        DataError: data that runs were made with are missing or damaged.
    """
    found = Inventory()
    fitting: dict[Repetition, list[RunRecord]] = {}
    for record in _runs(plans[0], out):
        try:
            known, reason = _repetition(record, plans[0]), _what_differs(record, plans[0])
        except MlzooError as error:
            known, reason = None, error.message
        if reason or known is None:
            found.others.append(LeftAlone(record.directory, reason))
        else:
            fitting.setdefault(known, []).append(record)
    for _, alike in groupby(plans, key=lambda plan: plan.options.dataset):
        mine = [plan for plan in alike if plan.repetition in fitting]
        data = mine[0].load_data().fingerprint() if mine else ""
        for plan in mine:
            _sort(plan.repetition, fitting[plan.repetition], data, found)
    return found


def unfinished_run(plan: Plan, out: Path) -> Path | None:
    """The run of this plan that can go on, if there is one."""
    return look_through([plan], out).unfinished.get(plan.repetition)


def _sort(known: Repetition, records: Iterable[RunRecord], data: str, found: Inventory) -> None:
    """Put the runs of one repetition where they belong; the newest is looked at last."""
    for record in sorted(records, key=lambda record: str(record.info.get("started", ""))):
        status = record.info.get("status")
        if record.info.get("data", {}).get("fingerprint") != data:
            found.others.append(LeftAlone(record.directory, "made with other data"))
        elif status == "done":
            found.done[known] = record
        elif status == "failed":
            found.failed[known] = record.directory
        elif is_in_use(record.directory):
            who = f"process {record.info.get('pid')} on {record.info.get('host')}"
            raise RunError(
                f"{record.directory} is still running, in {who}.", "Wait for it, or stop it."
            )
        else:
            found.unfinished[known] = record.directory
    if known in found.done:
        found.unfinished.pop(known, None)
    if known in found.done or known in found.unfinished:
        found.failed.pop(known, None)


def _runs(plan: Plan, out: Path) -> Iterator[RunRecord]:
    folder = out / f"{plan.model.name}-{plan.dataset.name}"
    for path in sorted(folder.glob("*/run.json")):
        yield RunRecord(path.parent)


def _repetition(record: RunRecord, plan: Plan) -> Repetition:
    names = [name for name, _ in plan.repetition]
    numbers = [(name, record.config.get(name)) for name in names]
    if not all(type(number) is int for _, number in numbers):
        raise RunError(f"config.json names no {' and '.join(names)}")
    return tuple((name, int(number)) for name, number in numbers if number is not None)


def _what_differs(record: RunRecord, plan: Plan) -> str:
    """Why a run is none of this plan, whatever its seed and repetition; empty if it is one."""
    varied = {name for name, _ in plan.repetition}
    mine = {k: v for k, v in _as_read(plan.options.values).items() if k not in varied}
    theirs = {k: v for k, v in record.config.items() if k not in {*varied, *RESERVED}}
    keys = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
    if keys:
        return ", ".join(f"{k} {theirs.get(k)} instead of {mine.get(k)}" for k in keys)
    kept = record.info.get("versions") or {}
    versions = {plugin.distribution: plugin.version for plugin in plan.plugins}
    if record.info.get("status") == "done":
        if not record.results:
            return "it is done and has no results.json"
        if record.results["selection"]["rule"] != plan.options.run.select:
            return "its weights were not selected here"
        versions |= {spec.name: spec.version for spec in plan.evaluators}
        kept = {**record.results["plugins"], **record.results["evaluators"]}
    others = [k for k, wanted in versions.items() if kept.get(k) != wanted]
    return ", ".join(f"{k} {kept.get(k)} instead of {versions[k]}" for k in others)


def _as_read(values: Any) -> dict[str, Any]:
    """Options as config.json gives them back."""
    found: dict[str, Any] = json.loads(json_text(values))
    return found


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Hold a folder for the runs below it: two processes that look through it would begin the same ones.

    Raises:
        RunError: another one holds it, or it cannot be written.
    """
    existed = directory.exists()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / ".lock").open("a+b")
    except OSError as error:
        raise RunError(
            f"cannot write to {directory}: {error.strerror or error}.",
            "Choose another place with --out DIR.",
        ) from error
    with file:
        try:
            take_lock(file.fileno())
        except OSError as error:
            raise RunError(f"another mlzoo reproduce is at work in {directory}.") from error
        try:
            yield
        finally:
            if not existed and {path.name for path in directory.iterdir()} == {".lock"}:
                (directory / ".lock").unlink()
                directory.rmdir()
