"""Processes that work side by side and answer through pipes, in an order that does not depend on chance.

The processes are new ones (``spawn``): a script of one's own that asks for them needs
``if __name__ == "__main__":``. They end with the block that started them, with the process that did so
however it ends, and never see Ctrl-C themselves.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from mlzoo.errors import MlzooError, RunError
from mlzoo.signals import children_without_interrupts

AHEAD = 2
"""Answers that a process may have ready while the one that takes them is at others."""

PATIENCE = 10  # seconds for a process to end by itself


class Answers:
    """A process's side of the pipe."""

    def __init__(self, pipe: Connection, sending: ThreadPoolExecutor) -> None:
        self._pipe, self._sending = pipe, sending
        self._waiting: list[Future[None]] = []

    def given(self) -> Any:
        """What this process is to do; waits for it."""
        return self._pipe.recv()

    def send(self, answer: Any, content: memoryview | None = None) -> None:
        """The next answer; waits while :data:`AHEAD` others have not been taken.

        Args:
            answer: no error and no text.
            content: bytes that follow it as they are; must not change any more.
        """
        self._waiting.append(self._sending.submit(self._send, answer, content))
        if len(self._waiting) > AHEAD:
            self._waiting.pop(0).result()

    def finish(self) -> None:
        """Wait until all is sent."""
        for each in self._waiting:
            each.result()

    def _send(self, answer: Any, content: memoryview | None = None) -> None:
        self._pipe.send(answer)
        if content is not None:
            self._pipe.send_bytes(content)


class Worker:
    """One of several processes, as the one that started it sees it."""

    def __init__(self, process: SpawnProcess, pipe: Connection, who: str, fix: str) -> None:
        self._process, self._pipe, self._who, self._fix = process, pipe, who, fix

    def give(self, what: Any) -> None:
        """Tell it what to do; waits until it is awake if that is long."""
        with suppress(ConnectionError):  # one that has ended is told when its answer is asked for
            self._pipe.send(what)

    def received(self, into: memoryview | None = None) -> Any:
        """Its next answer.

        Args:
            into: room for the bytes that follow it, of their length.

        Raises:
            RunError: it ended before its work was done, or failed for no reason of ours.
            MlzooError: what it has raised.
        """
        try:
            answer = self._pipe.recv()
            if into is not None and not isinstance(answer, MlzooError | str):
                self._pipe.recv_bytes_into(into)
        except (EOFError, ConnectionError) as error:
            self._process.join(PATIENCE)
            ending = _ending(self._process.exitcode)
            raise RunError(f"{self._who} ended early ({ending}).", self._fix) from error
        if isinstance(answer, MlzooError):
            raise answer
        if isinstance(answer, str):
            raise RunError(f"{self._who} failed: {answer}")
        return answer

    def end(self) -> None:
        """Do not wait for what it is at."""
        self._pipe.close()  # a process that wants to send ends then
        self._process.terminate()

    def wait(self) -> None:
        """Until it has ended."""
        self._process.join(PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


@contextmanager
def started(
    work: Callable[..., None], words: Sequence[tuple[Any, ...]], fix: str = ""
) -> Iterator[list[Worker]]:
    """A process for each tuple of words, which calls ``work(*words, answers)``; they end with the block.

    Args:
        work: a function of a module; what it raises becomes its last answer.
        words: pickled.
        fix: what to do if a process is ended by somebody else.
    """
    context = multiprocessing.get_context("spawn")
    workers: list[Worker] = []
    try:
        for number, own in enumerate(words, start=1):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(work, own, theirs), daemon=True)
            with children_without_interrupts():
                process.start()
            theirs.close()
            workers.append(Worker(process, ours, f"process {number} of {len(words)}", fix))
        yield workers
    finally:
        for worker in workers:
            worker.end()
        for worker in workers:
            worker.wait()


def _ending(code: int | None) -> str:
    if code is None:
        return "it does not answer"
    if code < 0:
        with suppress(ValueError):
            return f"by {signal.Signals(-code).name}"
    return f"exit status {code}"


def _work(work: Callable[..., None], words: tuple[Any, ...], pipe: Connection) -> None:
    """What a process does: answers or, at the end, what went wrong go through the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with ThreadPoolExecutor(1) as sending:
        answers = Answers(pipe, sending)
        try:
            work(*words, answers)
            answers.finish()
        except (EOFError, ConnectionError):  # nobody listens any more
            os._exit(1)
        except MlzooError as error:
            sending.submit(pipe.send, error)
        except Exception as error:
            sending.submit(pipe.send, f"{type(error).__name__}: {error}")
