"""``mlzoo report RUN…``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlzoo.cli import completion
from mlzoo.cli.output import installed, json_option, print_json, print_table
from mlzoo.errors import MlzooError, UsageError

if TYPE_CHECKING:
    from mlzoo.run_directory import RunRecord


@click.command()
@click.argument(
    "runs", nargs=-1, required=True, type=click.Path(path_type=Path), shell_complete=completion.runs
)
@click.option(
    "--format", "form", type=click.Choice(["table", "md", "csv"]), default="table", help="[table]"
)
@click.option("--split", default="test", help="split to compare  [test]")
@click.option("--all", "details", is_flag=True, help="With every metric, details too.")
@click.option("--table", "name", help="show this table of one run instead of its metrics")
@click.option(
    "--figures",
    type=click.Path(file_okay=False, path_type=Path),
    help="draw the models' figures there",
)
@json_option
def report(
    runs: tuple[Path, ...],
    form: str,
    split: str,
    details: bool,
    name: str | None,
    figures: Path | None,
    as_json: bool,
) -> None:
    """Compare finished runs: RUNS are run folders, or folders that hold them.

    Runs that differ only in their seed, or in which random split of their data they used, become one
    column: mean ± standard deviation.
    """
    from mlzoo.run_directory import find_runs

    installed()
    records = [record for record in find_runs(runs) if _readable(record)]
    if name is None:
        _compare(records, form, split, details, as_json)
    else:
        _show_one(records, name, form, split, as_json)
    if figures:
        _draw(records, figures)


def _compare(
    records: Sequence[RunRecord], form: str, split: str, details: bool, as_json: bool
) -> None:
    """Metrics of all runs beside each other."""
    from mlzoo.cli.results import show_table
    from mlzoo.report.groups import group_runs
    from mlzoo.report.table import summarise, to_csv, to_markdown

    table = summarise(records, split, details=details)
    if as_json:
        print_json(
            [
                {
                    "label": group.label,
                    "seeds": group.seeds,
                    "repeats": group.repeats,
                    "config": group.first.config,
                    "runs": [{"directory": str(r.directory), **r.results} for r in group.runs],
                }
                for group in group_runs(records)
            ]
        )
    elif form == "md":
        click.echo(to_markdown(table), nl=False)
    elif form == "csv":
        click.echo(to_csv(records), nl=False)
    else:
        show_table(table)


def _show_one(
    records: Sequence[RunRecord], name: str, form: str, split: str, as_json: bool
) -> None:
    """A table that an evaluator made of one run's predictions."""
    from mlzoo.prediction import csv_text
    from mlzoo.report.table import Table, to_markdown
    from mlzoo.tables import read_table

    if len(records) != 1:
        raise UsageError(
            f"--table shows a table of one run, and there are {len(records)}.",
            "Name the folder of one.",
        )
    columns = read_table(records[0].directory, name, split)
    rows = list(zip(*columns.values(), strict=True))
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif form == "csv":
        click.echo(csv_text(columns), nl=False)
    else:
        title = f"{records[0].directory.name}: {name}, {split}"
        table = Table(title, list(columns), [[_cell(value) for value in row] for row in rows])
        numeric = [i for i, cells in enumerate(columns.values()) if not _has_text(cells)]
        if form == "md":
            click.echo(to_markdown(table), nl=False)
        else:
            print_table(table.columns, table.rows, title=title, numeric=numeric)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _has_text(cells: Sequence[object]) -> bool:
    return any(isinstance(cell, str) for cell in cells)


def _readable(record: RunRecord) -> bool:
    """One damaged run is named and left out."""
    try:
        return bool(record.info) and bool(record.config) and record.results is not None
    except MlzooError as error:
        click.echo(f"mlzoo: warning: left out: {error}", err=True)
        return False


def _draw(records: Sequence[RunRecord], folder: Path) -> None:
    """Each model's figures over its finished runs, a folder for each dataset where there are several."""
    from mlzoo.registry import registry
    from mlzoo.report.figures import draw
    from mlzoo.report.groups import data_digest

    sets: dict[str, list[RunRecord]] = {}
    for record in records:
        if record.results:
            results = record.results
            digest = data_digest(record)[:8]
            sets.setdefault(f"{results['model']}-{results['dataset']}-{digest}", []).append(record)
    for name, mine in sets.items():
        target = folder / name if len(sets) > 1 else folder
        for problem in draw(registry().model(mine[0].results["model"]), mine, target):
            click.echo(f"mlzoo: warning: {problem}", err=True)
    for picture in sorted(folder.rglob("*.png")):
        click.echo(f"figure  {picture}", err=True)
