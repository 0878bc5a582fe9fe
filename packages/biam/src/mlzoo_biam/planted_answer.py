"""What a demo world records of its known answer, and what scores reach on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from mlzoo.errors import UsageError
from mlzoo.files import read_json
from mlzoo_biam.labels import Labels

PLANTED = "planted.json"


def ceilings(root: Path, digests: Sequence[str]) -> dict[str, float]:
    """The best values of a demo world, as long as its features are those it was written with."""
    path = root / PLANTED
    if not path.is_file():
        return {}
    planted = read_json(path)
    if planted.get("digests") != list(digests) or not isinstance(planted.get("ceilings"), dict):
        return {}
    return {str(name): float(value) for name, value in planted["ceilings"].items()}


def best_values(
    tags: tuple[str, ...],
    seen_count: int,
    scores: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int8],
    default: int | None = None,
) -> dict[str, float]:
    """What scores [N, C] reach, by metric, in percent; ``default`` as of :meth:`Labels.from_dense`."""
    from mlzoo_biam.evaluators import score, score_pooled

    data = SimpleNamespace(tags=tags, seen_count=seen_count)
    predictions = {"scores": scores, **Labels.from_dense(labels, default).arrays()}
    found = {**score(predictions, data), **score_pooled(predictions, data)}
    return {name: value for name, value in found.items() if np.isfinite(value)}


def move_into_place(work: Path, root: Path) -> None:
    """All that was made, the answer last.

    Raises:
        UsageError: something of that name is there; nothing was moved.
    """
    made = sorted(work.iterdir(), key=lambda path: path.name == PLANTED)
    for path in made:
        if (root / path.name).exists():
            raise UsageError(
                f"{root / path.name} exists.", "Move it away, or choose another folder."
            )
    for path in made:
        path.rename(root / path.name)
