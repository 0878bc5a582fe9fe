"""How far runs in other processes are: each keeps a small file up to date, which one display follows.

The files lie in a folder of the process that started the runs. The same folder stops them: when it holds the
file :data:`STOP`, or is gone with all that was in it, a run ends at its next step as if by Ctrl-C.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mlzoo.errors import RunError
from mlzoo.files import write_json
from mlzoo.progress import Progress, format_values
from mlzoo.run_status import StopRequested

STOP = "stop"
PERIOD = 0.5  # seconds between two looks at the folder, and between two lines of news
MESSAGES = 20  # that are kept for a follower who was not quick


@dataclass(frozen=True)
class Standing:
    """How far a run is.

    Attributes:
        run: its name among the others, ``seed 3``.
        title: what it is at.
        done, total: epochs, or other things of which there are so many.
        values: the latest ones, as text.
        messages: the last lines for the person, oldest first.
        told: how many lines there were before these.
    """

    run: str
    title: str = ""
    done: int = 0
    total: int = 0
    values: str = ""
    messages: tuple[str, ...] = ()
    told: int = 0


class Followed(Progress):
    """Shows nothing itself: tells how far the run is, again and again."""

    def __init__(self, run: str, tell: Callable[[Standing], None]) -> None:
        """
        Args:
            run: its name among the others.
            tell: called with every change; what it raises ends the run.
        """
        super().__init__(quiet=True)
        self._standing = Standing(run)
        self._tell = tell

    def message(self, text: str) -> None:
        self.note(text)
        lines = (*self._standing.messages, text)
        told = self._standing.told + len(lines[:-MESSAGES])
        self._change(messages=lines[-MESSAGES:], told=told)

    def begin(self, title: str, total: int, done: int) -> None:
        super().begin(title, total, done)
        self._change(title=title, total=total, done=done, values="")

    def step(self, epoch: int, values: Mapping[str, float]) -> None:
        self._change(values=format_values(values))

    def epoch(self, epoch: int, total: int, values: Mapping[str, float]) -> None:
        self.note(self._line(epoch, total, values))
        self._change(done=epoch, total=total, values=format_values(values))

    def counted(self, done: int, total: int) -> None:
        self._change(done=done, total=total)

    def _change(self, **changes: object) -> None:
        self._standing = replace(self._standing, **changes)  # type: ignore[arg-type]
        self._tell(self._standing)


class Mark:
    """A run's file in the folder of the process that started it.

    Args:
        path: the file; its folder must exist, or nobody follows the run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_followed = path.parent.is_dir()
        self._next = 0.0
        if self.is_followed:
            path.touch()

    @property
    def is_stopped(self) -> bool:
        """Whether the run is to end."""
        return self.is_followed and not (
            self.path.exists() and not (self.path.parent / STOP).exists()
        )

    def tell(self, standing: Standing) -> None:
        """Keep the news, unless the last are younger than :data:`PERIOD`.

        Raises:
            StopRequested: the run is to end.
        """
        now = time.monotonic()
        if not self.is_followed or now < self._next:
            return
        self._next = now + PERIOD
        if self.is_stopped:
            raise StopRequested("stopped with the other runs")
        try:
            write_json(self.path, asdict(standing))
        except RunError:  # what nobody can see must not end the run
            return

    def remove(self) -> None:
        """The run is over."""
        self.path.unlink(missing_ok=True)


def marks(folder: Path) -> list[Path]:
    """The files of the runs that are going on."""
    return [path for path in folder.glob("*.json") if not path.name.startswith(".")]


def standings(folder: Path) -> Iterator[Standing]:
    """What the runs of a folder have told last; those that told nothing yet are left out."""
    for path in marks(folder):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            yield Standing(**{**told, "messages": tuple(told["messages"])})
        except (OSError, ValueError, TypeError, KeyError):  # not begun, or over just now
            continue
