"""``mlzoo data info NAME --stats``: the tables that a dataset makes of its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from mlzoo.cli.output import installed, print_json, print_table
from mlzoo.errors import PluginError, UsageError
from mlzoo.plugins import Registered

if TYPE_CHECKING:
    from mlzoo.prediction import Columns

Tables: TypeAlias = "dict[str, Columns]"


def tables_of(entry: Registered, root: Path) -> Tables:
    """The tables of a dataset under its default options.

    Args:
        entry: the dataset.
        root: the data root.

    Raises:
        UsageError: it has no statistics; names the datasets that have.
        DataError: a file that they need is missing or damaged.
        PluginError: it returned anything but tables.
    """
    from mlzoo.data.root import dataset_folder
    from mlzoo.planning import dataset_config
    from mlzoo.prediction import checked_columns
    from mlzoo.registry import resolve

    spec = entry.spec
    if spec.stats is None:
        known = ", ".join(each.spec.name for each in installed().datasets if each.spec.stats)
        raise UsageError(
            f"{spec.name} has no statistics.",
            f"Datasets that have: {known}." if known else f"Load it: mlzoo data show {spec.name}",
        )
    config = dataset_config(entry)
    options = config() if config is not None else None
    made = resolve(spec.stats, entry.plugin)(dataset_folder(root, spec.name), options)
    if not isinstance(made, Mapping) or not made:
        raise PluginError(f"{entry.plugin}: {spec.stats} returned no tables by name.")
    who = f"{entry.plugin}: {spec.stats}"
    return {
        str(name): checked_columns(columns, f"{who}: {name}", gaps=True)
        for name, columns in made.items()
    }


def show_stats(entry: Registered, data_dir: Path | None, as_json: bool) -> None:
    """Print the tables, below each other or as one JSON object."""
    from mlzoo.data.root import data_root, dataset_folder

    root = data_root(data_dir)
    tables = tables_of(entry, root)
    if as_json:
        folder = str(dataset_folder(root, entry.spec.name))
        print_json({"dataset": entry.spec.name, "folder": folder, "tables": _with_gaps(tables)})
        return
    for place, (name, columns) in enumerate(tables.items()):
        if place:
            click.echo()
        numeric = [at for at, cells in enumerate(columns.values()) if not _has_words(cells)]
        rows = zip(*([_cell(cell) for cell in cells] for cells in columns.values()), strict=True)
        print_table(list(columns), [list(row) for row in rows], title=name, numeric=numeric)


def _with_gaps(tables: Tables) -> dict[str, dict[str, list[object]]]:
    """An empty cell is null."""
    return {
        name: {
            head: [None if cell == "" else cell for cell in cells] for head, cells in own.items()
        }
        for name, own in tables.items()
    }


def _has_words(cells: list[str | int | float | bool]) -> bool:
    return any(isinstance(cell, str) and cell for cell in cells)


def _cell(value: str | float | bool) -> str:
    """Counts whole, other numbers with five digits."""
    if isinstance(value, float):
        return f"{value:.5g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
