"""One trial of a search for options: trained like any run, scored on validation data and never on test.

The score of a trial is the main metric of val in the weights of the best epoch, which is what a run
with the same options under the rule ``val`` has in its ``results.json``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlzoo.contracts import Model, TaskData
from mlzoo.errors import UsageError
from mlzoo.files import read_json, write_json
from mlzoo.machine import Machine, accelerator_for
from mlzoo.metrics_log import read_rows
from mlzoo.planning import Plan
from mlzoo.progress import Progress
from mlzoo.runs import Run
from mlzoo.scoring import score, select_weights
from mlzoo.search import validation_of
from mlzoo.selection import Selector
from mlzoo.session import build

Tell = Callable[[int, float, bool], None]
"""Takes an epoch, the main metric of val and whether epochs are left; raises :class:`GivenUp` if these are
not worth their time."""


class GivenUp(Exception):  # noqa: N818 - not an error: the trial is pruned on purpose
    """The trial ends here, as it does worse than others did."""


@dataclass(frozen=True)
class Validation:
    """The data that trials are trained and scored on.

    Attributes:
        data: the run's data, or its validation data with a training set of their own.
        split: the one that stands for val there.
    """

    data: TaskData
    split: str


@dataclass(frozen=True)
class Trained:
    """What a trial found: the best epoch, and all metrics of val in its weights."""

    epoch: int
    metrics: Mapping[str, float]


def validation_for(plan: Plan, data: TaskData) -> Validation:
    """Where a search for options is scored, under the rule ``val``.

    Raises:
        UsageError: nowhere.
    """
    own = validation_of(plan, data)
    if own is not None:
        return Validation(own, "test")
    if "val" in data.splits and "val" not in getattr(data, "hidden", ()):
        return Validation(data, "val")
    raise UsageError(
        f"{plan.dataset.name} has no val split with labels: there is nothing to select on.",
        "Options are never chosen on test. Take a dataset with validation data.",
    )


class TrialRun(Run):
    """A run that tells each score of val, those of epochs before it was resumed as well."""

    tell: Tell
    _caught_up = False
    _count = 0

    def epochs(self, count: int, **state: Any) -> Iterator[int]:
        """As in every run."""
        self._count = count
        return super().epochs(count, **state)

    def evaluate(self, model: Model) -> dict[str, float]:
        """As in every run; may end the trial."""
        self.catch_up()
        scores = super().evaluate(model)
        self.tell(self.epoch, scores[self.main_metric], self.epoch < self._count)
        return scores

    def catch_up(self) -> None:
        """Tell what was scored in another process, once."""
        if self._caught_up:
            return
        self._caught_up = True
        for row in read_rows(self.directory / "metrics.jsonl"):
            if row.get("split") == "val" and row.get(self.main_metric) is not None:
                self.tell(row["epoch"], row[self.main_metric], row["epoch"] < self._count)


def train(
    plan: Plan,
    validation: Validation,
    machine: Machine,
    directory: Path,
    *,
    progress: Progress,
    title: str,
    tell: Tell,
) -> Trained:
    """Train and score one trial in its folder; a trial that was stopped there goes on.

    Raises:
        GivenUp: ``tell`` has raised it.
        NonFiniteError: a loss or a weight is no number any more.
    """
    accelerator = accelerator_for(machine, plan.options.run.precision)
    model = build(plan, validation.data, str(accelerator.device))

    def scored(of: Model, split: str) -> dict[str, float]:
        if split != "val":
            raise AssertionError(f"a trial is scored on val alone, not on {split}")
        return score(plan, of, validation.data, validation.split)[0]

    run = TrialRun(
        directory,
        seed=plan.options.run.seed,
        accelerator=accelerator,
        selector=Selector("val", ("val",), plan.metrics[plan.main_metric].higher_is_better),
        main_metric=plan.main_metric,
        score=scored,
        progress=progress,
        title=title,
    )
    run.tell = tell
    try:
        model.fit(run)
        run.catch_up()
        with run.plain_networks():
            epoch = select_weights(model, run, "best.pt", run.epoch)
            return Trained(epoch, scored(model, "val"))
    finally:
        if accelerator.device.type != "cpu":
            accelerator.free_memory()  # the next trial needs it


def folder_for(directory: Path, config: Mapping[str, Any]) -> Path:
    """The folder of a trial with these options. What another process left there is gone on with if its
    options were the same; else it goes."""
    kept = directory / "config.json"
    if directory.exists() and not (kept.exists() and read_json(kept) == config):
        shutil.rmtree(directory)
    (directory / "checkpoints").mkdir(parents=True, exist_ok=True)
    write_json(kept, config)
    return directory
