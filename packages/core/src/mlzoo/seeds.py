"""Many runs of one experiment: one after the other, or several at once through joblib.

Several at once are processes of this machine, or tasks of a Dask cluster (:mod:`mlzoo.cluster`), whose
workers must see the folder of the runs where this machine sees it. A worker trains one run at a time,
whatever its threads: random streams belong to a process.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlzoo.displays import Display, following
from mlzoo.errors import MlzooError, RunError, UsageError
from mlzoo.experiment import Interrupted, Result, execute, go_on
from mlzoo.files import write_json
from mlzoo.following import STOP, Followed, Mark, marks, standings
from mlzoo.machine import Machine
from mlzoo.planning import Plan, Repetition
from mlzoo.report.numbers import name_of
from mlzoo.restarting import look_through
from mlzoo.run_directory import RunRecord
from mlzoo.session import Settings
from mlzoo.signals import as_interrupt

if TYPE_CHECKING:
    from mlzoo.contracts import TaskData

GRACE = 2.0  # seconds for runs that Ctrl-C in a terminal has stopped, too: a second signal disturbs
PATIENCE = 20.0  # seconds for the others to close when they are told, before they are killed
JOBS = ".mlzoo-jobs-"  # the folder through which the runs of a cluster are followed

_ALONE = threading.Lock()


@dataclass(frozen=True)
class Outcome:
    """A run that ended: its result, or why there is none.

    ``files`` are those of the folder of a run that was made on another machine, by name.
    """

    repetition: Repetition
    result: Result | None = None
    error: MlzooError | None = None
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Together:
    """How runs are made beside each other and after each other.

    Attributes:
        jobs: so many at once; None for as many as a cluster takes, or one here.
        client: of a Dask cluster (:func:`mlzoo.cluster.connected`); None for this machine.
        keep_going: a failure leaves the others be, also where they are made one after the other.
        unfinished: folders of runs to go on with; the others begin anew.
        display: for all runs; each shows its own progress otherwise, or none if several are made at once.
    """

    jobs: int | None = None
    client: Any = None
    keep_going: bool = False
    unfinished: Mapping[Repetition, Path] = field(default_factory=dict)
    display: Display | None = None


@dataclass(frozen=True)
class _Work:
    """What the runs have in common, for whatever process makes them."""

    out: Path
    machine: Machine
    settings: Settings
    unfinished: Mapping[Repetition, Path]
    elsewhere: bool = False

    def do(self, plan: Plan, data: TaskData | None = None) -> Result:
        """Begin a run, or go on with it."""
        directory = self.unfinished.get(plan.repetition)
        if self.elsewhere and directory is None:  # a task of a worker that died is given to another
            found = look_through([plan], self.out)
            if record := found.done.get(plan.repetition):
                return Result(record.directory, record.results["metrics"], record.results)
            directory = found.unfinished.get(plan.repetition)
        if directory is not None:
            return go_on(plan, directory, machine=self.machine, settings=self.settings, data=data)
        return execute(plan, out=self.out, machine=self.machine, settings=self.settings, data=data)


def run_each(
    plans: Sequence[Plan],
    *,
    out: Path,
    machine: Machine,
    settings: Settings,
    jobs: int = 1,
    together: Together | None = None,
) -> Iterator[Outcome]:
    """Run plans that differ in their seed and their data's repetition alone; yields them as they end.

    One after the other, neighbours on the same data share it and the first failure ends them. Several at
    once, each process has data and a share of the processor's cores of its own (so results may
    differ by rounding from those of a process with all cores), and a failure leaves the others be.

    Args:
        together: says more than ``jobs``, and takes its place.

    Raises:
        MlzooError: a run failed, with one job.
        RunError: a process with a run was killed.
        UsageError: several jobs of several processes each.
    """
    how = together or Together(jobs)
    jobs = min(how.jobs or 1, len(plans))
    require_one_way(jobs, machine)
    work = _Work(out, machine, settings, how.unfinished, how.client is not None)
    if how.client is not None or jobs > 1:
        yield from _at_once(plans, work, how)
    else:
        yield from _one_after_the_other(plans, work, how)


def require_one_way(jobs: int, machine: Machine) -> None:
    """Several runs at once, or several processes for one.

    Raises:
        UsageError: both are asked for.
    """
    if jobs > 1 and machine.devices > 1:
        raise UsageError("--jobs and --devices exclude each other.", "Choose one of them.")


def told(outcome: Outcome, number: int, total: int) -> str:
    """One line about a run of several that ended."""
    where = f"[{number}/{total}] {name_of(outcome.repetition)}"
    if outcome.result is None:
        return f"{where} failed: {outcome.error}"
    main = outcome.result.results["main_metric"]
    value = outcome.result.metrics.get("test", {}).get(main)
    return f"{where}: test {main} {math.nan if value is None else value:.4g}"


def _one_after_the_other(plans: Sequence[Plan], work: _Work, how: Together) -> Iterator[Outcome]:
    for _, alike in groupby(plans, key=lambda plan: plan.options.dataset):
        first, *others = alike
        try:
            data = first.load_data()  # a seed changes nothing in it
        except Exception as error:
            if not how.keep_going:
                raise
            yield from (_failed(plan, error) for plan in (first, *others))
            continue
        for plan in (first, *others):
            try:
                outcome = Outcome(plan.repetition, _shown(plan, work, how).do(plan, data))
            except (Interrupted, UsageError):  # what is asked for is wrong for all of them
                raise
            except Exception as error:
                if not how.keep_going:
                    raise
                outcome = _failed(plan, error)
            yield outcome
        del data  # before the next is loaded


def _shown(plan: Plan, work: _Work, how: Together) -> _Work:
    """With the progress of one run on the display of all."""
    if how.display is None:
        return work
    progress = Followed(name_of(plan.repetition), how.display.update)
    return replace(work, settings=replace(work.settings, progress=progress))


def _failed(plan: Plan, error: BaseException) -> Outcome:
    if not isinstance(error, MlzooError):
        error = RunError(f"{type(error).__name__}: {error}")
    return Outcome(plan.repetition, error=error)


def _at_once(plans: Sequence[Plan], work: _Work, how: Together) -> Iterator[Outcome]:
    from joblib import delayed

    work = replace(work, settings=work.settings.portable(quiet=True))
    with ExitStack() as entered, _folder(work) as folder:
        # joblib kills its processes when it is interrupted, so the runs are stopped before it is
        stop = partial(_stop, folder, kill=not work.elsewhere)
        entered.enter_context(as_interrupt(before=stop))
        if how.display is not None:
            entered.enter_context(following(partial(standings, folder), how.display))
        try:
            for outcome in _parallel(how)(delayed(_one)(plan, work, folder) for plan in plans):
                _bring_home(outcome)
                yield outcome
        except BrokenExecutor as error:
            raise RunError(
                "a process with a run was killed (too little memory?), and those beside it with it."
            ) from error


def remove_stale(out: Path) -> None:
    """Folders that processes which were killed left; a run that still looks into one ends."""
    for left in out.glob(f"{JOBS}*"):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _folder(work: _Work) -> Iterator[Path]:
    """Where runs tell how far they are; those of a cluster see it as they see the folder of the runs."""
    if work.elsewhere:
        work.out.mkdir(parents=True, exist_ok=True)
    parent = work.out if work.elsewhere else None
    with TemporaryDirectory(prefix=JOBS, dir=parent, ignore_cleanup_errors=True) as name:
        yield Path(name)


def _parallel(how: Together) -> Callable[..., Iterator[Outcome]]:
    from joblib import Parallel

    unordered: dict[str, Any] = {"return_as": "generator_unordered", "batch_size": 1}
    if how.client is None:
        found: Callable[..., Iterator[Outcome]] = Parallel(n_jobs=how.jobs, **unordered)
    else:
        from mlzoo.cluster import backend

        unordered |= {"backend": backend(how.client, _failed), "n_jobs": -1}
        found = Parallel(pre_dispatch=how.jobs or "all", **unordered)
    return found


def _stop(folder: Path, *, kill: bool) -> None:
    """Stop the runs that others have begun, and wait until they are closed."""
    (folder / STOP).touch()
    if kill and not _none_left(folder, GRACE):
        for path in marks(folder):
            with suppress(ProcessLookupError):
                os.kill(int(path.stem.rpartition("-")[2]), signal.SIGTERM)
    _none_left(folder, PATIENCE)


def _none_left(folder: Path, seconds: float) -> bool:
    """Wait at most so long until no process is at a run."""
    deadline = time.monotonic() + seconds
    while marks(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not marks(folder)


def _one(plan: Plan, work: _Work, folder: Path) -> Outcome:
    """In a process of its own, which keeps a mark in ``folder`` while it is at it."""
    with _ALONE:
        mark = Mark(folder / f"{socket.gethostname()}-{os.getpid()}.json")
        progress = Followed(name_of(plan.repetition), mark.tell)
        work = replace(work, settings=replace(work.settings, progress=progress))
        try:
            with as_interrupt():
                if mark.is_stopped:
                    return _failed(plan, Interrupted("not begun."))
                result = work.do(plan)
        except KeyboardInterrupt as error:
            return _failed(plan, Interrupted(f"{error}."))
        except Exception as error:  # the other runs go on
            return _failed(plan, error)
        finally:
            mark.remove()
    files = _files(result.directory) if work.elsewhere else {}
    return Outcome(plan.repetition, replace(result, results=dict(result.results)), files=files)


def _files(directory: Path) -> dict[str, dict[str, Any]]:
    record = RunRecord(directory)
    facts = {**record.info, "kept_on": socket.gethostname()}
    return {"config.json": record.config, "results.json": record.results, "run.json": facts}


def _bring_home(outcome: Outcome) -> None:
    """Of a run on a machine that shares no disk with this one, keep here what reports read."""
    result = outcome.result
    if result is None or not outcome.files or (result.directory / "run.json").exists():
        return
    with suppress(OSError):
        result.directory.mkdir(parents=True, exist_ok=True)
    for name, content in outcome.files.items():
        write_json(result.directory / name, content)
