"""One display for several runs: a bar for each that is going on and one for all, or plain lines."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from mlzoo.following import PERIOD, Standing

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class Display:
    """Plain lines: a run's messages, and one at every tenth part of it."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self.stream = stream or sys.stderr
        self.quiet = quiet
        self._lock = threading.Lock()  # runs of other processes are followed by a thread
        self._over: set[str] = set()
        self._told: dict[str, int] = {}
        self._tenths: dict[tuple[str, str], int] = {}

    def begin(self, total: int, done: int) -> None:
        """So many runs are wanted, and so many of them are there."""

    def message(self, text: str) -> None:
        """A line for the person."""
        if not self.quiet:
            self.show(text)

    def show(self, text: str) -> None:
        """Print one line."""
        print(text, file=self.stream, flush=True)

    def update(self, standing: Standing) -> None:
        """A run has told how far it is; one that is over is told no more."""
        with self._lock:
            if standing.run in self._over:
                return
            known = self._told.get(standing.run, 0)
            for text in standing.messages[max(0, known - standing.told) :]:
                self.message(f"{standing.run}: {text}")
            self._told[standing.run] = standing.told + len(standing.messages)
            if standing.total:
                self.advance(standing)

    def advance(self, standing: Standing) -> None:
        """Show where a run is."""
        key = standing.run, standing.title
        tenth = 10 * standing.done // standing.total
        if tenth > self._tenths.setdefault(key, tenth):
            self._tenths[key] = tenth
            where = f"{standing.title} {standing.done}/{standing.total}"
            self.message(f"{standing.run}: {where}  {standing.values}".rstrip())

    def ended(self, run: str, text: str) -> None:
        """A run is over, well or not; ``text`` says how."""
        with self._lock:
            self._over.add(run)
            self.finish(run)
            self.message(text)

    def finish(self, run: str) -> None:
        """Take a run out of what is going on."""

    def end(self) -> None:
        """No run is going on any more."""


class Bars(Display):
    """Bars in a terminal."""

    _bars: RichProgress | None = None
    _whole: TaskID

    def begin(self, total: int, done: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._tasks: dict[str, TaskID] = {}
        self._bars = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}", markup=False),
            console=Console(file=self.stream),
            transient=True,
        )
        self._whole = self._bars.add_task("runs", total=total, completed=done, values="")
        self._bars.start()

    def show(self, text: str) -> None:
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False)
        else:
            super().show(text)

    def advance(self, standing: Standing) -> None:
        if self._bars is None:
            return
        shown: dict[str, Any] = {
            "description": f"{standing.run}: {standing.title}",
            "total": standing.total,
            "completed": standing.done,
            "values": standing.values,
        }
        if standing.run in self._tasks:
            self._bars.update(self._tasks[standing.run], **shown)
        else:
            self._tasks[standing.run] = self._bars.add_task(**shown)

    def finish(self, run: str) -> None:
        if self._bars is not None:
            self._bars.advance(self._whole)
            if run in self._tasks:
                self._bars.remove_task(self._tasks.pop(run))

    def end(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


def default_display(quiet: bool = False) -> Display:
    """Bars when standard error is a terminal, plain lines otherwise."""
    return Bars() if not quiet and sys.stderr.isatty() else Display(quiet=quiet)


@contextmanager
def following(look: Callable[[], Iterable[Standing]], display: Display) -> Iterator[None]:
    """Show what ``look`` finds, every :data:`~mlzoo.following.PERIOD` seconds while the block goes on."""
    over = threading.Event()

    def poll() -> None:
        while not over.wait(PERIOD):
            for standing in look():
                display.update(standing)

    thread = threading.Thread(target=poll, name="mlzoo-following", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
