"""A model's published numbers, reproduced: its preset over seeds, and a verdict on every number."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from mlzoo.claim_plans import Wanted, wanted_runs
from mlzoo.cluster import busy_threads, connected
from mlzoo.data.root import data_root
from mlzoo.displays import Display, default_display
from mlzoo.errors import RunError
from mlzoo.experiment import Interrupted
from mlzoo.files import atomic_write, write_json
from mlzoo.machine import Machine, choose_device
from mlzoo.planning import Plan, make_plan
from mlzoo.report.board import Board, boards_of
from mlzoo.report.claims import Claim, claims_of
from mlzoo.report.groups import group_runs
from mlzoo.report.numbers import name_of, names_of
from mlzoo.report.reproduced import (
    counted,
    inflations,
    protocols_json,
    summary,
    tables_of_reproduction,
)
from mlzoo.report.table import to_markdown
from mlzoo.restarting import Inventory, alone, look_through
from mlzoo.run_directory import RunRecord
from mlzoo.seeds import Outcome, Together, remove_stale, run_each, told
from mlzoo.session import Settings

FailOn = Literal["below", "different", "any"]
"""Which verdicts count as failures: those *below* (*above* where lower is better); both; *not comparable* and
no number at all, too."""

UNFINISHED = "The same command goes on where it ended."


@dataclass(frozen=True)
class Reproduction:
    """What was found.

    Attributes:
        directory: where everything is kept.
        plan: of the first run; the others differ in seed and repetition alone.
        claims: every published number of the dataset and options, judged.
        boards: the runs as leaderboards; one, unless they disagree about their data.
        runs: those that are done, earlier ones too.
        failed: the runs that failed.
        selection: which rule selected the epochs, and why.
    """

    directory: Path
    plan: Plan = field(repr=False)
    claims: Sequence[Claim]
    boards: Sequence[Board] = field(repr=False)
    runs: Sequence[RunRecord] = field(repr=False)
    failed: Sequence[Outcome]
    selection: str

    @property
    def summary(self) -> str:
        """One line: how many numbers were compared, and what came out."""
        if self.claims:
            return summary(self.claims)
        name, dataset = self.plan.model.name, self.plan.dataset.name
        others = any(number.dataset == dataset for number in self.plan.model.published)
        return (
            f"{name} has no published numbers on {dataset}{' with these options' if others else ''}"
        )

    def fails(self, on: FailOn = "below") -> bool:
        """Whether a run failed, or a verdict is among those that count as failures."""
        found = any(self._counts(claim, on) for claim in self.claims)
        return bool(self.failed) or found or (on == "any" and not self.claims)

    def _counts(self, claim: Claim, on: FailOn) -> bool:
        if claim.verdict not in ("below", "above"):
            return on == "any" and claim.verdict == "not comparable"
        metric = self.plan.metrics.get(claim.number.metric)
        worse = "below" if metric is None or metric.higher_is_better else "above"
        return on != "below" or claim.verdict == worse

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values: the content of ``claims.json``."""
        return {
            "model": self.plan.model.name,
            "dataset": self.plan.dataset.name,
            "preset": self.plan.preset,
            "selection": self.plan.options.run.select,
            "selection_reason": self.selection,
            "runs": [str(run.directory) for run in self.runs],
            "failed": {name_of(o.repetition): str(o.error) for o in self.failed},
            "summary": self.summary,
            "verdicts": counted(self.claims),
            "claims": [claim.to_json() for claim in self.claims],
            "protocols": [protocols_json(board) for board in self.boards if inflations(board)],
        }


def reproduce(
    model: str,
    *,
    dataset: str | None = None,
    preset: str | None = None,
    config: Path | str | None = None,
    seeds: int | Sequence[int] = 5,
    repeats: Sequence[int] = (),
    jobs: int | None = None,
    scheduler: str | None = None,
    device: str = "auto",
    data_dir: Path | str | None = None,
    out: Path | str | None = None,
    figures: bool = True,
    display: Display | None = None,
    **options: Any,
) -> Reproduction:
    """Run a preset over seeds, and judge every published number by all runs together.

    What the folder already holds of these runs is not repeated; runs that were killed or interrupted go on
    exactly. Epochs are selected by the rule under which the numbers were published, unless ``select`` is
    given.

    Args:
        model: a name that ``mlzoo list models`` shows.
        dataset, preset, config, device, data_dir, figures: as in :func:`mlzoo.run`.
        seeds: which, or how many of 0, 1, 2, ...
        repeats: repetitions of the data (splits), where the dataset has them; every seed on each.
        jobs: runs at once, in processes of their own; one if omitted, or as many as the cluster takes.
        scheduler: of a running Dask cluster, ``tcp://host:8786``.
        out: where the runs, ``claims.json`` and ``claims.md`` are kept;
            ``runs/reproduce/<model>-<dataset>[-<preset>]`` if omitted.
        display: where to show progress; standard error if omitted.
        **options: the run's, the model's and the dataset's; those that differ from the preset make numbers
            not comparable.

    Raises:
        UsageError: a wrong name or value; nothing was created.
        DataError: data missing or damaged; nothing was created.
        RunError: the cluster cannot be reached, the folder is in use, or no run finished.
        Interrupted: stopped by a signal; the same call goes on.
    """
    wanted = wanted_runs(
        model,
        dataset,
        preset=preset,
        config_file=Path(config) if config else None,
        options=options,
        data_dir=Path(data_dir) if data_dir else None,
        seeds=range(seeds) if isinstance(seeds, int) else list(seeds),
        repeats=list(repeats),
    )
    return reproduce_all(
        wanted,
        Path(out) if out is not None else wanted.default_out,
        machine=Machine(device),
        settings=Settings(None, figures),
        display=default_display() if display is None else display,
        jobs=jobs,
        scheduler=scheduler,
    )


