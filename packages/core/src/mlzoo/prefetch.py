"""What the next step needs, made while the present one is taken."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def ahead(
    make: Callable[[Given], Made], items: Iterable[Given], *, threads: int = 1
) -> Generator[Made, None, None]:
    """``make`` of every item, in order; threads make the next ones while one is used.

    Args:
        make: reads or computes; of what it needs nothing may change meanwhile.
        items: iterated by the caller's thread, one for each result and as many ahead as there are threads.
        threads: how many are made ahead, and at once.

    Raises:
        Exception: what ``make`` raised, when its item's turn comes.
    """
    waiting: deque[Future[Made]] = deque()
    source = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        waiting.extend(pool.submit(make, item) for item in islice(source, threads))
        while waiting:
            first = waiting.popleft()
            waiting.extend(pool.submit(make, item) for item in islice(source, 1))
            yield first.result()
