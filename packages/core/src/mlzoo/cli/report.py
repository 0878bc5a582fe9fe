"""``mlzoo report RUN…``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlzoo.cli import completion
from mlzoo.cli.output import installed, json_option, print_json
from mlzoo.errors import MlzooError

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
@click.option(
    "--figures",
    type=click.Path(file_okay=False, path_type=Path),
    help="draw the models' figures there",
)
@json_option
def report(
    runs: tuple[Path, ...], form: str, split: str, figures: Path | None, as_json: bool
) -> None:
    """Compare finished runs: RUNS are run folders, or folders that hold them.

    Runs that differ only in their seed, or in which random split of their data they used, become one
    column: mean ± standard deviation.
    """
    from mlzoo.cli.results import show_table
    from mlzoo.report.table import group_runs, summarise, to_csv, to_markdown
    from mlzoo.run_directory import find_runs

    installed()
    records = [record for record in find_runs(runs) if _readable(record)]
    table = summarise(records, split)
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
    if figures:
        _draw(records, figures)


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
    from mlzoo.report.table import data_digest

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
