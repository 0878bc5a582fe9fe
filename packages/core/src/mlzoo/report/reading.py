"""Runs for a report: what can be read, and why the rest is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlzoo.errors import MlzooError
from mlzoo.registry import registry
from mlzoo.run_directory import RunRecord, find_runs


@dataclass(frozen=True)
class LeftOut:
    """A folder that no report can use, and why."""

    directory: Path
    reason: str


@dataclass(frozen=True)
class FoundRuns:
    """Runs that can be read, finished or not, and what was left out."""

    records: Sequence[RunRecord]
    left_out: Sequence[LeftOut]


def read_runs(paths: Sequence[Path]) -> FoundRuns:
    """Every run at or below the paths. One whose task no installed plugin scores is left out.

    Raises:
        RunError: a path does not exist or holds no run.
    """
    records, left_out = [], []
    for record in find_runs(paths):
        try:
            _ = record.info, record.config  # reads them
            if record.results:
                registry().evaluators_for(record.results["task"])
        except MlzooError as error:
            left_out.append(LeftOut(record.directory, error.message))
        else:
            records.append(record)
    return FoundRuns(records, left_out)
