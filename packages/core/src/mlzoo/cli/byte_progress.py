"""Progress in bytes on standard error: bars in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from mlzoo.data.manifest import Progress, human_size, status
from mlzoo.specs import DatasetSpec

Labels = Mapping[str, tuple[str, int | None]]

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def byte_progress(labels: Labels, done: Mapping[str, int] | None = None) -> Iterator[Progress]:
    """A callback ``(key, bytes more)`` that shows how far each key is.

    Args:
        labels: by key, what the person reads and the size in bytes, None if it is unknown.
        done: bytes that are there already.
    """
    if sys.stderr.isatty():
        with _bars(labels, done or {}) as advance:
            yield advance
    else:
        yield _Lines(labels, done or {}).advance


def checking(spec: DatasetSpec, root: Path) -> Labels:
    """Labels for the files whose checksums are compared."""
    return {str(f.path): (f"check {f.file.path}", f.file.size) for f in status(spec, root)}


@contextmanager
def _bars(labels: Labels, done: Mapping[str, int]) -> Iterator[Progress]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    text = TextColumn("{task.description}")
    tasks: dict[str, TaskID] = {}
    with Bars(text, *columns, console=Console(stderr=True), transient=True) as bars:

        def advance(key: str, count: int) -> None:
            if key not in tasks:
                label, total = labels.get(key, (key, None))
                tasks[key] = bars.add_task(escape(label), total=total, completed=done.get(key, 0))
            bars.advance(tasks[key], count)

        yield advance


class _Lines:
    """Plain text: what is worked on, and from time to time how far it is."""

    def __init__(self, labels: Labels, done: Mapping[str, int]) -> None:
        self.labels = labels
        self.sums = dict(done)
        self.last = 0.0
        self.key = ""

    def advance(self, key: str, count: int) -> None:
        self.sums[key] = self.sums.get(key, 0) + count
        now = time.monotonic()
        if key == self.key and now - self.last < SECONDS_BETWEEN_LINES:
            return
        self.key, self.last = key, now
        label, total = self.labels.get(key, (key, None))
        known = f" of {human_size(total)}" if total is not None else ""
        click.echo(f"{label}: {human_size(self.sums[key])}{known}", err=True)
