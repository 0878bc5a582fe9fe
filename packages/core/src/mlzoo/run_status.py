"""Keeps ``run.json`` true while a run trains: done, failed, or interrupted and resumable."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from mlzoo.errors import MlzooError, RunError, UsageError
from mlzoo.progress import Progress
from mlzoo.run_directory import RunInfo, peak_memory_mb
from mlzoo.signals import as_interrupt, held_back


class StopRequested(Exception):  # noqa: N818 - not an error: the run is left resumable on purpose
    """Training was asked to stop after some epochs (``--stop-after``)."""


class Interrupted(RunError):  # noqa: N818 - not an error: the run is left resumable on purpose
    """Ctrl-C, SIGTERM or ``stop_after``: the run can be resumed."""

    exit_code = 130


@contextmanager
def keeping_status(info: RunInfo, directory: Path, progress: Progress) -> Iterator[None]:
    """Keeps run.json true, whatever happens inside."""
    started = time.time()
    earlier = float(info.facts.get("seconds", 0.0))
    info.update(status="running", started=info.facts.get("started", _iso(started)), error=None)

    def close(status: str, error: str | None = None) -> None:
        info.update(
            status=status,
            error=error,
            finished=_iso(time.time()),
            seconds=round(earlier + time.time() - started, 2),
            peak_memory_mb=peak_memory_mb(),
        )

    try:
        with as_interrupt():
            yield
    except (KeyboardInterrupt, StopRequested) as error:
        reason = str(error) or "interrupted"
        with held_back():  # a second Ctrl-C
            close("interrupted", reason)
            progress.note(reason)
        fix = f"Go on with: mlzoo resume {quote(str(directory))}"
        raise Interrupted(f"{reason}.", fix) from error
    except BaseException as error:
        close("failed", f"{type(error).__name__}: {error}")
        progress.note(f"failed: {error}")
        if isinstance(error, MlzooError) and not isinstance(error, UsageError):
            error.fix = f"{error.fix} The run is kept in {directory}.".strip()
        raise
    close("done")


@contextmanager
def taking_part() -> Iterator[None]:
    """The same for a process that leaves run.json to the main one."""
    try:
        with as_interrupt():
            yield
    except (KeyboardInterrupt, StopRequested) as error:
        raise Interrupted(f"{error}.") from error


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))
