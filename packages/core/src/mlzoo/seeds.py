"""Many runs of one experiment: one after the other, or several at once through joblib."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from mlzoo.errors import MlzooError, RunError, UsageError
from mlzoo.experiment import Interrupted, Result, execute
from mlzoo.machine import Machine
from mlzoo.planning import Plan, Repetition
from mlzoo.session import Settings
from mlzoo.signals import as_interrupt

STOP = "stop"  # a file by which no further run is begun
GRACE = 2.0  # seconds for runs that Ctrl-C in a terminal has stopped, too: a second signal disturbs
PATIENCE = 20.0  # seconds for the others to close when they are told, before they are killed


@dataclass(frozen=True)
class Outcome:
    """A run that ended: its result, or why there is none."""

    repetition: Repetition
    result: Result | None = None
    error: MlzooError | None = None


def run_each(
    plans: Sequence[Plan], *, out: Path, machine: Machine, settings: Settings, jobs: int = 1
) -> Iterator[Outcome]:
    """Run plans that differ in their seed and their data's repetition alone; yields them as they end.

    One after the other, neighbours on the same data share it and the first failure ends them. Several at
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
    for _, alike in groupby(plans, key=lambda plan: plan.options.dataset):
        first, *others = alike
        data = first.load_data()  # a seed changes nothing in it
        for plan in (first, *others):
            result = execute(plan, out=out, machine=machine, settings=settings, data=data)
            yield Outcome(plan.repetition, result)
        del data  # before the next is loaded


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
    with TemporaryDirectory(prefix="mlzoo-jobs-") as name:
        working = Path(name)
        # joblib kills its processes when it is interrupted, so the runs are stopped before it is
        with as_interrupt(before=partial(_stop, working)):
            parallel = Parallel(n_jobs=jobs, return_as="generator_unordered")
            yield from parallel(delayed(_one)(plan, out, machine, quiet, working) for plan in plans)


def _stop(working: Path) -> None:
    """Stop the runs that the processes in ``working`` have begun, and wait until they are closed."""
    (working / STOP).touch()
    if not _none_left(working, GRACE):
        for path in _marks(working):
            with suppress(ProcessLookupError):
                os.kill(int(path.name), signal.SIGTERM)
        _none_left(working, PATIENCE)


def _marks(working: Path) -> list[Path]:
    return [path for path in working.iterdir() if path.name != STOP]


def _none_left(working: Path, seconds: float) -> bool:
    """Wait at most so long until no process is at a run."""
    deadline = time.monotonic() + seconds
    while _marks(working) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _marks(working)


def _one(plan: Plan, out: Path, machine: Machine, settings: Settings, working: Path) -> Outcome:
    """In a process of its own, which leaves its number in ``working`` while it is at it."""
    mark = working / str(os.getpid())
    try:
        with as_interrupt():
            mark.touch()
            if (working / STOP).exists():
                return Outcome(plan.repetition, error=Interrupted("not begun."))
            result = execute(plan, out=out, machine=machine, settings=settings)
    except MlzooError as error:
        return Outcome(plan.repetition, error=error)
    except KeyboardInterrupt as error:
        return Outcome(plan.repetition, error=Interrupted(f"{error}."))
    except Exception as error:  # the other runs go on
        reason = f"{type(error).__name__}: {error}"
        return Outcome(plan.repetition, error=RunError(reason))
    finally:
        mark.unlink(missing_ok=True)
    return Outcome(plan.repetition, replace(result, results=dict(result.results)))
