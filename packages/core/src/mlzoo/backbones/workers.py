"""One extraction in several processes: each computes every so-manieth batch, one writes them in order.

The order and the bits of the rows are those of one process, and work that was stopped can be gone on
with in any number of them. The processes are new ones (``spawn``): a script of one's own that asks for
them needs ``if __name__ == "__main__":``.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import TypeAlias

import torch

from mlzoo.backbones.computing import Part, Task, computed
from mlzoo.errors import MlzooError, RunError
from mlzoo.signals import children_without_interrupts

AHEAD = 2
"""Parts that a process may have ready while the one that writes is at others."""

PATIENCE = 10  # seconds for a process to end by itself

Batches: TypeAlias = Sequence[Sequence[str]]


def computed_by(processes: int, task: Task, batches: Batches) -> Generator[Part, None, None]:
    """A part for each batch, in their order.

    Raises:
        RunError: a process ended before its work was done, or failed for no reason of ours.
        MlzooError: what a process has raised.
    """
    context = multiprocessing.get_context("spawn")
    workers: list[tuple[SpawnProcess, Connection]] = []
    try:
        for number in range(processes):
            ours, theirs = context.Pipe()
            own = replace(task, device=_device(task.device, number))
            words = (own, _threads(processes), theirs)
            process = context.Process(target=_work, args=words, daemon=True)
            with children_without_interrupts():
                process.start()
            theirs.close()
            workers.append((process, ours))
        for number, (_, ours) in enumerate(workers):
            with suppress(ConnectionError):  # long lists wait until the process is awake
                ours.send(batches[number::processes])
        for number in range(len(batches)):
            which = number % processes
            yield _received(*workers[which], f"process {which + 1} of {processes}")
    finally:
        for process, ours in workers:
            ours.close()  # a process that wants to send ends then
            process.terminate()
        for process, _ in workers:
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()


def _received(process: SpawnProcess, ours: Connection, who: str) -> Part:
    try:
        answer: Part | MlzooError | str = ours.recv()
    except (EOFError, ConnectionError) as error:
        process.join(PATIENCE)
        raise RunError(
            f"{who} ended early ({_ending(process.exitcode)}).",
            "The same call goes on from here; with less memory at hand, use fewer processes or smaller "
            "batches.",
        ) from error
    if isinstance(answer, MlzooError):
        raise answer
    if isinstance(answer, str):
        raise RunError(f"{who} failed: {answer}")
    return answer


def _ending(code: int | None) -> str:
    if code is None:
        return "it does not answer"
    if code < 0:
        with suppress(ValueError):
            return f"by {signal.Signals(-code).name}"
    return f"exit status {code}"


def _threads(processes: int) -> int:
    """Of each process: a share of what one would compute with, which changes no bit."""
    return max(1, torch.get_num_threads() // processes)


def _device(name: str, number: int) -> str:
    """Processes are dealt out to the GPUs there are, unless one is named."""
    count = torch.cuda.device_count() if name == "cuda" else 0
    return f"cuda:{number % count}" if count > 1 else name


def _work(task: Task, threads: int, pipe: Connection) -> None:
    """What a process does: parts or, at the end, what went wrong go through the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    with ThreadPoolExecutor(1) as sending:
        waiting: list[Future[None]] = []
        try:
            for part in computed(task, task.placed(task.read()), pipe.recv()):
                waiting.append(sending.submit(pipe.send, part))
                if len(waiting) > AHEAD:
                    waiting.pop(0).result()
            for each in waiting:
                each.result()
        except (EOFError, ConnectionError):  # nobody listens any more
            os._exit(1)
        except MlzooError as error:
            sending.submit(pipe.send, error)
        except Exception as error:
            sending.submit(pipe.send, f"{type(error).__name__}: {error}")
