"""Many runs of one experiment: one after the other, or several at once through joblib."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlzoo.errors import MlzooError, RunError, UsageError
from mlzoo.experiment import Result, execute
from mlzoo.machine import Machine
from mlzoo.planning import Plan
from mlzoo.session import Settings


@dataclass(frozen=True)
class Outcome:
    """A run that ended: its result, or why there is none."""

    seed: int
    result: Result | None = None
    error: MlzooError | None = None


def run_each(
    plans: Sequence[Plan], *, out: Path, machine: Machine, settings: Settings, jobs: int = 1
) -> Iterator[Outcome]:
    """Run plans that differ in their seed alone; yields them as they end.

    One after the other they share the data in memory and the first failure ends them. Several at
    once, each process has data and a share of the processor's cores of its own (so results may
    differ by rounding from those of a process with all cores), and a failure leaves the others be.

    Raises:
        MlzooError: a run failed, with one job.
        UsageError: several jobs of several processes each.
    """
    require_one_way(jobs, machine)
    if jobs > 1 and len(plans) > 1:
        yield from _at_once(plans, out, machine, settings, min(jobs, len(plans)))
        return
    data = plans[0].load_data()  # a seed changes nothing in it
    for plan in plans:
        result = execute(plan, out=out, machine=machine, settings=settings, data=data)
        yield Outcome(plan.options.run.seed, result)


def require_one_way(jobs: int, machine: Machine) -> None:
    """Several runs at once, or several processes for one.

    Raises:
        UsageError: both are asked for.
    """
    if jobs > 1 and machine.devices > 1:
        raise UsageError("--jobs and --devices exclude each other.", "Choose one of them.")


def _at_once(
    plans: Sequence[Plan], out: Path, machine: Machine, settings: Settings, jobs: int
) -> Iterator[Outcome]:
    from joblib import Parallel, delayed

    quiet = settings.portable(quiet=True)
    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered")
    yield from parallel(delayed(_one)(plan, out, machine, quiet) for plan in plans)


def _one(plan: Plan, out: Path, machine: Machine, settings: Settings) -> Outcome:
    """In a process of its own."""
    seed = plan.options.run.seed
    try:
        result = execute(plan, out=out, machine=machine, settings=settings)
    except MlzooError as error:
        return Outcome(seed, error=error)
    except Exception as error:  # the other runs go on
        return Outcome(seed, error=RunError(f"{type(error).__name__}: {error}"))
    return Outcome(seed, replace(result, results=dict(result.results)))
