"""What every exported file says of where it comes from, and the libraries that formats need."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlzoo.errors import RunError
from mlzoo.export import EXTRA
from mlzoo.files import json_text

if TYPE_CHECKING:
    from mlzoo.planning import Plan
    from mlzoo.run_directory import RunRecord


@dataclass(frozen=True)
class FinishedRun:
    """A run that is done, with the plan it was made from."""

    record: RunRecord
    plan: Plan

    @property
    def results(self) -> dict[str, Any]:
        """``results.json``."""
        return self.record.results


@dataclass(frozen=True)
class Made:
    """What a format wrote, still in memory.

    Attributes:
        files: content by the name of the file.
        facts: what a person or script may want to know of it (JSON values).
    """

    files: Mapping[str, bytes]
    facts: Mapping[str, Any] = field(default_factory=dict)


def provenance(run: FinishedRun) -> dict[str, str]:
    """Texts by name, for files whose metadata are texts; what is structured is JSON."""
    results, info = run.results, run.record.info
    return {
        "model": results["model"],
        "dataset": results["dataset"],
        "task": results["task"],
        "seed": str(results["seed"]),
        "selection": compact(results["selection"]),
        "data_fingerprint": results["data"]["fingerprint"],
        "plugins": compact(results["plugins"]),
        "versions": compact(info.get("versions") or {}),
        "config": compact(run.record.config),
    }


def compact(value: Any) -> str:
    """Strict JSON in one line; NaN and infinities become null."""
    return json.dumps(json.loads(json_text(value)), ensure_ascii=False)


def library(name: str) -> Any:
    """A module that the extra ``export`` brings.

    Raises:
        RunError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = (error.name or name).partition(".")[0]
        raise RunError(
            f"this export needs {missing}, which is not installed.", f"Install it: {EXTRA}"
        ) from error
