"""Tables and JSON on standard output, warnings on standard error."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Any

import click

from mlzoo.errors import UsageError, did_you_mean
from mlzoo.registry import Registry, registry


@functools.cache
def installed() -> Registry:
    """The registry; what is wrong with plugins is said once, on standard error."""
    found = registry()
    for failure in found.failures:
        click.echo(f"mlzoo: warning: {failure}", err=True)
    return found


def check_task(reg: Registry, task: str | None) -> None:
    """Raise UsageError if no spec names the task."""
    if task is not None and task not in reg.tasks:
        raise UsageError(f"no task named {task!r}.", did_you_mean(task, reg.tasks))


def print_json(value: Any) -> None:
    """Strict JSON, indented."""
    from mlzoo.files import json_text

    click.echo(json_text(value), nl=False)


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    numeric: Sequence[int] = (),
) -> None:
    """A rich table in a terminal, aligned plain text elsewhere.

    Args:
        columns: the headings.
        rows: as many cells each.
        title: a line above.
        numeric: the columns that are right-aligned.
    """
    if sys.stdout.isatty():
        _rich_table(columns, rows, title, numeric)
        return
    if title:
        click.echo(title)
    for line in plain_table(columns, rows, numeric):
        click.echo(line)


def plain_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()
) -> list[str]:
    """Lines of an aligned table."""
    cells = [list(columns), *[list(row) for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if i in numeric else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    return [line(cells[0]), "  ".join("-" * width for width in widths), *map(line, cells[1:])]


def _rich_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str, numeric: Sequence[int]
) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title) or None, title_justify="left")
    for i, column in enumerate(columns):
        right = i in numeric
        table.add_column(escape(column), justify="right" if right else "left", no_wrap=right)
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


def start_job(processes: int) -> None:
    """Give this very command line to the processes of one job; the main one speaks for all.

    Raises:
        JobFailedError: one of them failed, and has said why.
    """
    from mlzoo.cli.main import process_of_job
    from mlzoo.launch import launch

    launch(processes, process_of_job, click.get_current_context().find_root().obj)
