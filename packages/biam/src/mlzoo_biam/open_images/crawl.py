"""Very many images of a list of addresses: over many connections, gone on with after any stop.

What is in the folder is not fetched again. What cannot be had is listed in a csv, with the reason; a
later call tries again what may have been a passing trouble, and leaves alone what is gone for good.
Memory does not depend on the length of the list.
"""

from __future__ import annotations

import csv
import io
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlzoo.errors import DataError, RunError
from mlzoo.files import append_line, atomic_write, remove_leftovers, take_lock
from mlzoo.progress import Progress
from mlzoo_biam.open_images.fetch import ImageError, Rules, Stopped, Wanted, fetch_image

if TYPE_CHECKING:
    from requests import Session

HEAD = ("image", "url", "reason", "final")
PATIENCE = 5.0
"""Seconds that a stop waits for transfers to notice; later they end with the process."""


@dataclass
class Crawled:
    """How many images of a list: fetched now, there before, not to be had (now or known before)."""

    fetched: int = 0
    there: int = 0
    failed: int = 0
    gone: int = 0

    @property
    def done(self) -> int:
        """All of them."""
        return self.fetched + self.there + self.failed + self.gone


@dataclass(frozen=True)
class Place:
    """Where images go.

    Attributes:
        folder: of the images, ``<name>.jpg``.
        failed: the csv of those that could not be had.
    """

    folder: Path
    failed: Path

    def target(self, wanted: Wanted) -> Path:
        """The file of an image."""
        return self.folder / f"{wanted.name}.jpg"


def crawl(
    images: Iterable[Wanted],
    place: Place,
    *,
    total: int,
    connections: int = 32,
    rules: Rules | None = None,
    retry: bool = False,
    progress: Progress | None = None,
) -> Crawled:
    """Fetch the images that are not there.

    Args:
        images: read as they are needed.
        place: where they go.
        total: how many there are, for the progress.
        connections: at once.
        rules: of a transfer.
        retry: try again also what was found to be gone for good.
        progress: told how many are done.

    Raises:
        DataError: requests is missing.
        RunError: another process fetches into the folder, or it cannot be written.
        KeyboardInterrupt: passed on; what came is whole, and the same call goes on.
    """
    progress = progress or Progress(quiet=True)
    with _alone(place):
        gone = {} if retry else _known_gone(place)
        _begin_list(place, gone)
        counts = Crawled()
        progress.begin("images", total, 0)
        try:
            with _Workers(place, rules or Rules(), connections) as workers:
                for wanted in images:
                    if place.target(wanted).exists():
                        counts.there += 1
                    elif wanted.name in gone:
                        counts.gone += 1
                    else:
                        workers.give(wanted)
                    for result in workers.results(waiting=False):
                        _count(result, counts, place)
                    progress.counted(counts.done, max(total, counts.done))
                for result in workers.results(waiting=True):
                    _count(result, counts, place)
                    progress.counted(counts.done, max(total, counts.done))
        except KeyboardInterrupt:
            progress.message("stopped; the same command goes on from here.")
            raise
        finally:
            progress.end()
    return counts


@dataclass(frozen=True)
class _Result:
    wanted: Wanted
    error: Exception | None


def _count(result: _Result, counts: Crawled, place: Place) -> None:
    if result.error is None:
        counts.fetched += 1
    elif isinstance(result.error, ImageError):
        counts.failed += 1
        final = "yes" if result.error.final else "no"
        row = (result.wanted.name, result.wanted.url, str(result.error), final)
        append_line(place.failed, _csv_line(row))
    else:
        raise result.error


@dataclass
class _Workers:
    """Threads, each with a connection of its own, that take images from a short queue.

    They are daemons: one that hangs in a system call cannot keep a stopped process alive.
    """

    place: Place
    rules: Rules
    connections: int
    stop: threading.Event = field(default_factory=threading.Event)
    pending: int = 0

    def __enter__(self) -> _Workers:
        self.jobs: queue.SimpleQueue[Wanted | None] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[_Result] = queue.SimpleQueue()
        _session().close()  # that a library is missing is told here and not by every thread
        self.threads = [
            threading.Thread(target=self._work, daemon=True) for _ in range(self.connections)
        ]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop.set()
        for _ in self.threads:
            self.jobs.put(None)
        deadline = time.monotonic() + PATIENCE
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def give(self, wanted: Wanted) -> None:
        """Another image to fetch."""
        self.jobs.put(wanted)
        self.pending += 1

    def results(self, *, waiting: bool) -> Iterator[_Result]:
        """What is done; waits for all of it, or until the queue is short again."""
        while self.pending and (
            waiting or self.pending >= 2 * self.connections or not self.done.empty()
        ):
            result = self.done.get()
            self.pending -= 1
            yield result

    def _work(self) -> None:
        with _session() as session:
            while not self.stop.is_set() and (wanted := self.jobs.get()) is not None:
                error: Exception | None = None
                try:
                    target = self.place.target(wanted)
                    fetch_image(session, wanted, target, self.rules, self.stop)
                except Stopped:
                    return
                except Exception as caught:
                    error = caught
                self.done.put(_Result(wanted, error))


def _session() -> Session:
    try:
        import requests
    except ImportError as error:
        raise DataError(
            f"fetching images needs requests, which is not installed ({error}).",
            "pip install 'mlzoo-core[download]'",
        ) from error
    session = requests.Session()
    session.max_redirects = 5
    return session


@contextmanager
def _alone(place: Place) -> Iterator[None]:
    """One process at a time; what a killed one left half-written goes."""
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        lock = place.failed.with_suffix(".lock").open("ab")
    except OSError as error:
        raise RunError(f"cannot write {place.folder}: {error.strerror or error}.") from error
    with lock:
        try:
            take_lock(lock.fileno())
        except OSError as error:
            raise RunError(f"another process fetches into {place.folder}.", "Wait.") from error
        remove_leftovers(place.folder)
        yield


def _known_gone(place: Place) -> dict[str, list[str]]:
    """Rows of the csv by name, of the images that are gone for good and are not there all the same."""
    if not place.failed.exists():
        return {}
    with place.failed.open(encoding="utf-8", newline="", errors="replace") as file:
        rows = [row for row in csv.reader(file) if len(row) == len(HEAD) and row[3] == "yes"]
    return {row[0]: row for row in rows if not (place.folder / f"{row[0]}.jpg").exists()}


def _begin_list(place: Place, gone: Mapping[str, Sequence[str]]) -> None:
    """The csv anew; what fails in this call comes behind."""
    with atomic_write(place.failed) as out:
        out.write("".join(_csv_line(row) + "\n" for row in (HEAD, *gone.values())).encode())


def _csv_line(row: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue().replace("\n", " ").encode("utf-8", "replace").decode()
