"""Which samples of two runs belong together, and what a test says of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mlzoo.errors import DataError

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]
"""The prediction arrays of a run."""

Facts: TypeAlias = dict[str, float | str]
"""What a paired test returns."""

LEVEL = 0.95
"""Of intervals."""


def rows_of_other(
    one: Sequence[Hashable], other: Sequence[Hashable], what: str = "samples"
) -> npt.NDArray[np.int64]:
    """int64 [n]: the rows of the other run that belong to those of the first, by their keys. Keys that occur
    more than once are paired in order.

    Raises:
        DataError: the runs have not the same samples; says which one lacks.
    """
    rows: dict[Hashable, list[int]] = defaultdict(list)
    for row, key in enumerate(other):
        rows[key].append(row)
    waiting = {key: iter(found) for key, found in rows.items()}
    order = [next(waiting.get(key, iter(())), -1) for key in one]
    if -1 in order or len(one) != len(other):
        lacking = f": {_named(one[order.index(-1)])}" if -1 in order else ""
        raise DataError(f"the runs have not the same {what}{lacking}.")
    return np.array(order, dtype=np.int64)


def require_same(one: Arrays, other: Arrays, names: Sequence[str], what: str = "samples") -> None:
    """Refuse runs whose samples are not the same, row by row.

    Args:
        one, other: their prediction arrays.
        names: of the arrays that tell samples apart, such as labels.
        what: what a row is, in the plural.

    Raises:
        DataError: an array is missing, or differs; says where.
    """
    for name in names:
        for arrays, which in ((one, "one"), (other, "the other")):
            if name not in arrays:
                raise DataError(
                    f"the predictions of {which} run hold no {name!r}, by which {what} are paired.",
                    "An older version made them: run it again.",
                )
        a, b = one[name], other[name]
        if a.shape != b.shape:
            shapes = f"{list(a.shape)} and {list(b.shape)}"
            raise DataError(f"the runs have not the same {what}: {name} is {shapes}.")
        if not np.array_equal(a, b):
            place = np.argwhere(np.atleast_1d(a != b))[0][0]
            raise DataError(f"the runs have not the same {what}: {name} differs in row {place}.")


def _named(key: Hashable) -> str:
    return " of ".join(map(repr, reversed(key))) if isinstance(key, tuple) else repr(key)
