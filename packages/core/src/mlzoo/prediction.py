"""Predictions for new inputs, as a model's ``predict`` Ref returns them: columns, checked and written.

The Ref is ``(model, data, inputs, progress) -> Mapping[str, Sequence | ndarray]``, see
:class:`mlzoo.specs.ModelSpec`.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from mlzoo.errors import NonFiniteError, PluginError
from mlzoo.files import atomic_write

Cell: TypeAlias = str | int | float | bool
Columns: TypeAlias = dict[str, list[Cell]]


def checked_columns(returned: object, who: str, *, gaps: bool = False) -> Columns:
    """What a Ref returned as columns of plain values; ``who`` is to blame.

    With ``gaps`` None and NaN become empty text, which a csv reader takes for nothing.

    Raises:
        PluginError: no columns, a name that is no text, columns of different length or of several
            axes, or a cell that is neither text nor a number.
        NonFiniteError: a number is NaN or infinite.
    """
    import numpy as np

    if not isinstance(returned, Mapping) or not returned:
        raise PluginError(f"{who} returned {type(returned).__name__} instead of named columns.")
    columns: Columns = {}
    for name, column in returned.items():
        if not isinstance(name, str) or not name or not name.isprintable():
            raise PluginError(f"{who} returned a column without a proper name: {name!r}.")
        is_array = isinstance(column, np.ndarray) and column.ndim == 1
        if not is_array and (isinstance(column, str) or not isinstance(column, Sequence)):
            raise PluginError(
                f"{who} returned {type(column).__name__} for the column {name!r}; "
                "expected a sequence or an array of one axis."
            )
        columns[name] = [
            "" if gaps and (value is None or value != value) else _cell(value, name, row, who)
            for row, value in enumerate(column)
        ]
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise PluginError(f"{who} returned columns of different length: {shown}.")
    return columns


def _cell(value: Any, name: str, row: int, who: str) -> Cell:
    """A plain value; a float32 becomes the shortest number that reads back as itself."""
    import numpy as np

    if isinstance(value, np.floating):
        value = float(str(value))
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise NonFiniteError(f"{who} predicted {value} in column {name!r}, row {row}.")
    if not isinstance(value, str | int | float):
        raise PluginError(
            f"{who} returned {type(value).__name__} in column {name!r}, row {row}; "
            "expected text or numbers."
        )
    return value


def records(columns: Columns) -> list[dict[str, Cell]]:
    """One mapping from name to value for each row."""
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def csv_text(columns: Mapping[str, Sequence[Cell | None]]) -> str:
    """Comma-separated, with a header; lines end in a newline alone."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 atomically.

    Raises:
        RunError: the folder is missing or not writable, or the disk is full.
    """
    with atomic_write(path) as file:
        file.write(text.encode())
