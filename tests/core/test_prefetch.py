from __future__ import annotations

import threading

import pytest

from mlzoo.errors import DataError
from mlzoo.prefetch import ahead


def test_the_next_item_is_made_ahead_in_order_and_errors_arrive():
    made = []

    def make(number):
        made.append(number)
        if number == 3:
            raise DataError("row 3 is damaged.")
        return 10 * number

    found = ahead(make, range(5))
    assert next(found) == 0
    assert next(found) == 10
    assert made[:2] == [0, 1]
    with pytest.raises(DataError, match="row 3"):
        list(found)
    assert list(ahead(make, [])) == []


def test_several_threads_keep_the_order_and_run_at_once():
    together = threading.Barrier(3, timeout=20)

    def make(number):
        if number < 3:
            together.wait()  # passes only if three are made at once
        return number

    assert list(ahead(make, range(10), threads=3)) == list(range(10))


def test_no_more_items_are_taken_than_threads_ahead():
    taken = []

    def items():
        for number in range(10):
            taken.append(number)
            yield number

    found = ahead(lambda number: number, items(), threads=2)
    next(found)
    assert taken == [0, 1, 2]
    found.close()
