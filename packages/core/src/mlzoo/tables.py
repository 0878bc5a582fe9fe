"""The tables that evaluators make of predictions: ``tables/<split>-<name>.csv`` in a run's folder."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mlzoo.errors import RunError, UsageError, did_you_mean
from mlzoo.prediction import Cell, checked_columns, csv_text, write_text
from mlzoo.registry import resolve

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mlzoo.contracts import TaskData
    from mlzoo.plugins import Registered

Filled: TypeAlias = dict[str, list[Cell | None]]
FOLDER = "tables"


def write_tables(
    evaluators: Iterable[Registered],
    split: str,
    predictions: Mapping[str, npt.NDArray[np.generic]],
    data: TaskData,
    directory: Path,
) -> list[str]:
    """Write every table of the evaluators for one split.

    Returns one line for each that failed, as a table is never worth a run.

    Raises:
        RunError: the folder is not writable, or the disk is full.
    """
    problems = []
    texts: dict[str, str] = {}
    for entry in evaluators:
        for name, ref in entry.spec.tables.items():
            who = f"table {name!r} of {entry.plugin}"
            if name in texts:
                problems.append(f"{who} is left out: another evaluator has one of that name")
                continue
            try:
                made = resolve(ref, entry.plugin)(predictions, data)
                texts[name] = csv_text(checked_columns(made, who, gaps=True))
            except Exception as error:
                problems.append(f"{who} failed on {split}: {error}")
    for name, text in texts.items():
        (directory / FOLDER).mkdir(exist_ok=True)
        write_text(directory / FOLDER / f"{split}-{name}.csv", text)
    return problems


def read_table(directory: Path, name: str, split: str) -> Filled:
    """The columns of a stored table; numbers as such, None for an empty cell.

    Raises:
        UsageError: the run has no such table; names those it has.
        RunError: the file cannot be read, or is damaged.
    """
    path = directory / FOLDER / f"{split}-{name}.csv"
    if not path.is_file():
        known = sorted(file.stem for file in (directory / FOLDER).glob("*.csv"))
        raise UsageError(
            f"{directory} has no table {name!r} of the split {split!r}.",
            _hint(name, split, known),
        )
    try:
        with path.open(encoding="utf-8", newline="") as file:
            head, *rows = list(csv.reader(file, strict=True))
            cells = [column[1:] for column in zip(head, *rows, strict=True)]
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, csv.Error) as error:
        raise RunError(f"{path} is damaged: its lines make no table.") from error
    return {heading: _column(column) for heading, column in zip(head, cells, strict=True)}


def _hint(name: str, split: str, known: list[str]) -> str:
    if not known:
        return "It has no tables at all."
    of_split = [stem.removeprefix(f"{split}-") for stem in known if stem.startswith(f"{split}-")]
    return did_you_mean(name, of_split) if of_split else f"It has {', '.join(known)}."


def _column(cells: tuple[str, ...]) -> list[Cell | None]:
    """Numbers if all of the column's cells are, written as numbers are: ``007`` is text."""
    for kind in (int, float):
        try:
            values: list[Cell | None] = [kind(cell) if cell else None for cell in cells]
        except ValueError:
            continue
        if all(
            value is None or str(value) == cell for value, cell in zip(values, cells, strict=True)
        ):
            return values
    return [cell or None for cell in cells]
