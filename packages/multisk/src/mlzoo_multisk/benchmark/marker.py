"""What a demo says of itself: that it is one, and what its best values are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlzoo.errors import MlzooError
from mlzoo.files import read_json, write_json

PLANTED = "planted.json"
DEMO = "these are demo data"


@dataclass(frozen=True)
class Planted:
    """Attributes:
    complete: test clips, those that lack included.
    ceilings: best values by metric.
    """

    complete: int
    ceilings: Mapping[str, float]


def write_marker(
    root: Path, keys: Sequence[str], planted: Planted, facts: Mapping[str, Any]
) -> None:
    """Beside the demo's files; ``keys`` are the ids of the test clips, ``facts`` JSON values."""
    marker = {"test": _digest(keys), "complete": planted.complete, "ceilings": planted.ceilings}
    write_json(root / PLANTED, {**facts, **marker})


def read_marker(root: Path, keys: Sequence[str]) -> Planted | None:
    """What a demo wrote whose test clips have these ids; None for all other data."""
    try:
        found = read_json(root / PLANTED)
    except MlzooError:
        return None
    complete, ceilings = found.get("complete"), found.get("ceilings")
    if found.get("test") != _digest(keys) or not isinstance(complete, int):
        return None
    if not isinstance(ceilings, dict):
        return None
    return Planted(complete, {str(name): float(value) for name, value in ceilings.items()})


def _digest(keys: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()
