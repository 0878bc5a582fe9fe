"""``mlzoo report RUN…``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlzoo.cli import completion
from mlzoo.cli.output import installed, json_option, print_table
from mlzoo.errors import UsageError

if TYPE_CHECKING:
    from mlzoo.report.formats import Layout
    from mlzoo.report.reading import FoundRuns
    from mlzoo.report.table import Table
    from mlzoo.run_directory import RunRecord

FORMATS = ("table", "md", "csv", "json", "latex", "html")


@click.command()
@click.argument(
    "runs", nargs=-1, required=True, type=click.Path(path_type=Path), shell_complete=completion.runs
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", help="[table]")
@click.option(
    "--layout",
    type=click.Choice(["metrics", "runs"]),
    help="a row for each metric, or a leaderboard with a row for each group of runs  [what fits]",
)
@click.option("--split", default="test", help="split to compare  [test]")
@click.option("--all", "details", is_flag=True, help="With every metric, details too.")
@click.option("--table", "name", help="show this table of one run instead of its metrics")
@click.option(
    "--figures",
    type=click.Path(file_okay=False, path_type=Path),
    help="draw the models' figures there",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="write to this file  [standard output; html: report.html]",
)
@json_option
def report(
    runs: tuple[Path, ...],
    form: str,
    layout: Layout | None,
    split: str,
    details: bool,
    name: str | None,
    figures: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Compare finished runs: RUNS are run folders, or folders that hold them.

    Runs that differ only in their seed, or in which random split of their data they used, become one
    group: mean ± standard deviation, with the published numbers and what the runs say about them.
    """
    from mlzoo.report.reading import read_runs

    installed()
    found = read_runs(runs)
    if found.records or len(found.left_out) > 1:
        for each in found.left_out:
            click.echo(f"mlzoo: warning: left out: {each}", err=True)
    found.require_some()
    form = "json" if as_json else form
    if name is not None:
        _show_one(found.records, name, form, split, out)
    else:
        _compare(found, form, layout, split, details, out)
    if figures:
        _draw(found.records, figures)


def _compare(
    found: FoundRuns,
    form: str,
    layout: Layout | None,
    split: str,
    details: bool,
    out: Path | None,
) -> None:
    """Metrics of all runs beside each other."""
    from mlzoo.cli.results import show_table
    from mlzoo.files import json_text
    from mlzoo.report.formats import json_of, tables_of
    from mlzoo.report.latex import to_latex
    from mlzoo.report.table import to_csv, to_markdown

    records = found.records
    if form == "html":
        _give_page(found, split, details, out or Path("report.html"))
        return
    if form == "json":
        _give(json_text(json_of(records, split)), out)
        return
    tables = tables_of(records, split, layout=layout, details=details)
    if form == "csv":
        _give(to_csv(records), out)
    elif form in ("md", "latex"):
        _give("\n".join(map(to_markdown if form == "md" else to_latex, tables)), out)
    elif out is not None:
        _give("\n".join(map(_plain, tables)), out)
    else:
        for number, table in enumerate(tables):
            click.echo("\n" if number else "", nl=False)
            show_table(table)


def _plain(table: Table) -> str:
    """A table as a file of text has it."""
    from mlzoo.cli.output import plain_table

    numbers = range(1, len(table.columns) - 1)
    lines = [table.title, *plain_table(table.columns, table.rows, numbers), *table.notes]
    return "\n".join(lines) + "\n"


def _give_page(found: FoundRuns, split: str, details: bool, out: Path) -> None:
    """One file that can be sent; says how large it is."""
    from mlzoo.data.manifest import human_size
    from mlzoo.report.page.build import LARGE, page

    text = page(found, split, details=details)
    _give(text, out)
    size = len(text.encode())
    click.echo(f"size  {human_size(size)}", err=True)
    if size > LARGE:
        click.echo("mlzoo: warning: a large page; name fewer runs for a smaller one", err=True)


def _give(text: str, out: Path | None) -> None:
    """To the file that was asked for, whole or not at all, or to standard output."""
    from mlzoo.prediction import write_text

    if out is None:
        click.echo(text, nl=False)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, text)
    click.echo(f"written to {out}", err=True)


def _show_one(
    records: Sequence[RunRecord], name: str, form: str, split: str, out: Path | None
) -> None:
    """A table that an evaluator made of one run's predictions."""
    from mlzoo.files import json_text
    from mlzoo.prediction import csv_text
    from mlzoo.report.latex import to_latex
    from mlzoo.report.table import Table, to_markdown
    from mlzoo.tables import read_table

    if len(records) != 1:
        raise UsageError(
            f"--table shows a table of one run, and there are {len(records)}.",
            "Name the folder of one.",
        )
    columns = read_table(records[0].directory, name, split)
    rows = list(zip(*columns.values(), strict=True))
    title = f"{records[0].directory.name}: {name}, {split}"
    table = Table(title, list(columns), [[_cell(value) for value in row] for row in rows])
    texts = [i for i, cells in enumerate(columns.values()) if _has_text(cells)]
    if form == "json":
        _give(json_text([dict(zip(columns, row, strict=True)) for row in rows]), out)
    elif form == "csv":
        _give(csv_text(columns), out)
    elif form == "md":
        _give(to_markdown(table), out)
    elif form == "latex":
        _give(to_latex(table, text_columns=texts), out)
    elif out is not None:
        _give(_plain(table), out)
    else:
        numeric = [i for i in range(len(columns)) if i not in texts]
        print_table(table.columns, table.rows, title=title, numeric=numeric)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _has_text(cells: Sequence[object]) -> bool:
    return any(isinstance(cell, str) for cell in cells)


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
