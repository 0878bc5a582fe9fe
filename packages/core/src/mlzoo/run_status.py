"""Keeps ``run.json`` true while a run trains: done, failed, or interrupted and resumable."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    told_by_main = True


@contextmanager
def keeping_status(
    info: RunInfo,
    directory: Path,
    progress: Progress,
    *,
    what: str = "run",
    go_on: str = "mlzoo resume",
) -> Iterator[None]:
    """Keeps run.json true, whatever happens inside.

    Args:
        what: lies in the directory.
        go_on: the command that goes on with it.
    """
    started, start = time.time(), time.monotonic()  # the clock may be set back meanwhile
    earlier = float(info.facts.get("seconds", 0.0))
    info.update(status="running", started=info.facts.get("started", _iso(started)), error=None)

    def close(status: str, error: str | None = None) -> None:
        info.update(
            status=status,
            error=error,
            finished=_iso(time.time()),
            seconds=round(earlier + time.monotonic() - start, 2),
            peak_memory_mb=peak_memory_mb(),
        )

    stopped: list[str] = []
    try:
        with as_interrupt() as stopped:
            yield
    except BaseException as error:
        on_purpose = _what_stopped(stopped, error)
        status = "interrupted" if on_purpose else "failed"
        told = on_purpose or f"{type(error).__name__}: {error}"
        # What cannot be written now must not hide why, nor a second Ctrl-C what is written.
        with suppress(RunError), held_back():
            close(status, told)
            progress.note(told)
        if on_purpose:
            fix = f"Go on with: {go_on} {quote(str(directory))}"
            raise Interrupted(f"{told}.", fix) from error
        if isinstance(error, MlzooError) and not isinstance(error, UsageError):
            error.fix = f"{error.fix} The {what} is kept in {directory}.".strip()
        raise
    close("done")


@contextmanager
def taking_part() -> Iterator[None]:
    """The same for a process that leaves run.json to the main one."""
    stopped: list[str] = []
    try:
        with as_interrupt() as stopped:
            yield
    except BaseException as error:
        if told := _what_stopped(stopped, error):
            raise Interrupted(f"{told}.") from error
        raise


def _what_stopped(stopped: list[str], error: BaseException) -> str:
    """Why training ended on purpose; empty if it failed."""
    if stopped or isinstance(error, KeyboardInterrupt | StopRequested):
        return next(iter(stopped), str(error) or "interrupted")
    return ""


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))
