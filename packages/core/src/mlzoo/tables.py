"""The tables that evaluators make of predictions: ``tables/<split>-<name>.csv`` in a run's folder."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterable, Mapping
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
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+-]?[0-9]+)?")  # of JSON


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
    texts, problems = table_texts(evaluators, split, predictions, data)
    for name, text in texts.items():
        path = table_file(directory, split, name)
        path.parent.mkdir(exist_ok=True)
        write_text(path, text)
    return problems


def table_texts(
    evaluators: Iterable[Registered],
    split: str,
    predictions: Mapping[str, npt.NDArray[np.generic]],
    data: TaskData,
    only: Collection[str] | None = None,
) -> tuple[dict[str, str], list[str]]:
    """The tables of one split as csv by name, and one line for each that failed.

    Args:
        evaluators: all of the task: of two tables of one name the first counts.
        only: names of evaluators; the tables of all if omitted.
    """
    problems = []
    owners: dict[str, str] = {}
    texts: dict[str, str] = {}
    for entry in evaluators:
        for name, ref in entry.spec.tables.items():
            what = f"table {name!r} of {entry.plugin}"
            wanted = only is None or entry.spec.name in only
            if owners.setdefault(name, entry.spec.name) != entry.spec.name:
                if wanted:
                    problems.append(f"{what} is left out: another evaluator has one of that name")
            elif wanted:
                try:
                    made = resolve(ref, entry.plugin)(predictions, data)
                    texts[name] = csv_text(checked_columns(made, "it", gaps=True))
                except Exception as error:
                    problems.append(f"{what} failed on {split}: {error}")
    return texts, problems


def table_file(directory: Path, split: str, name: str) -> Path:
    """Where a run keeps a table."""
    return directory / FOLDER / f"{split}-{name}.csv"


def read_table(directory: Path, name: str, split: str) -> Filled:
    """The columns of a stored table; numbers as such, None for an empty cell.

    Raises:
        UsageError: the run has no such table; names those it has.
        RunError: the file cannot be read, or is damaged.
    """
    path = table_file(directory, split, name)
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
    """Numbers if all cells are written as such: ``007`` is text."""
    if not all(_NUMBER.fullmatch(cell) for cell in cells if cell):
        return [cell or None for cell in cells]
    return [json.loads(cell) if cell else None for cell in cells]
