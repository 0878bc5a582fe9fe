"""The search for an epoch, where validation has a training set of its own.

Some tasks cannot validate beside training: in zero-shot learning the val classes must be unseen.
Their data offers ``validation``, task data whose ``test`` stands for val. A model is trained on it in
the folder ``search`` of the run; the best epoch there is how long the run itself trains. What the
search leaves is the epoch alone: the run equals one of so many epochs under the rule ``last``.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlzoo.contracts import Model, TaskData
from mlzoo.errors import CheckpointError
from mlzoo.files import read_json, write_json
from mlzoo.planning import Plan
from mlzoo.scoring import load_best, score, score_all, select_weights, store_scores
from mlzoo.selection import Selector

if TYPE_CHECKING:
    from accelerate import Accelerator

    from mlzoo.metrics_log import Mirror
    from mlzoo.progress import Progress
    from mlzoo.runs import Run
    from mlzoo.scoring import Scored

FOLDER = "search"
CHOICE = "choice.json"


@dataclass(frozen=True)
class Choice:
    """What a search has found: the epoch, and the metrics of val in its weights, by view."""

    epoch: int
    metrics: dict[str, dict[str, float]]


def validation_of(plan: Plan, data: TaskData) -> TaskData | None:
    """Where the rule in force has to search; None if it has not."""
    wanted = plan.options.run.select in ("val", "test")
    return getattr(data, "validation", None) if wanted else None


def search_run(
    plan: Plan,
    validation: TaskData,
    directory: Path,
    *,
    accelerator: Accelerator,
    progress: Progress,
    stop_after: int | None,
    mirror: Mirror | None = None,
) -> Run:
    """The run on the validation data, in a folder of its own below ``directory``."""
    from mlzoo.runs import Run

    (directory / FOLDER / "checkpoints").mkdir(parents=True, exist_ok=True)
    better = plan.metrics[plan.main_metric].higher_is_better
    return Run(
        directory / FOLDER,
        seed=plan.options.run.seed,
        accelerator=accelerator,
        selector=Selector("val", ("val",), better),
        main_metric=plan.main_metric,
        score=lambda model, split: score(plan, model, validation, "test")[0],
        progress=progress,
        stop_after=stop_after,
        title="search on validation data",
        mirror=mirror,
    )


def conclude(plan: Plan, model: Model, validation: TaskData, run: Run, directory: Path) -> Choice:
    """Score the best epoch of a search that is over, and keep the choice."""
    epoch = select_weights(model, run, "best.pt", run.epoch)
    scored = _as_val(score_all(plan, model, validation))
    metrics = store_scores(plan, validation, run.message, directory, scored)
    choice = Choice(epoch, metrics)
    write_json(directory / FOLDER / CHOICE, asdict(choice))
    return choice


def choice_of(directory: Path) -> Choice | None:
    """The choice that a run has made; None if it is still to be made.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = directory / FOLDER / CHOICE
    if not path.exists():
        return None
    found = read_json(path)
    if not isinstance(found.get("epoch"), int) or not isinstance(found.get("metrics"), dict):
        raise CheckpointError(f"{path} is damaged.", "Delete it and resume.")
    metrics = {
        split: {name: math.nan if value is None else value for name, value in values.items()}
        for split, values in found["metrics"].items()
    }
    return Choice(found["epoch"], metrics)


def score_again(
    plan: Plan, model: Model, validation: TaskData, directory: Path, only: Collection[str] | None
) -> Scored:
    """The splits of val, from a model built on the validation data and the search's weights."""
    load_best(model, directory / FOLDER, "best")
    return _as_val(score_all(plan, model, validation, only=only))


def _as_val(scored: Scored) -> Scored:
    return {split.replace("test", "val", 1): found for split, found in scored.items()}
