"""What a person sees while a run goes on: a bar in a terminal, one line an epoch elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mlzoo.files import append_line

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


def format_values(values: Mapping[str, float]) -> str:
    """``loss 0.693  accuracy 83.1``."""
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items())


class Progress:
    """Plain text: one line an epoch on ``stream`` and in the run's ``log.txt``."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self.stream = stream or sys.stderr
        self.quiet = quiet
        self.log_file: Path | None = None
        self._started = time.monotonic()
        self._title, self._tenth = "", 0

    def message(self, text: str) -> None:
        """A line for the person and the log."""
        self.note(text)
        if not self.quiet:
            self.show(text)

    def note(self, text: str) -> None:
        """A line for the log alone."""
        if self.log_file is not None:
            stamp = time.strftime("%H:%M:%S")
            append_line(self.log_file, f"{stamp} {text}")

    def show(self, text: str) -> None:
        """Print one line to the person."""
        print(text, file=self.stream, flush=True)

    def begin(self, title: str, total: int, done: int) -> None:
        """Training starts, or goes on after ``done`` epochs; or other work of ``total`` things."""
        self._started = time.monotonic()
        self._title, self._tenth = title, 10 * done // total if total else 0

    def step(self, epoch: int, values: Mapping[str, float]) -> None:
        """A step was logged."""

    def epoch(self, epoch: int, total: int, values: Mapping[str, float]) -> None:
        """An epoch is complete."""
        self.message(self._line(epoch, total, values))

    def counted(self, done: int, total: int) -> None:
        """So many things of those announced are done: a line at every tenth part of them."""
        tenth = 10 * done // total
        if tenth > self._tenth:
            self._tenth = tenth
            seconds = time.monotonic() - self._started
            self.message(f"{self._title} {done}/{total}  [{seconds:.0f} s]")

    def _line(self, epoch: int, total: int, values: Mapping[str, float]) -> str:
        seconds = time.monotonic() - self._started
        return f"epoch {epoch}/{total}  {format_values(values)}  [{seconds:.0f} s]"

    def end(self) -> None:
        """Training is over, well or not."""


class BarProgress(Progress):
    """A rich progress bar; log.txt gets the plain lines."""

    _bar: RichProgress | None = None
    _task: TaskID | None = None

    def show(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            super().show(text)

    def begin(self, title: str, total: int, done: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        super().begin(title, total, done)
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}"),
            console=Console(file=self.stream),
            transient=True,
        )
        self._task = self._bar.add_task(title, total=total, completed=done, values="")
        self._bar.start()

    def step(self, epoch: int, values: Mapping[str, float]) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, values=format_values(values))

    def epoch(self, epoch: int, total: int, values: Mapping[str, float]) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=epoch, values=format_values(values))
        self.note(self._line(epoch, total, values))  # the person sees the bar

    def counted(self, done: int, total: int) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def default_progress(quiet: bool = False) -> Progress:
    """A bar when standard error is a terminal, plain lines otherwise."""
    if not quiet and sys.stderr.isatty():
        return BarProgress()
    return Progress(quiet=quiet)
