"""Images that are read while earlier ones are encoded: by processes of their own, or threads if they are few.

The processes are new ones (``spawn``) and import no torch unless images are read the fast way: a script of
one's own that reads many images needs ``if __name__ == "__main__":``.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import cycle

import numpy as np

from mlzoo.errors import UsageError
from mlzoo.prefetch import ahead
from mlzoo.processes import Answers, started
from mlzoo_imagecode.contextual import Bytes, Images, Index
from mlzoo_imagecode.images.folder import JpgImages, read_crops

MANY = 2000
"""Images from which on processes are worth their start."""

MOST = 8
"""Processes at most, unless more are asked for."""

THREADS = 2
"""That read images if they are few."""

PIECE = 16
"""Images that a process reads at once."""

FIX = (
    "It was reading images. Start again with more memory at hand; a script of your own needs "
    "if __name__ == '__main__': around what it does."
)


def crops_ahead(
    images: Images,
    blocks: Iterable[Index],
    size: int,
    *,
    fast: bool = False,
    workers: int | None = None,
) -> Generator[tuple[Index, Bytes], None, None]:
    """Blocks of images in their order, each read before it is asked for.

    What comes does not depend on how it is read. Beside the block that is used there are in memory at most
    four pieces of each process (:data:`PIECE`; what :data:`mlzoo.processes.AHEAD` allows, and the one it is
    at), or one block of each thread. The processes end with the iterator.

    Args:
        images: where they lie; those in memory are always read by a thread.
        blocks: rows of the images.
        size: side of the squares.
        fast: see :func:`mlzoo_imagecode.images.preprocess.fast_crop`.
        workers: processes that decode and resize; 0 for threads. If omitted, as many as there are
            processors, at most :data:`MOST`, for :data:`MANY` images or more; none on
            :data:`THREADS` processors.

    Yields:
        A block, and its images uint8 [n, size, size, 3].

    Raises:
        DataError: an image is missing or damaged; names its file.
        RunError: a process was ended by somebody else.
        UsageError: fewer than no processes.
    """
    blocks = list(blocks)
    if workers is None:
        workers = processes_for(sum(map(len, blocks)))
    if workers < 0:
        raise UsageError(f"images cannot be read by {workers} processes.")
    if workers and isinstance(images, JpgImages):
        yield from _by_processes(images, blocks, size, fast, workers)
        return
    threads = THREADS if isinstance(images, JpgImages) else 1
    with closing(
        ahead(lambda rows: images.crops(rows, size, fast=fast), blocks, threads=threads)
    ) as read:
        yield from zip(blocks, read, strict=True)


def processes_for(count: int) -> int:
    """How many processes read ``count`` images; 0 for none, as on so few processors that threads, which start
    at once, keep them as busy."""
    if count < MANY or multiprocessing.current_process().daemon:  # a daemon may start none
        return 0
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    there = there or 1
    return min(MOST, there) if there > THREADS else 0


def _by_processes(
    images: JpgImages, blocks: list[Index], size: int, fast: bool, workers: int
) -> Iterator[tuple[Index, Bytes]]:
    """Blocks are read in pieces, which go to the processes in turn, so that all share in each block."""
    pieces = [rows[at : at + PIECE] for rows in blocks for at in range(0, len(rows), PIECE)]
    words = (size, fast)
    with started(_read, [words] * min(workers, len(pieces)), FIX) as processes:
        for number, process in enumerate(processes):
            process.give([images.paths(rows) for rows in pieces[number :: len(processes)]])
        turns = cycle(processes)
        for rows in blocks:
            crops = np.empty((len(rows), size, size, 3), np.uint8)
            for at in range(0, len(rows), PIECE):
                next(turns).received(into=crops[at : at + PIECE].data.cast("B"))
            yield rows, crops


def _read(size: int, fast: bool, answers: Answers) -> None:
    """What a process does: the pixels of each piece follow an empty answer."""
    if fast:
        import torch

        torch.set_num_threads(1)  # there are as many processes as processors
    for paths in answers.given():
        crops = read_crops(paths, size, fast=fast)
        answers.send(None, crops.data.cast("B"))
