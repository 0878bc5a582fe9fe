"""One extraction in several processes: each computes every so-manieth batch, one writes them in order.

The order and the bits of the rows are those of one process, and work that was stopped can be gone on
with in any number of them. The processes are new ones (``spawn``): a script of one's own that asks for
them needs ``if __name__ == "__main__":``.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TypeAlias

import torch

from mlzoo.backbones.computing import Part, Task, computed
from mlzoo.processes import Answers, started

Batches: TypeAlias = Sequence[Sequence[str]]

FIX = "The same call goes on from here; with less memory at hand, use fewer processes or smaller batches."


def computed_by(processes: int, task: Task, batches: Batches) -> Generator[Part, None, None]:
    """A part for each batch, in their order.

    Raises:
        RunError: a process ended before its work was done, or failed for no reason of ours.
        MlzooError: what a process has raised.
    """
    words = [
        (replace(task, device=_device(task.device, number)), _threads(processes))
        for number in range(processes)
    ]
    with started(_compute, words, FIX) as workers:
        for number, worker in enumerate(workers):
            worker.give(batches[number::processes])
        for number in range(len(batches)):
            yield workers[number % processes].received()


def _threads(processes: int) -> int:
    """Of each process: a share of what one would compute with, which changes no bit."""
    return max(1, torch.get_num_threads() // processes)


def _device(name: str, number: int) -> str:
    """Processes are dealt out to the GPUs there are, unless one is named."""
    count = torch.cuda.device_count() if name == "cuda" else 0
    return f"cuda:{number % count}" if count > 1 else name


def _compute(task: Task, threads: int, answers: Answers) -> None:
    """What a process does."""
    torch.set_num_threads(threads)
    for part in computed(task, task.placed(task.read()), answers.given()):
        answers.send(part)
