"""Processes that answer in order, tell how they ended, and never stay behind."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest
from answering import eager, failing, squares

from mlzoo.errors import DataError, RunError
from mlzoo.processes import AHEAD, Worker, started


def test_answers_come_in_the_order_of_each_process() -> None:
    with started(squares, [(0,), (1,), (2,)]) as workers:
        for number, worker in enumerate(workers):
            worker.give(range(number + 1, 9, 3))
        room = bytearray(1)
        for each in range(1, 9):
            who = (each - 1) % 3
            assert workers[who].received(memoryview(room)) == (who, each**2)
            assert room == bytes([each])
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("how", "error", "told"),
    [
        ("refuses", DataError, "x.jpg is broken.\nFetch it again."),
        ("fails", RunError, "process 1 of 1 failed: KeyError: 'x'"),
        ("is killed", RunError, "process 1 of 1 ended early (by SIGKILL).\nDo this."),
        ("leaves", RunError, "process 1 of 1 ended early (exit status 7).\nDo this."),
    ],
)
def test_ending_is_told_after_what_was_sent_before(
    how: str, error: type[Exception], told: str
) -> None:
    with started(failing, [(how,)], "Do this.") as (worker,):
        if how in ("refuses", "fails"):
            assert worker.received() == 1
        with pytest.raises(error) as raised:
            worker.received()
    assert str(raised.value) == told
    assert not multiprocessing.active_children()


def test_process_does_not_run_ahead_of_who_takes_its_answers(tmp_path: Path) -> None:
    with started(eager, [(tmp_path,)]) as (worker,):
        room = memoryview(bytearray(2**20))
        worker.received(room)
        time.sleep(1)
        assert len(list(tmp_path.iterdir())) <= AHEAD + 2
        worker.received(room)


def test_processes_end_with_the_block_whatever_they_are_at() -> None:
    def begin(workers: list[Worker]) -> None:
        workers[0].give(range(1, 200))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), started(squares, [(0,), (1,)]) as workers:
        begin(workers)
    assert not multiprocessing.active_children()
