"""What a demo says of itself, so that it is known as one and its best values stand beside results."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlzoo.errors import MlzooError
from mlzoo.files import read_json, write_json
from mlzoo_imagecode.imagecode.files import PLANTED

DEMO = "these are demo data"


def write_marker(
    root: Path, sets: Iterable[str], ceilings: Mapping[str, float], facts: Mapping[str, Any]
) -> None:
    """Beside the demo's files; ``sets`` are the names of the sets with targets, ``facts`` JSON values."""
    write_json(root / PLANTED, {**facts, "sets": _digest(sets), "ceilings": dict(ceilings)})


def ceilings_of_demo(root: Path, sets: Iterable[str]) -> dict[str, float] | None:
    """Best values by metric, if a demo with these sets was written there; None for all other data."""
    try:
        found = read_json(root / PLANTED)
    except MlzooError:
        return None
    ceilings = found.get("ceilings")
    if found.get("sets") != _digest(sets) or not isinstance(ceilings, dict):
        return None
    return {str(name): float(value) for name, value in ceilings.items()}


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
