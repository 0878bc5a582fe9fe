"""Images that are read while earlier ones are encoded: by processes of their own, or threads if they are few.

The processes are new ones (``spawn``) and import no torch unless images are read the fast way: a script of
one's own that reads many images needs ``if __name__ == "__main__":``.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Generator, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing

import numpy as np

from mlzoo.errors import RunError, UsageError
from mlzoo.prefetch import ahead
from mlzoo.signals import children_without_interrupts
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

AHEAD = 3
"""Pieces of each process that are read or wait to be used: what bounds the memory."""


def crops_ahead(
    images: Images,
    blocks: Iterable[Index],
    size: int,
    *,
    fast: bool = False,
    workers: int | None = None,
) -> Generator[tuple[Index, Bytes], None, None]:
    """Blocks of images in their order, each read before it is asked for.

    What comes does not depend on how it is read. About ``AHEAD * PIECE`` images of each process, or
    two blocks of threads, are in memory beside the block that is used. The processes end with the iterator.

    Args:
        images: where they lie; those in memory are always read by a thread.
        blocks: rows of the images.
        size: side of the squares.
        fast: see :func:`mlzoo_imagecode.images.preprocess.fast_crop`.
        workers: processes that decode and resize; 0 for threads. If omitted, as many as there are
            processors, at most :data:`MOST`, for :data:`MANY` images or more.

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
    """How many processes read ``count`` images; 0 for none."""
    if count < MANY or multiprocessing.current_process().daemon:  # a daemon may start none
        return 0
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(MOST, there or 1)


def _by_processes(
    images: JpgImages, blocks: list[Index], size: int, fast: bool, workers: int
) -> Generator[tuple[Index, Bytes], None, None]:
    """Blocks are read in pieces, so that all processes share in each."""
    pieces = (rows[at : at + PIECE] for rows in blocks for at in range(0, len(rows), PIECE))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin, (fast,)) as pool:

        def read(rows: Index) -> Bytes:
            try:
                with children_without_interrupts():
                    future = pool.submit(read_crops, images.paths(rows), size, fast=fast)
                return future.result()
            except BrokenProcessPool as error:
                raise RunError(
                    f"one of {workers} processes that read images was ended, perhaps for want of memory.",
                    "Start again with more memory at hand. A script of your own needs if __name__ == "
                    "'__main__': around what it does.",
                ) from error

        with closing(ahead(read, pieces, threads=AHEAD * workers)) as read_pieces:
            for rows in blocks:
                crops = np.empty((len(rows), size, size, 3), np.uint8)
                for at in range(0, len(rows), PIECE):
                    crops[at : at + PIECE] = next(read_pieces)
                yield rows, crops


def _begin(fast: bool) -> None:
    """What a process does first."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if fast:
        import torch

        torch.set_num_threads(1)  # there are as many processes as processors


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