def reproduce_all(
    wanted: Wanted,
    directory: Path,
    *,
    machine: Machine,
    settings: Settings,
    display: Display,
    jobs: int | None = None,
    scheduler: str | None = None,
) -> Reproduction:
    """Make the runs that are not there yet, judge all of them, and keep what was found in the folder.

    Raises:
        MlzooError: as :func:`reproduce`.
    """
    plans = wanted.plans
    for plan in plans:  # what the last run lacks is told before the first begins
        plan.require_files()
    if scheduler is None:
        choose_device(machine.device)
    else:
        plans = [_for_others(plan) for plan in plans]
        directory = directory.resolve()
    with _cluster(scheduler, plans[0]) as client, alone(directory):
        for line in (f"selection: {wanted.selection}", *wanted.notes, *_threads(client)):
            display.message(line)
        remove_stale(directory)
        found = look_through(plans, directory)
        together = Together(jobs, client, True, found.unfinished, display)
        outcomes = _run(plans, found, directory, machine, settings, together)
        reproduction = _judged(directory, plans, wanted.selection, found, outcomes)
        _keep(reproduction)
    return reproduction


def _judged(
    directory: Path,
    plans: Sequence[Plan],
    selection: str,
    found: Inventory,
    outcomes: Sequence[Outcome],
) -> Reproduction:
    """All runs that are done, earlier ones too, held against the published numbers."""
    made = {o.repetition: RunRecord(o.result.directory) for o in outcomes if o.result}
    there = {**found.done, **made}
    runs = [there[plan.repetition] for plan in plans if plan.repetition in there]
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if not runs:
        error = failed[0].error
        assert error is not None
        raise RunError(f"no run finished: {error.message}", error.fix)
    claims = [claim for group in group_runs(runs) for claim in claims_of(group)]
    return Reproduction(directory, plans[0], claims, boards_of(runs), runs, failed, selection)


def _for_others(plan: Plan) -> Plan:
    """The same for processes with other working folders and environments."""
    request = dict(plan.request)
    if request["config_file"]:
        request["config_file"] = request["config_file"].resolve()
    request["data_dir"] = data_root(request["data_dir"]).resolve()
    return make_plan(**request)


def _cluster(scheduler: str | None, plan: Plan) -> AbstractContextManager[Any]:
    if scheduler is None:
        return nullcontext()
    versions = {plugin.distribution: plugin.version for plugin in plan.plugins}
    return connected(scheduler, {"mlzoo-core": version("mlzoo-core"), **versions})


def _threads(client: Any) -> list[str]:
    """What to say about workers that could be more."""
    busy = busy_threads(client) if client is not None else []
    if not busy:
        return []
    return [
        f"{len(busy)} workers have several threads and train one run at a time all the same: "
        "more workers with --nthreads 1 make more runs at once"
    ]


def _run(
    plans: Sequence[Plan],
    found: Inventory,
    directory: Path,
    machine: Machine,
    settings: Settings,
    together: Together,
) -> list[Outcome]:
    """The outcomes of the runs that were not there."""
    display = together.display
    assert display is not None
    left = [plan for plan in plans if plan.repetition not in found.done]
    for line in found.told(plans):
        display.message(line)
    if not left:
        return []
    outcomes: list[Outcome] = []
    display.begin(len(plans), len(plans) - len(left))
    try:
        for outcome in run_each(
            left, out=directory, machine=machine, settings=settings, together=together
        ):
            outcomes.append(outcome)
            number = len(plans) - len(left) + len(outcomes)
            display.ended(name_of(outcome.repetition), told(outcome, number, len(plans)))
    except (Interrupted, KeyboardInterrupt) as error:
        raise Interrupted(f"stopped, {_left(left, outcomes)} not finished.", UNFINISHED) from error
    except RunError as error:
        error.fix = f"{error.fix} {UNFINISHED}".strip()
        raise
    finally:
        display.end()
    return outcomes


def _left(plans: Sequence[Plan], outcomes: Sequence[Outcome]) -> str:
    over = [outcome.repetition for outcome in outcomes if outcome.result]
    return names_of([plan.repetition for plan in plans if plan.repetition not in over])


def _keep(reproduction: Reproduction) -> None:
    """``claims.json`` and ``claims.md``."""
    write_json(reproduction.directory / "claims.json", reproduction.to_json())
    tables = tables_of_reproduction(reproduction.claims, reproduction.boards)
    parts = [*map(to_markdown, tables), f"{reproduction.summary}\n"]
    with atomic_write(reproduction.directory / "claims.md") as file:
        file.write("\n".join(parts).encode())
