"""Signals that stop a run: never in the middle of a write, never ignored.

An exception that Python raises out of a signal handler while a C library calls back, as torch does
to write a checkpoint, comes out as something else, or is lost. So signals wait while files are
written, and stop the run right after.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Handler = Callable[[int, Any], None]

STOPPING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@contextmanager
def held_back() -> Iterator[None]:
    """Signals that arrive inside are delivered when the block has ended."""
    arrived: list[int] = []
    try:
        with _handled_by(lambda number, frame: arrived.append(number)):
            yield
    finally:
        for number in dict.fromkeys(arrived):
            signal.raise_signal(number)


@contextmanager
def as_interrupt(before: Callable[[], object] | None = None) -> Iterator[list[str]]:
    """A scheduler's SIGTERM and a closed terminal's SIGHUP act like Ctrl-C.

    Args:
        before: called first when a signal arrives.

    Yields:
        What stopped the block, as soon as it does: an exception raised while Python imports a
        module, for one, may leave the block as another error.
    """
    reasons: list[str] = []

    def interrupt(number: int, frame: object) -> None:
        reasons.append(f"stopped by {signal.Signals(number).name}")
        if before is not None:
            before()
        raise KeyboardInterrupt(reasons[-1])

    with _handled_by(interrupt):
        yield reasons


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Whatever handlers a library sets inside, the present ones come back."""
    with _handled_by(None):
        yield


@contextmanager
def children_without_interrupts() -> Iterator[None]:
    """Processes started inside never see Ctrl-C; they are ended by the one that started them."""
    if sys.platform == "win32":
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


@contextmanager
def _handled_by(handler: Handler | None) -> Iterator[None]:
    """Replace the handlers of signals that are not ignored (``nohup`` ignores SIGHUP); None leaves
    that to what runs inside. The former ones come back."""
    if threading.current_thread() is not threading.main_thread():  # Python allows it there only
        yield
        return
    previous: dict[int, Any] = {}
    try:
        for number in STOPPING:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                previous[number] = signal.getsignal(number)
                if handler is not None:
                    signal.signal(number, handler)
        yield
    finally:
        for number, former in previous.items():
            signal.signal(number, former)
